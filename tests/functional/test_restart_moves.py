# SPDX-License-Identifier: Apache-2.0
"""nova-compute dies in the middle of what moves an instance to another host.

See :mod:`tests.functional.test_restart`.
"""

from tests.functional import restart_case
from tests.functional.restart_case import Operation


def _cold_migrate(case, server, kind):
    case.admin_api.post_server_action(
        server['id'], {'migrate': {'host': f'{kind}2'}})


class ColdMigrationTest(restart_case.TestCase):

    #: Two hosts of each kind.
    numbers = '12'

    def test_source(self):
        self.check(
            Operation(_cold_migrate), 'domain shutdown',
            ('record forget', 'save active resize_migrated'),
            'save active resize_migrated', 'rpc finish_resize')
