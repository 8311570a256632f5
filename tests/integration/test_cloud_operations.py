# SPDX-License-Identifier: Apache-2.0
"""What users ask for that stores an instance's disk, or has it start on
another host: snapshots, shelving, resizes and cold migrations.
"""

from tests.integration import cloud
from tests.integration import test_cloud_life
from laboratory.testbed import settings
from laboratory.users import subject as demo_subject
from laboratory.users.client import PROGRAM

HOST, OTHER = settings.COMPUTES
_LARGER = 'm1.guest-larger'
_LARGER_MIB = 320
#: So many lines per second that two cores emulate two guests.
COMMAND = f'{PROGRAM} --rate 20'
_IMAGE_S = 180


def setUpModule():
    SnapshotTest.machine = ShelveTest.machine = MoveTest.machine = (
        cloud.enter())


def tearDownModule():
    cloud.leave()


class SnapshotTest(cloud.TypingTest):
    """Users by ssh and at Nova's proxy type numbered keys while the disk is
    copied and sent to Glance."""

    trial = demo_subject.Trial('snapshot', 'm1.guest',
                               {'ssh': 0, 'serial': 1}, COMMAND)

    @cloud.repeated
    def test_sessions_go_on(self, subject):
        """No key and no byte is lost, the pair is as it was, and an instance
        boots from what was stored."""
        machine, made = self.machine, []
        before = self._pids(subject, HOST)
        users = self._typing(subject, lambda: made.append(
            self.store(subject)))
        (image,) = made
        self.addCleanup(machine.api._sdk.image.delete_image, image.id)
        self.assertEqual('active', image.status)
        self.assert_stored(image)
        for kind, user in users.items():
            self.assertEqual((0, 0), (user.faults(), user.disconnects), kind)
        self.assertEqual(before, self._pids(subject, HOST))
        self._assert_boots(image)

    def store(self, subject):
        """-> the image, when the disk is stored."""
        return self.machine.api._sdk.compute.create_server_image(
            subject.server, self.id(), wait=True, timeout=_IMAGE_S)

    def assert_stored(self, image):
        """Glance has the disk."""
        self.assertGreater(image.size, 0)

    def _assert_boots(self, image):
        api = self.machine.api
        server = api.boot('demo-copy', 'm1.guest-stock', OTHER, image.id)
        self.addCleanup(api.delete, server)
        api.wait_until_booted(server, OTHER)


class LeavingTest(test_cloud_life.ShellTest):
    """The instance, and its pair with it, starts anew, maybe elsewhere."""

    def host_of(self, subject):
        """Where Nova has the instance; nothing if it is on no host."""
        return self.machine.api._sdk.compute.get_server(
            subject.server).compute_host

    def assert_left(self, subject, host):
        """Nothing of the pair, or of the instance, is on a host any more."""
        machine, server = self.machine, subject.server
        cloud.wait_for(lambda: not machine.processes(host, server), 30,
                       'the end of the processes')
        self.assertFalse(machine.pair_directory(host, server).exists())

    def assert_console(self, subject, url):
        """A shell answers at the same address, with the same host key: one
        file of known hosts is used for all."""
        self.assertEqual(url, self.machine.api.ssh_url(subject.server))
        host = self.host_of(subject)
        self.machine.api.wait_until_booted(subject.server, host)
        self.assertEqual(1, len(self.machine.domain_r_qemu(
            host, subject.server)))
        return self.open(subject)


class ShelveTest(LeavingTest):

    trial = demo_subject.Trial('shelved', 'm1.guest', {})

    @cloud.repeated
    def test_shelved_and_unshelved(self, subject):
        """Nothing is left on the host while it is shelved. Then it boots
        from its stored disk, with a console where it was before."""
        url, host = (self.machine.api.ssh_url(subject.server),
                     self.host_of(subject))
        self.open(subject)
        self.act(subject, 'shelve_server', 'SHELVED_OFFLOADED')
        self.assert_left(subject, host)
        # Nova says so when it has told Placement, too.
        cloud.wait_for(lambda: self.host_of(subject) is None, 30,
                       'the end of its time on a host')
        self.act(subject, 'unshelve_server', 'ACTIVE')
        self.assert_console(subject, url)


class MoveTest(LeavingTest):
    """To the other host, on which nova-compute prepares the instance's folder
    by ssh, with a new pair there."""

    trial = demo_subject.Trial('moving', 'm1.guest', {})

    def _move_and_confirm(self, subject, action, **arguments):
        """The console is at the destination before the user confirms that,
        and its session does not notice when this is done."""
        api = self.machine.api
        url, source = api.ssh_url(subject.server), self.host_of(subject)
        self.open(subject)
        self.act(subject, action, 'VERIFY_RESIZE', **arguments)
        self.assertEqual(OTHER if source == HOST else HOST,
                         self.host_of(subject))
        self.assert_left(subject, source)
        console = self.assert_console(subject, url)
        self.act(subject, 'confirm_server_resize', 'ACTIVE')
        self.assert_left(subject, source)
        console.find_shell()

    @cloud.repeated
    def test_cold_migration(self, subject):
        self._move_and_confirm(subject, 'migrate_server')

    @cloud.repeated
    def test_resize(self, subject):
        self.machine.api.flavor(_LARGER, _LARGER_MIB)
        compute = self.machine.api._sdk.compute
        self._move_and_confirm(subject, 'resize_server',
                               flavor=compute.find_flavor(_LARGER).id)
        self.assertEqual(_LARGER, compute.get_server(
            subject.server).flavor.original_name)
