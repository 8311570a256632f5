# SPDX-License-Identifier: Apache-2.0
"""Hosts with Nova's own driver: a pair goes there and comes back; an instance
is suspended by one driver and resumed by the other, or without a pair.
"""

import contextlib
import threading
import time
import kombu
from nova_dmore.virt.rpc import calls

from tests.integration import cloud
from tests.integration import test_cloud_life
from tests.integration import test_cloud_vnc
from laboratory.testbed import conf_controller
from laboratory.testbed import settings
from laboratory.users import sessions
from laboratory.users import subject as demo_subject

HOST, PLAIN = settings.COMPUTES
STOCK = {'DEFAULT': {'compute_driver': 'libvirt.LibvirtDriver'}}
_READY = b'GUEST-READY'
#: So long a migration may take to a host whose queue nobody reads any more.
_STALE_S = 90.0
_SERVING_S = 120.0


def setUpModule():
    MixedTest.machine = SuspendedTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class StockCase(test_cloud_life.ShellTest):
    """An instance that has the stock consoles for a while."""

    def _assert_serial_console(self, subject, word):
        """A shell answers at Nova's serial proxy."""
        cloud.wait_for(lambda: self._is_answered(subject, word), _SERVING_S,
                       f'the answer {word}')

    def _is_answered(self, subject, word):
        # Nova forgets the tokens when the migration is over for its user.
        with contextlib.suppress(OSError), contextlib.closing(
                sessions.ProxySession(self.machine.api.console_url(
                    subject.server))) as session:
            shown = bytearray()

            def read():
                with contextlib.suppress(OSError):
                    while data := session.receive():
                        shown.extend(data)

            threading.Thread(target=read, daemon=True).start()
            for _attempt in range(5):
                session.send(f'echo $((6*7))-{word}\r'.encode())
                time.sleep(2)
                if f'42-{word}'.encode() in shown:
                    return True
        return False

    def _assert_stock(self, subject, host, word):
        machine, server = self.machine, subject.server
        xml = cloud.domain_xml(machine, host, subject.domain)
        self.assertIn("<serial type='tcp'>", xml)
        self.assertNotIn('dmore-qmp', xml)
        self._assert_serial_console(subject, word)
        self.assertIn(subject.domain, test_cloud_vnc.is_served(
            machine.api.console_url(server, 'novnc')))
        self.assertIn(f'42-{word}', machine.api.console_log(server))
        for each in settings.COMPUTES:
            self.assertEqual([], machine.domain_r_qemu(each, server))
            self.assertEqual([], machine.keeper(each, server))
        self.assertNotIn('dmore:console_ssh', machine.api._sdk.compute.
                         get_server(server).metadata)


class MixedTest(StockCase):

    trial = demo_subject.Trial('mixed', 'm1.guest', {})

    def _forget_queue(self):
        """As a broker that was started again since."""
        url = conf_controller.message_url(self.machine.place)
        with kombu.Connection(url.replace('rabbit:', 'amqp:')) as connection:
            connection.default_channel.queue_delete(f'{calls.TOPIC}.{PLAIN}')

    def _there_and_back(self, subject, word):
        machine = self.machine
        with contextlib.closing(cloud.Console(
                machine, subject.server)) as console:
            console.find_shell()
            log = machine.log(HOST)
            took = machine.api.migrate(subject.server, HOST, PLAIN)
        self.note(f'{word}: {took:.1f} s')
        cloud.wait_for(lambda: 'to a host without the plug-in' in log.grown(),
                       30, 'a report')
        self._assert_stock(subject, PLAIN, f'{word}-there')
        machine.api.migrate(subject.server, PLAIN, HOST)
        self._assert_stock(subject, HOST, f'{word}-back')
        # The log goes on: what was shown before the moves is there.
        self.assertIn(_READY.decode(), machine.api.console_log(subject.server))
        # Started anew it has its pair again, at the same address.
        self.act(subject, 'reboot_server', 'ACTIVE', reboot_type='HARD')
        # Two machines start at the same time.
        self.open(subject, 2 * _SERVING_S).assert_lives()
        return took

    @cloud.repeated
    def test_there_and_back(self, subject):
        url = self.machine.api.ssh_url(subject.server)
        with self.machine.configured(PLAIN, 'nova-compute', **STOCK):
            took = self._there_and_back(subject, 'stale')
            self.assertLess(took, _STALE_S)
            self.assertEqual(url, self.machine.api.ssh_url(subject.server))
            self._forget_queue()
            self.assertLess(self._there_and_back(subject, 'known'), took)
            self.assertEqual(url, self.machine.api.ssh_url(subject.server))


class SuspendedTest(StockCase):

    trial = demo_subject.Trial('suspended', 'm1.guest', {})

    @cloud.repeated
    def test_suspended_as_stock(self, subject):
        """libvirt begins it with the XML that was saved, a stock one's."""
        with self.machine.configured(HOST, 'nova-compute', **STOCK):
            self.act(subject, 'reboot_server', 'ACTIVE', reboot_type='HARD')
            self._assert_serial_console(subject, 'suspended')
            self.act(subject, 'suspend_server', 'SUSPENDED')
        self.act(subject, 'resume_server', 'ACTIVE')
        self._assert_stock(subject, HOST, 'resumed')
        self.act(subject, 'reboot_server', 'ACTIVE', reboot_type='HARD')
        self.open(subject, 2 * _SERVING_S).assert_lives()

    @cloud.repeated
    def test_suspended_and_no_pair_can_be_had(self, subject):
        """It keeps its memory, whatever is required of it."""
        console = self.open(subject)
        console.type(b'word=kept\r')
        console.find_shell()
        self.act(subject, 'suspend_server', 'SUSPENDED')
        with self.machine.configured(HOST, 'nova-compute',
                                     dmore={'required': True}):
            self.machine.testbed('exec', HOST, '--', 'systemctl', 'stop',
                                 'nova-dmore-hostd')
            try:
                self._assert_not_resumed(subject)
            finally:
                self.machine.testbed('exec', HOST, '--', 'systemctl', 'start',
                                     'nova-dmore-hostd')
        self.act(subject, 'resume_server', 'ACTIVE')
        console = self.open(subject, 2 * _SERVING_S)
        console.type(b'echo $word-$((6*7))\r')
        console.wait_for(b'kept-42')

    def _assert_not_resumed(self, subject):
        compute = self.machine.api._sdk.compute
        log = self.machine.log(HOST)
        compute.resume_server(subject.server)
        cloud.wait_for(
            lambda: next(compute.server_actions(subject.server)).message
            == 'Error', 120, 'an error')
        server = compute.get_server(subject.server)
        self.assertEqual(('SUSPENDED', None),
                         (server.status, server.task_state))
        self.assertIn('nova-dmore-hostd', log.grown())
