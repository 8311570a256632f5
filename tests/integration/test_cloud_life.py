# SPDX-License-Identifier: Apache-2.0
"""An instance's life with its Domain R, as users and operators see it."""

import subprocess
import threading

from openstack import exceptions

from tests.integration import cloud
from laboratory.users import sessions
from laboratory.users import subject as demo_subject
from laboratory.testbed import conf_compute
from laboratory.testbed import settings

HOST, OTHER = settings.COMPUTES
_READY = b'GUEST-READY'


def setUpModule():
    LifeTest.machine = StockTest.machine = DeleteTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class ShellTest(cloud.CloudTest):
    """:ivar console: a plain ``ssh`` at the shell"""

    subject_class = cloud.PlainSubject

    def open(self, subject, within_s=cloud.SERVING_S):
        console = cloud.Console(self.machine, subject.server,
                                within_s=within_s)
        self.addCleanup(console.close)
        console.find_shell()
        return console

    def as_nova(self, host, program, *arguments):
        """Call a program of the environment as nova-compute's user of a host
        -> :class:`subprocess.CompletedProcess`."""
        place = self.machine.place
        return subprocess.run(
            place.compute(host).enter([
                'setpriv', f'--reuid={conf_compute.NOVA}',
                f'--regid={conf_compute.NOVA}', '--init-groups',
                place.layout.venv_program(program), *arguments]),
            env={**place.environment(), 'PYTHONPATH': settings.SOURCE},
            capture_output=True, text=True)

    def act(self, subject, action, status, **arguments):
        """Ask for something and wait until it is done."""
        compute = self.machine.api._sdk.compute
        getattr(compute, action)(subject.server, **arguments)
        cloud.wait_for(
            lambda: (server := compute.get_server(subject.server)
                     ).status == status and server.task_state is None,
            120, f'{action}: {status}')


class LifeTest(ShellTest):

    trial = demo_subject.Trial('life', 'm1.guest', {})

    @cloud.repeated
    def test_console_is_a_shell(self, subject):
        self.open(subject)
        self.assertIn(_READY.decode(),
                      self.machine.api.console_log(subject.server))

    @cloud.repeated
    def test_serial_url_is_served_by_domain_r(self, subject):
        other = self.open(subject)
        session = sessions.ProxySession(
            self.machine.api.console_url(subject.server))
        self.addCleanup(session.close)
        shown = bytearray()

        def read():
            while data := session.receive():
                shown.extend(data)

        threading.Thread(target=read, daemon=True).start()
        session.send(b'echo $((6*7))-by-url\r')
        cloud.wait_for(lambda: b'42-by-url' in shown, 20, 'the answer')
        # The other user sees the same console.
        other.wait_for(b'42-by-url', 20)

    @cloud.repeated
    def test_domain_r_is_hidden(self, subject):
        sdk = self.machine.api._sdk
        running = [server.id for server in sdk.compute.servers(
            all_projects=True) if server.compute_host == HOST]
        self.assertEqual([subject.server], running)
        # Domain R is there all the same.
        self.assertEqual(1, len(self.machine.domain_r_qemu(
            HOST, subject.server)))
        hosts = sdk.compute.get('/os-hypervisors/detail',
                                microversion='2.53').json()['hypervisors']
        (here,) = [found for found in hosts
                   if found['hypervisor_hostname'] == HOST]
        self.assertEqual((1, 1), (here['running_vms'], here['vcpus_used']))

    @cloud.repeated
    def test_paused(self, subject):
        """What is typed then is refused, and not kept."""
        console = self.open(subject)
        self.pause(subject, console, 'paused')
        self.unpause(subject, console, 'paused')

    @cloud.repeated
    def test_paused_one_moves(self, subject):
        """Its Domain R comes along, with all sessions.

        It runs in between: QEMU before 10.0 aborts when it is to migrate an
        instance that arrived paused, and has not run since, also a stock one.
        """
        console = self.open(subject)
        for source, destination, word in ((HOST, OTHER, 'there'),
                                          (OTHER, HOST, 'back')):
            self.pause(subject, console, word)
            self.machine.api.migrate(subject.server, source, destination)
            console.assert_lives()
            self.unpause(subject, console, word)
        console.find_shell()

    def pause(self, subject, console, word):
        """Pause it, and ask the shell when the console has told of it."""
        self.act(subject, 'pause_server', 'PAUSED')
        console.wait_for(b'the instance is paused')
        console.type(f'echo $((6*7))-{word}\r'.encode())
        console.wait_for(b'what is typed now is not sent, nor kept', 10)

    def unpause(self, subject, console, word):
        """Let it go on: a later question is answered, and that one is not."""
        self.act(subject, 'unpause_server', 'ACTIVE')
        shown = console.wait_for(
            f'42-after-{word}'.encode(),
            again=f'echo $((6*7))-after-{word}\r'.encode())
        self.assertNotIn(f'42-{word}'.encode(), shown)

    @cloud.repeated
    def test_hard_reboot(self, subject):
        console = self.open(subject)
        self.act(subject, 'reboot_server', 'ACTIVE', reboot_type='HARD')
        console.wait_for(_READY)
        console.find_shell()

    @cloud.repeated
    def test_power_off_and_on(self, subject):
        console = self.open(subject)
        self.act(subject, 'stop_server', 'SHUTOFF')
        console.assert_lives()
        self.act(subject, 'start_server', 'ACTIVE')
        console.wait_for(_READY)
        console.find_shell()


class StockTest(ShellTest):

    trial = demo_subject.Trial('plain', 'm1.guest-stock', {})

    @cloud.repeated
    def test_flavor_opts_out(self, subject):
        machine = self.machine
        server = machine.api._sdk.compute.get_server(subject.server)
        self.assertNotIn('dmore:console_ssh', server.metadata)
        self.assertEqual([], machine.domain_r_qemu(HOST, subject.server))
        self.assertEqual([], machine.keeper(HOST, subject.server))
        self.assertFalse(machine.pair_directory(
            HOST, subject.server).exists())
        xml = cloud.domain_xml(machine, HOST, subject.domain)
        # The names of our sockets; the cloud's own folder may be named
        # after the project.
        self.assertNotIn("type='pipe'", xml)
        self.assertNotIn('dmore-qmp', xml)
        self.assertIn("<serial type='tcp'>", xml)


class DeleteTest(ShellTest):

    trial = demo_subject.Trial('gone', 'm1.guest', {})

    @cloud.repeated
    def test_nothing_is_left(self, subject):
        machine, server = self.machine, subject.server
        self.open(subject)
        network = machine.api._sdk.network
        management = network.find_network(settings.MANAGEMENT_NAME)

        def ports():
            return list(network.ports(network_id=management.id))

        before = len(ports())
        machine.api.delete(server)
        # Nova's API says that it is gone a little earlier than all of it is.
        cloud.wait_for(lambda: not machine.processes(HOST, server), 30,
                       'the end of the processes')
        cloud.wait_for(lambda: len(ports()) == before - 1, 30,
                       'the removal of the port')
        self.assertFalse(machine.pair_directory(HOST, server).exists())
        # What is mounted in the host as Nova's folder of instances.
        self.assertFalse((machine.place.shared / server).exists())
        cloud.wait_for(self._is_gone, 30, 'the end of what Nova knows of it')

    def _is_gone(self):
        compute = self.machine.api._sdk.compute
        try:
            compute.get_server(self._subject.server)
        except exceptions.NotFoundException:
            return True
        # It can be seen as a deleted one for a moment.
        return False
