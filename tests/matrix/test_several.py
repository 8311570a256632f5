# SPDX-License-Identifier: Apache-2.0
"""Several live migrations at a time: side by side, and past each other."""

from tests.integration import cloud
from tests.integration import sniffer
from tests.integration import test_cloud_variants


def setUpModule():
    SeveralTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class SeveralTest(test_cloud_variants.VariantTest):

    def test_side_by_side_and_crossing(self):
        self.configure(DEFAULT={'max_concurrent_live_migrations': 2})
        one, other = self.start('one'), self.start('other')
        with sniffer.Sniffer() as seen:
            self.migrate_at_once(one, other)
        # Each instance and each Domain R; and it is how to tell encryption.
        self.assertEqual([sniffer.PLAIN] * 4,
                         [begin[:4] for begin in seen.begins.values()])
        self.migrate(one)
        self.migrate_at_once(one, other)
