# SPDX-License-Identifier: Apache-2.0
"""Instances that have volumes of Cinder, as their only disk or as another one,
and live with a pair as any instance does.
"""

import os

from tests.integration import cloud
from tests.integration import test_cloud_life
from tests.integration import test_cloud_migration
from tests.integration import test_cloud_operations
from laboratory.testbed import settings
from laboratory.testbed import volumes
from laboratory.users import subject as demo_subject

HOST, OTHER = settings.COMPUTES
SIZE_GIB = 1
#: Where on a disk the tests write: behind what the guest boots from.
_AT_MIB = 512
ATTACH_S = 60
WORD = b'what-was-written'


def setUpModule():
    for kind in BootedTest, AttachedTest, MovedTest:
        kind.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


def write(console, device):
    """Have the guest write to a disk, as soon as it has it."""
    console.type(
        f'until [ -e {device} ]; do sleep 1; done; echo {WORD.decode()} | '
        f'dd of={device} bs=1M seek={_AT_MIB} conv=fsync; '
        'echo $((6*7))-written\r'.encode())
    console.wait_for(b'42-written')


def read(console, device):
    """-> what the guest shows of what it wrote, read from the disk again."""
    console.type(
        'echo 3 > /proc/sys/vm/drop_caches; '
        f'dd if={device} bs=1M skip={_AT_MIB} count=1 | head -n 1; '
        'echo $((6*7))-read\r'.encode())
    return console.wait_for(b'42-read')


class VolumesTest(cloud.CloudTest):

    def new_volume(self):
        """-> the id of a volume, which goes when the test has ended."""
        storage = self.machine.api._sdk.block_storage
        volume = storage.create_volume(name=self.id(), size=SIZE_GIB)
        self.addCleanup(storage.delete_volume, volume.id)
        self._wait_for(volume.id, 'available')
        return volume.id

    def attach(self, subject, volume):
        self.machine.api._sdk.compute.create_volume_attachment(
            subject.server, volume=volume)
        self._wait_for(volume, 'in-use')

    def detach(self, subject, volume):
        self.machine.api._sdk.compute.delete_volume_attachment(
            subject.server, volume)
        self._wait_for(volume, 'available')

    def _wait_for(self, volume, status):
        storage = self.machine.api._sdk.block_storage
        cloud.wait_for(
            lambda: storage.get_volume(volume).status == status,
            ATTACH_S, f'the volume: {status}')

    def assert_unmounted(self):
        """No host has a volume any more."""
        for host in settings.COMPUTES:
            mounts = self.machine.place.host(host).root() / 'proc/1/mounts'
            cloud.wait_for(
                lambda: volumes.HOST_FOLDER not in mounts.read_text(),
                ATTACH_S, f'the end of what {host} has mounted')


class BootedTest(VolumesTest, test_cloud_migration.MigrationTest):
    """Its only disk is a volume, which has to be at both hosts while the
    instance moves."""

    trial = demo_subject.Trial('booted', 'm1.guest', {'ssh': 0, 'serial': 1},
                               volume_gib=SIZE_GIB)

    def test_there_and_back(self):
        folder = self.machine.place.volumes
        before = set(os.listdir(folder))
        super().test_there_and_back()
        # The volume went with the instance.
        cloud.wait_for(lambda: before >= set(os.listdir(folder)),
                       ATTACH_S, 'the end of the volume')
        self.assert_unmounted()


class AttachedTest(VolumesTest, cloud.TypingTest):
    """Users by ssh and at Nova's proxy type numbered keys while the instance
    gets another disk, and while it is taken away."""

    trial = demo_subject.Trial('attached', 'm1.guest',
                               {'ssh': 0, 'serial': 1},
                               test_cloud_operations.COMMAND)

    @cloud.repeated
    def test_sessions_go_on(self, subject):
        """No key and no byte is lost, and the pair is as it was."""
        volume = self.new_volume()
        before = self._pids(subject, HOST)
        for change in (self.attach, self.detach):
            users = self._typing(subject, lambda: change(subject, volume))
            for kind, user in users.items():
                self.assertEqual((0, 0), (user.faults(), user.disconnects),
                                 f'{kind}: {change.__name__}')
        self.assertEqual(before, self._pids(subject, HOST))
        self.assert_unmounted()


class MovedTest(VolumesTest, test_cloud_life.ShellTest):

    trial = demo_subject.Trial('volume', 'm1.guest', {})

    @cloud.repeated
    def test_volume_moves_along(self, subject):
        """In one session: what the guest wrote to a volume before a restart
        of nova-compute and a live migration it reads after them, and it is
        there when the volume is taken away."""
        volume = self.new_volume()
        console = self.open(subject)
        self.attach(subject, volume)
        write(console, '/dev/vdb')
        self.machine.restart(HOST, 'nova-compute')
        self.assertIn(WORD, read(console, '/dev/vdb'))
        self.machine.api.migrate(subject.server, HOST, OTHER)
        self.assertIn(WORD, read(console, '/dev/vdb'))
        self.detach(subject, volume)
        console.find_shell()
        path = self.machine.place.volumes / f'volume-{volume}'
        with path.open('rb') as stream:
            stream.seek(_AT_MIB << 20)
            self.assertEqual(WORD, stream.readline().rstrip())
        self.assert_unmounted()
