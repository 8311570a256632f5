# SPDX-License-Identifier: Apache-2.0
"""The SSH gateway: OpenSSH at both ends, and who gets where."""

import configparser
import json
import subprocess
import time
import unittest
import uuid

from nova_dmore.gateway import consoles
from tests.integration import gateway
from tests.unit.gateway import fake_cloud
from tests.unit.gateway import fakes
from laboratory import machine as laboratory_machine


#: Connects as often as it can, from an address of its own, and says nothing.
_SILENT = """
import socket, sys, time
held = [socket.create_connection(
    (sys.argv[1], int(sys.argv[2])), source_address=('127.0.0.2', 0))
    for _ in range(300)]
open(sys.argv[3], 'w').close()
time.sleep(3600)
"""


def setUpModule():
    gateway.GatewayCase.begin()
    unittest.addModuleCleanup(gateway.GatewayCase.end)


class SetupTest(gateway.GatewayCase):

    def test_it_says_what_it_did(self):
        self.assertEqual(1, self.first.returncode)
        for line in ('made the user console', 'made the user '
                     'nova-dmore-gateway', 'wrote /etc/nova-dmore/'
                     'gateway.conf', 'nothing is started',
                     'management_network is not set'):
            self.assertIn(line, self.first.stdout)
        self.assertIn('the cloud has 3 consoles of 4 instances', self.second)
        self.assertIn('started nova-dmore-gateway.service', self.second)
        self.assertIn('tell users the host key of the gateway: SHA256:',
                      self.second)

    def test_it_may_be_repeated(self):
        self.assertEqual(2, len(self.third.splitlines()), self.third)
        self.assertIn('the cloud has', self.third)

    def test_the_account_of_users_can_read_nothing_of_it(self):
        for path in ('/etc/nova-dmore/gateway.conf',
                     '/var/lib/nova-dmore-gateway/index.json',
                     '/var/lib/nova-dmore-gateway/keys.sqlite',
                     '/etc/ssh/nova-dmore-gateway_ed25519_key'):
            self.machine.says('test', '-s', path)
            self.assertIn('denied', self.machine.run(
                'cat', path, user='console').stdout)

    def test_what_sshd_makes_of_the_file(self):
        found = dict(line.split(' ', 1) for line in self.machine.says(
            '/usr/sbin/sshd', '-T', '-f', '/etc/ssh/nova-dmore-gateway.conf',
            '-C', 'user=console,host=x,addr=203.0.113.1').splitlines())
        for name, value in {
                'allowagentforwarding': 'no', 'x11forwarding': 'no',
                'permittunnel': 'no', 'allowtcpforwarding': 'local',
                'allowstreamlocalforwarding': 'no', 'permitlisten': 'none',
                'permittty': 'no', 'permituserrc': 'no',
                'permituserenvironment': 'no', 'gatewayports': 'no',
                'authorizedkeysfile': 'none', 'allowusers': 'console',
                'passwordauthentication': 'no', 'permitrootlogin': 'no',
                'kbdinteractiveauthentication': 'no',
                'persourcemaxstartups': '20',
                'persourcenetblocksize': '32:64'}.items():
            self.assertEqual(value, found[name], name)

    def test_only_its_sshd_knows_the_names(self):
        self.assertNotEqual(0, self.machine.run(
            'getent', 'hosts', fakes.WEB).returncode)


