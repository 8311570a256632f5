# SPDX-License-Identifier: Apache-2.0
"""Instances whose only disk is a volume of Cinder, when they are ended,
shelved and stored; ``tests/integration/test_cloud_volumes.py`` has their
migrations.
"""

import json

from tests.integration import cloud
from tests.integration import test_cloud_operations
from tests.integration import test_cloud_volumes as volumes
from laboratory.users import subject as demo_subject

_READY = b'GUEST-READY'


def setUpModule():
    DiskTest.machine = SnapshotTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class DiskTest(test_cloud_operations.ShelveTest):
    """The same when the instance is ended, and starts anew: also when it is
    shelved, with nothing to be stored."""

    trial = demo_subject.Trial('disk', 'm1.guest', {},
                               volume_gib=volumes.SIZE_GIB)

    @cloud.repeated
    def test_power_off_and_on(self, subject):
        console = self.open(subject)
        volumes.write(console, '/dev/vda')
        self.act(subject, 'stop_server', 'SHUTOFF')
        console.assert_lives()
        self.act(subject, 'start_server', 'ACTIVE')
        console.wait_for(_READY)
        console.find_shell()
        self.assertIn(volumes.WORD, volumes.read(console, '/dev/vda'))


class SnapshotTest(test_cloud_operations.SnapshotTest):
    """What is stored is a snapshot, which Nova makes for Cinder, and Glance
    has nothing but its name."""

    trial = demo_subject.Trial('stored', 'm1.guest', {'ssh': 0, 'serial': 1},
                               test_cloud_operations.COMMAND, volumes.SIZE_GIB)

    def store(self, subject):
        image = super().store(subject)
        # The image is there before the snapshot is.
        snapshot = self._snapshot(image)
        self.addCleanup(self._remove, snapshot)
        self.machine.api._sdk.block_storage.wait_for_status(
            snapshot, interval=0.5, wait=volumes.ATTACH_S)
        return image

    def assert_stored(self, image):
        self.assertEqual(volumes.SIZE_GIB, self._snapshot(image).size)

    def _snapshot(self, image):
        (disk,) = json.loads(image.properties['block_device_mapping'])
        return self.machine.api._sdk.block_storage.get_snapshot(
            disk['snapshot_id'])

    def _remove(self, snapshot):
        storage = self.machine.api._sdk.block_storage
        storage.delete_snapshot(snapshot)
        storage.wait_for_delete(snapshot, interval=0.5, wait=volumes.ATTACH_S)
