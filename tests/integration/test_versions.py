# SPDX-License-Identifier: Apache-2.0
"""Live migrations on Debian 12's own QEMU, and from it to that of Debian 13.

All others are on the latter. The users go on typing, and all has to be well
afterwards.
"""

from tests.integration import cloud
from tests.integration import test_cloud_variants
from laboratory.testbed import settings


class OwnTest(cloud.OtherCloud, test_cloud_variants.VariantTest):
    """QEMU 7.2 and libvirt 9.0 on both hosts."""

    arguments = '--qemu', settings.QEMU_OWN

    def test_there_and_back(self):
        instance = self.start('own')
        for _there_and_back in range(2):
            self.migrate(instance)


class MixedTest(cloud.OtherCloud, test_cloud_variants.VariantTest):
    """To a host with QEMU 10.0 and libvirt 11.3. Nova refuses the way back,
    stock or not: ``DestinationHypervisorTooOld``."""

    arguments = '--qemu', settings.QEMU_MIXED

    def test_there(self):
        instance = self.start('mixed')
        self.migrate(instance)