class OwnerTest(gateway.GatewayCase):
    """Who has the key of an instance."""

    def test_by_the_instance(self):
        for name in (fakes.WEB, fakes.MAIL):
            self.assertEqual(f'console of {name}\n',
                             self.console('ann', name))

    def test_by_the_address(self):
        for target, name in (
                ('192.0.2.5', fakes.WEB), ('2001:db8::5', fakes.MAIL),
                ('2001:DB8:0:0::5', fakes.MAIL),
                ('2001:0db8:0000:0000:0000:0000:0000:0005', fakes.MAIL)):
            self.assertEqual(f'console of {name}\n',
                             self.console('ann', target))

    def test_the_gateway_tells_which_there_are(self):
        done = self.ssh('ann', 'gateway')
        self.assertEqual(f'{fakes.WEB} 192.0.2.5\n{fakes.MAIL} 2001:db8::5\n',
                         done.stdout)

    def test_it_tells_the_host_key(self):
        self.console('ann', fakes.MAIL)
        known = self.machine.says('cat', '/srv/ann.known')
        told = json.loads(self.ssh('ann', 'gateway', fakes.MAIL).stdout)
        self.assertEqual(('2001:db8::5', 22), (told['address'],
                                               told['port']))
        self.assertIn(f'{fakes.MAIL} {told["host_key"]}', known)

    def test_a_session_outlives_the_gateways_restart(self):
        with subprocess.Popen(
                laboratory_machine.enter(self.machine.leader, [
                    'ssh', '-F', '/srv/ann.conf', '-J', 'gateway',
                    f'console@{fakes.WEB}']), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True) as session:
            self.assertIn('console of', session.stdout.readline())
            self.machine.says('systemctl', 'restart', 'nova-dmore-gateway')
            session.stdin.write('still here\n')
            session.stdin.flush()
            self.assertEqual(f'{fakes.WEB} says still here\n',
                             session.stdout.readline())
            session.stdin.close()
        # And its file of names, which is a new one now, is read.
        self.assertIn('console of', self.console('ann', fakes.WEB))

    def test_nova_is_away(self):
        self.addCleanup(self.become, self.cloud())
        self.assertIn('console of', self.console('ann', fakes.WEB))
        self.become({**self.cloud(), 'down': True})
        self.assertIn('console of', self.console('ann', fakes.WEB))
        self.assertIn('goes by what was true', self.machine.says(
            'journalctl', '-o', 'cat', '-t', 'nova-dmore-gateway'))

    def test_as_many_as_there_can_be(self):
        self.addCleanup(self.become, self.cloud())
        there = {**self.cloud(), 'page': 100}
        for number in range(consoles.CONSOLES_MAX - 2):
            name = str(uuid.UUID(int=number))
            there['servers'].append(
                fake_cloud.server(name, 'ann', 'laptop'))
            there['ports'].append(fake_cloud.port(
                name, f'2001:db8:1111:2222:3333:4444:5555:{number + 1:x}'))
        self.tell(there)
        # It may take the gateway longer than a log-in waits.
        self.machine.says('nova-dmore-gateway', 'refresh',
                          user='nova-dmore-gateway')
        self.assertIn('console of', self.console('ann', fakes.WEB))
        self.assertEqual(consoles.CONSOLES_MAX, len(
            self.ssh('ann', 'gateway').stdout.splitlines()))


