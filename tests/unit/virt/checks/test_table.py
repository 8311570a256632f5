# SPDX-License-Identifier: Apache-2.0

import pathlib
import re

from oslotest import base

from nova_dmore.virt.checks import table

_PAGE = pathlib.Path(__file__).parents[4] / 'doc/source/admin/day-two.rst'
#: What the page may say of when nova-compute makes a check. Of some it says by
#: itself what they would find, and ends, or goes on.
_SAID = {table.When.START: {'yes'}, table.When.ASIDE: {'beside it'},
         table.When.NEVER: {'no', 'yes', 'it ends'}}


class DocumentedTest(base.BaseTestCase):

    def test_every_check(self):
        rows = re.findall(r'(?m)^   \* - (.+)\n     - (.+)\n'
                          r'     - (?:With |Fail|Warn)', _PAGE.read_text())
        self.assertEqual([check.title for check in table.CHECKS],
                         [title for title, _when in rows])
        for check, (_title, when) in zip(table.CHECKS, rows, strict=True):
            self.assertIn(when, _SAID[check.when], check.title)
