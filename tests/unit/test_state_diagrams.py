# SPDX-License-Identifier: Apache-2.0
"""The diagrams of state machines show each state, and no other."""

import pathlib
import re

from oslotest import base

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore import wire

_PAGES = pathlib.Path(__file__).parents[2] / 'doc/source/architecture'
#: Page and label of each.
_DIAGRAMS = {
    ('pair.rst', 'states-of-a-pair'): wire.PairState,
    ('pair.rst', 'states-of-an-instance'): wire.InstanceState,
    ('channel.rst', 'states-of-the-host-end'): host_end.HostState,
    ('channel.rst', 'states-of-domain-rs-end'): domr_end.DomainRState}


class DiagramsTest(base.BaseTestCase):

    def test_states(self):
        for (page, label), states in _DIAGRAMS.items():
            below = (_PAGES / page).read_text().partition(
                f'.. _{label}:\n')[2]
            diagram = re.search(r'::\n\n((?: .*\n|\n)+)', below)
            self.assertEqual(
                {state.value for state in states},
                set(re.findall(r'\[(\w+)\]', diagram[1])), label)
            # The text names the enumeration, and where it is.
            named = ' '.join(below[:diagram.start()].split())
            self.assertIn(f'``{states.__name__}``', named)