class OtherTenantTest(gateway.GatewayCase):
    """Bob has a console of his own, and gets nowhere else."""

    def test_his_own(self):
        self.assertEqual(f'console of {fakes.OTHERS}\n',
                         self.console('bob', fakes.OTHERS))
        self.assertEqual(f'{fakes.OTHERS} 192.0.2.6\n',
                         self.ssh('bob', 'gateway').stdout)

    def test_no_other_console(self):
        self.assertIn('console of', self.console('ann', fakes.WEB))
        for target in (fakes.WEB, '192.0.2.5', fakes.MAIL, '2001:db8::5'):
            self.assert_refused('bob', target)

    def test_no_other_port_or_host(self):
        for target, port in (
                ('192.0.2.6', 2222), (fakes.OTHERS, gateway.CLOUD_PORT),
                ('127.0.0.1', 22), ('127.0.0.1', gateway.CLOUD_PORT),
                (gateway.GATEWAY, gateway.PORT), ('localhost', 22),
                ('::1', gateway.PORT)):
            self.assert_refused('bob', target, port)

    def test_he_is_told_of_no_other(self):
        done = self.ssh('bob', 'gateway', fakes.WEB)
        self.assertEqual(1, done.returncode)
        self.assertIn('no console of this key', done.stdout)
        self.assertNotIn('192.0.2.5', done.stdout)

    def test_no_shell(self):
        for arguments in (('gateway', 'id'), ('gateway', '/bin/sh -c id'),
                          ('gateway', f'{fakes.OTHERS}; id'),
                          ('-tt', 'gateway'), ('-tt', 'gateway', 'sh'),
                          ('-s', 'gateway', 'sftp')):
            done = self.ssh('bob', *arguments)
            self.assertNotIn('uid=', done.stdout)
            self.assertTrue(done.returncode, arguments)

    def test_nothing_is_forwarded(self):
        for arguments in (
                ('-R', '7001:127.0.0.1:22'), ('-R', '/tmp/x:127.0.0.1:22'),
                ('-R', '7002')):
            done = self.ssh('bob', '-o', 'ExitOnForwardFailure=yes', '-N',
                            *arguments, 'gateway')
            self.assertTrue(done.returncode, arguments)
            self.assertNotEqual(124, done.returncode, arguments)
        self.assertEqual('', self.machine.says('ss', '-Hltn', 'sport', '=',
                                               '7001'))

    def test_sockets_of_the_gateway(self):
        with subprocess.Popen(laboratory_machine.enter(
                self.machine.leader, [
                    'ssh', '-F', '/srv/bob.conf', '-N', '-L',
                    '/tmp/bob.sock:/run/systemd/private', '-L',
                    '7003:127.0.0.1:22', 'gateway'])) as forward:
            try:
                self.wait_for(lambda: self.machine.run(
                    'test', '-S', '/tmp/bob.sock').returncode == 0)
                for there in ('UNIX-CONNECT:/tmp/bob.sock', '7003'):
                    said = self.python_says(
                        'import socket, sys\n'
                        'if sys.argv[1] == "7003":\n'
                        '    s = socket.create_connection(("127.0.0.1", '
                        '7003))\n'
                        'else:\n'
                        '    s = socket.socket(socket.AF_UNIX)\n'
                        '    s.connect("/tmp/bob.sock")\n'
                        's.settimeout(20)\nprint(s.recv(10))\n', there)
                    self.assertEqual("b''", said)
            finally:
                forward.terminate()

    def python_says(self, code, *arguments):
        return self.machine.says(gateway.INTERPRETER, '-c', code,
                                 *arguments)

    def wait_for(self, what):
        deadline = time.monotonic() + 30
        while not what():
            self.assertLess(time.monotonic(), deadline, 'waited in vain')
            time.sleep(0.1)


class StrangerTest(gateway.GatewayCase):
    """Who has no instance with a console."""

    def test_forged_metadata_names_and_ports_lead_nowhere(self):
        for arguments in (('gateway',), ('-J', 'gateway', 'x@192.0.2.5')):
            done = self.ssh('eve', *arguments)
            self.assertTrue(done.returncode)
            self.assertIn('Permission denied (publickey)', done.stdout)

    def test_other_accounts_and_ways(self):
        for arguments in (
                ('-l', 'root'), ('-l', 'nova-dmore-gateway'),
                ('-o', 'PreferredAuthentications=password,'
                 'keyboard-interactive,hostbased,none')):
            done = self.ssh('ann', *arguments, 'gateway')
            self.assertIn('Permission denied (publickey)', done.stdout)

    def test_silent_connections_keep_nobody_out(self):
        self.python('silent', '-c', _SILENT, gateway.GATEWAY,
                    str(gateway.PORT), '/srv/are-silent')
        self.addCleanup(self.machine.says, 'systemctl', 'stop', 'silent')
        self.machine.says('timeout', '60', 'sh', '-c',
                          'until test -e /srv/are-silent; do sleep 0.1; done')
        for _ in range(5):
            self.assertEqual(f'console of {fakes.WEB}\n',
                             self.console('ann', fakes.WEB))

    def test_an_instance_that_is_deleted(self):
        self.addCleanup(self.become, self.cloud())
        self.assertIn('console of', self.console('bob', fakes.OTHERS))
        there = self.cloud()
        there['ports'] = [each for each in there['ports']
                          if fakes.OTHERS not in each['device_id']]
        self.become(there)
        self.assertIn('Permission denied', self.ssh('bob', 'gateway').stdout)
        # Its address is Eve's now, whose key opens it.
        there['ports'].append(fake_cloud.port(
            'ffffffff-6d5f-4f0e-9a43-0e0d2f3b1a01', '192.0.2.6'))
        self.become(there)
        self.assertEqual(
            'ffffffff-6d5f-4f0e-9a43-0e0d2f3b1a01 192.0.2.6\n',
            self.ssh('eve', 'gateway').stdout)
        self.assertIn('Permission denied', self.ssh('bob', 'gateway').stdout)


