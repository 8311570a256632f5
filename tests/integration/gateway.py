# SPDX-License-Identifier: Apache-2.0
"""A machine with the SSH gateway, set up by its command, under systemd.

Nova, Neutron and Keystone answer over HTTP; in the place of Domain Rs there
are SSH servers that know one key each.
"""

import json
import os
import pathlib
import sys
import time

from oslotest import base

from tests.integration import machine
from tests.unit.gateway import fake_cloud
from tests.unit.gateway import fakes

REPOSITORY = pathlib.Path(__file__).parents[2]
PYTHON, SOURCE = '/opt/dmore/python', '/opt/dmore/source'
INTERPRETER = f'{PYTHON}/bin/{os.path.basename(sys.executable)}'
GATEWAY, PORT = '198.51.100.1', 2222
_CLOUD = '/srv/cloud.json'
CLOUD_PORT = 35357
_USERS = ('ann', 'bob', 'eve')
#: Ann has two instances, Bob one; Eve has a key pair and no instance.
_CONSOLES = {fakes.WEB: ('ann', '192.0.2.5'),
             fakes.MAIL: ('ann', '2001:db8::5'),
             fakes.OTHERS: ('bob', '192.0.2.6')}

#: Like that of pip.
SCRIPT = f"""#!{INTERPRETER}
import sys
sys.path.insert(0, {SOURCE!r})
from nova_dmore.gateway import cli
sys.exit(cli.main())
"""

#: An SSH server for each address, which lets one user's key in and answers
#: what it is told.
_DOMAIN_RS = """
import asyncio, json, sys
import asyncssh
async def main():
    for instance, (user, address) in json.loads(sys.argv[1]).items():
        async def talk(process, instance=instance):
            process.stdout.write(f'console of {instance}\\n')
            # Nothing: the end.
            while line := await process.stdin.readline():
                process.stdout.write(f'{instance} says {line}')
            process.exit(0)
        await asyncssh.listen(
            address, 22, process_factory=talk,
            authorized_client_keys=f'/srv/{user}.pub',
            server_host_keys=[asyncssh.generate_private_key('ssh-ed25519')])
    print('ready', flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""

#: Of a user; ssh gives only this file to the one that it starts for -J.
_CLIENT = """IdentityFile /srv/{user}
IdentitiesOnly yes
UserKnownHostsFile /srv/{user}.known
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking accept-new
BatchMode yes
LogLevel ERROR
ConnectTimeout 30
Host gateway
    HostName {gateway}
    Port {port}
    User console
"""


class GatewayCase(base.BaseTestCase):

    machine: machine.Machine
    keys: dict[str, str]

    @classmethod
    def begin(cls):
        """Boot it; for ``setUpModule``."""
        cls.machine = machine.Machine({
            SOURCE: REPOSITORY, PYTHON: sys.prefix})
        cls.machine.start()
        try:
            cls.install()
        except BaseException:
            cls.end()
            raise

    @classmethod
    def end(cls):
        """Nothing of it is left."""
        cls.machine.end()

    @classmethod
    def install(cls):
        says = cls.machine.says
        for address in (GATEWAY, *(each for _, each in _CONSOLES.values())):
            nodad = ['nodad'] if ':' in address else []
            says('ip', 'address', 'add', address, 'dev', 'lo', *nodad)
        cls.keys = {}
        for user in _USERS:
            says('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C',
                 f'{user} "x" \\', '-f', f'/srv/{user}')
            cls.keys[user] = says('cat', f'/srv/{user}.pub')
            cls.machine.write(f'/srv/{user}.conf', _CLIENT.format(
                user=user, gateway=GATEWAY, port=PORT))
        cls.tell(cls.cloud())
        cls.python('cloud', '-m', 'tests.unit.gateway.fake_cloud', _CLOUD,
                   str(CLOUD_PORT))
        cls.python('domain-rs', '-c', _DOMAIN_RS, json.dumps(_CONSOLES))
        cls.machine.write('/usr/bin/nova-dmore-gateway', SCRIPT, '755')
        cls.first = cls.machine.run('nova-dmore-gateway', 'setup')
        cls.machine.write('/srv/gateway.conf', f"""[gateway]
auth_type = password
auth_url = http://127.0.0.1:{CLOUD_PORT}/v3
username = u
password = {fake_cloud.PASSWORD}
project_name = p
user_domain_id = d
project_domain_id = d
management_network = consoles
cache_seconds = 1
stale_seconds = 600
""")
        says('sh', '-c', 'cat /srv/gateway.conf '
             '>/etc/nova-dmore/gateway.conf')
        cls.second = says('nova-dmore-gateway', 'setup')
        cls.third = says('nova-dmore-gateway', 'setup')

    @classmethod
    def python(cls, name, *arguments):
        """A program that runs until the machine ends."""
        cls.machine.says(
            'systemd-run', '--quiet', f'--unit={name}',
            f'--setenv=PYTHONPATH={SOURCE}', '--property=Restart=on-failure',
            INTERPRETER, *arguments)

    @classmethod
    def cloud(cls):
        """What Nova and Neutron have; Eve points at what is Ann's."""
        there = fake_cloud.state()
        forged = {'dmore:console_ssh': 'ssh://console@192.0.2.5:22'}
        there['servers'] = [
            *(fake_cloud.server(name, user, 'laptop')
              for name, (user, _) in _CONSOLES.items()),
            fake_cloud.server(
                'ffffffff-6d5f-4f0e-9a43-0e0d2f3b1a01', 'eve', 'laptop',
                name=f'x"\n{cls.keys["eve"]}', metadata=forged)]
        there['ports'] = [
            *(fake_cloud.port(name, address)
              for name, (_, address) in _CONSOLES.items()),
            fake_cloud.port('ffffffff-6d5f-4f0e-9a43-0e0d2f3b1a01',
                            '192.0.2.5', network='eves-own'),
            fake_cloud.port('ffffffff-6d5f-4f0e-9a43-0e0d2f3b1a01',
                            '192.0.2.5', project='eves-own')]
        there['keypairs'] = {user: {'laptop': key}
                             for user, key in cls.keys.items()}
        return there

    @classmethod
    def tell(cls, there):
        cls.machine.write(_CLOUD + '.new', json.dumps(there))
        cls.machine.says('mv', _CLOUD + '.new', _CLOUD)

    def become(self, there):
        """Have the cloud be so, and the gateway ask it."""
        self.tell(there)
        time.sleep(1.1)

    def ssh(self, user, *arguments):
        """-> what a user's ssh said, and its errors."""
        return self.machine.run(
            'timeout', '60', 'ssh', '-F', f'/srv/{user}.conf', *arguments)

    def console(self, user, target, *arguments):
        return self.ssh(user, '-J', 'gateway', *arguments,
                        f'console@{target}').stdout

    def assert_refused(self, user, target, port=22):
        """The gateway does not even try to connect."""
        done = self.ssh(user, '-o', 'LogLevel=INFO', '-W',
                        f'[{target}]:{port}', 'gateway')
        self.assertNotEqual(0, done.returncode)
        self.assertIn('administratively prohibited', done.stdout)
