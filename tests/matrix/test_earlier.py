# SPDX-License-Identifier: Apache-2.0
"""Live migrations where one host has the release before this one, as in an
upgrade of one host after the other.

The users go on typing, and all has to be well afterwards.
"""

from tests.integration import cloud
from tests.integration import test_cloud_variants


class EarlierTest(cloud.OtherCloud, test_cloud_variants.VariantTest):

    arguments = '--earlier',

    def test_there_and_back(self):
        instance = self.start('earlier')
        for _there_and_back in range(2):
            self.migrate(instance)