class OpenStackTest(gateway.GatewayCase):
    """``openstack`` with the plug-in, on the machine of a user."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        says = cls.machine.says
        setup = configparser.ConfigParser()
        setup.read(gateway.REPOSITORY / 'setup.cfg')
        cls.machine.write('/srv/plugin/tree-0.dist-info/METADATA',
                          'Name: tree\nVersion: 0\n')
        cls.machine.write(
            '/srv/plugin/tree-0.dist-info/entry_points.txt', '\n'.join(
                f'[{group}]\n{setup["entry_points"][group]}' for group in (
                    'openstack.cli.extension', 'openstack.dmore.v1')))
        # The user knows the gateway.
        says('sh', '-c', 'mkdir -p -m 700 /root/.ssh; ssh-keyscan -p '
             f'{gateway.PORT} {gateway.GATEWAY} >>/root/.ssh/known_hosts '
             '2>/dev/null')

    def openstack(self, *arguments):
        return self.machine.run('env', *(
            f'{name}={value}' for name, value in {
                'PYTHONPATH': f'/srv/plugin:{gateway.SOURCE}',
                'PYTHONWARNINGS': 'ignore',
                'OS_AUTH_URL': f'http://127.0.0.1:{gateway.CLOUD_PORT}/v3',
                'OS_IDENTITY_API_VERSION': '3', 'OS_INTERFACE': 'internal',
                'OS_USERNAME': 'ann', 'OS_PASSWORD': fake_cloud.PASSWORD,
                'OS_PROJECT_NAME': 'p', 'OS_USER_DOMAIN_ID': 'd',
                'OS_PROJECT_DOMAIN_ID': 'd',
                'OS_DMORE_GATEWAY': f'{gateway.GATEWAY}:{gateway.PORT}',
            }.items()), gateway.INTERPRETER, '-m', 'openstackclient.shell',
            *arguments)

    def _ssh(self, user, name, known='/srv/openstack-known'):
        return self.openstack(
            'console', 'ssh', '--identity', f'/srv/{user}', '--known-hosts',
            known, name, '--', '-o', 'BatchMode=yes')

    def test_show(self):
        shown = json.loads(self.openstack(
            'console', 'pair', 'show', '--identity', '/srv/ann', '-f', 'json',
            fakes.MAIL).stdout)
        self.assertRegex(shown.pop('host_key_fingerprint'), '^SHA256:')
        self.assertEqual(
            {'server_id': fakes.MAIL, 'address': '2001:db8::5', 'port': 22,
             'url': 'ssh://console@[2001:db8::5]:22', 'state': 'serving'},
            shown)

    def test_ssh_asks_for_the_host_key_once_and_then_insists_on_it(self):
        for _ in range(2):
            done = self._ssh('ann', fakes.WEB)
            self.assertIn(f'console of {fakes.WEB}\n', done.stdout)
            self.assertEqual(0, done.returncode)
        (line,) = self.machine.says(
            'cat', '/srv/openstack-known').splitlines()
        self.assertTrue(line.startswith(f'{fakes.WEB} ssh-ed25519 '))
        other = self.keys['bob'].rpartition(' "')[0].rpartition(' ')[0]
        self.machine.write('/srv/openstack-wrong', f'{fakes.WEB} {other}\n')
        done = self._ssh('ann', fakes.WEB, '/srv/openstack-wrong')
        self.assertIn('HOST IDENTIFICATION HAS CHANGED', done.stdout)
        self.assertNotIn('console of', done.stdout)

    def test_another_users_key(self):
        done = self._ssh('bob', fakes.WEB, '/srv/openstack-bob')
        self.assertEqual(1, done.returncode)
        self.assertIn('tells nothing of', done.stdout)
        self.assertNotIn(f'console of {fakes.WEB}', done.stdout)
