# SPDX-License-Identifier: Apache-2.0
"""The SSH gateway in the test cloud: two tenants, each with a Domain R.

The gateway is a machine of its own on the controller's network, set up by its
command.
"""

import json
import os
import secrets
import subprocess
import sys

from nova_dmore.virt.config import identity
from tests.integration import cloud
from tests.integration import gateway
from tests.integration import machine as machine_module
from tests.integration import test_cloud_vnc
from laboratory.testbed import conf_controller
from laboratory.testbed.resources import GUEST_MEMORY
from laboratory.testbed import settings
from laboratory.users import sessions

_PORT = 2222
_SERVING_S = 240.0
_CLIENT = """IdentityFile {key}
IdentitiesOnly yes
UserKnownHostsFile {key}.known
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking accept-new
BatchMode yes
LogLevel ERROR
Host gateway
    HostName {gateway}
    Port {port}
    User console
"""


def setUpModule():
    GatewayTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class Tenant(test_cloud_vnc.Tenant):
    """A user with a key pair.

    :ivar client: the configuration of ``ssh``
    """

    def __init__(self, machine, name):
        super().__init__(machine, name)
        self.key = machine.folder / name
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                        self.key], check=True)
        self.api._sdk.compute.create_keypair(
            name='laptop',
            public_key=self.key.with_name(f'{name}.pub').read_text().strip())
        self.client = machine.folder / f'{name}.conf'
        self.client.write_text(_CLIENT.format(
            key=self.key, port=_PORT,
            gateway=settings.address(settings.CONTROLLER)))

    def boot(self, flavor):
        compute = self.api._sdk.compute
        server = compute.create_server(
            name=self.name, networks='none', key_name='laptop',
            image_id=self.api._sdk.image.find_image('guest').id,
            flavor_id=flavor)
        self.servers.append(server.id)
        compute.wait_for_server(server, wait=test_cloud_vnc._BOOT_S)
        return server.id

    def remove(self):
        self.api._sdk.compute.delete_keypair('laptop')
        super().remove()

    def ssh(self, *arguments):
        return subprocess.run(
            ['ssh', '-F', self.client, *arguments], text=True, timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)


class Console(cloud.Console):
    """By the gateway, with ssh alone; see :class:`cloud.Console`."""

    def __init__(self, machine, server, tenant):
        self._tenant = tenant
        super().__init__(machine, server, within_s=_SERVING_S)

    def _connect(self):
        machine, client = self._machine, self._tenant.client
        self._session = sessions.SshSession(
            ['-o', f'ProxyCommand=ssh -F {client} -W [%h]:%p gateway',
             f'console@{self._server}'], self._tenant.key,
            machine.folder / f'known-hosts-{self._server}',
            machine.place.log(settings.CONTROLLER, 'test-ssh'))
        self.shown = self._session.receive()
        if not self.shown:
            self._session.close()
            return False
        os.set_blocking(self._session._output, False)
        return True


class GatewayTest(cloud.InstanceTest):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host = machine_module.Machine({
            gateway.SOURCE: gateway.REPOSITORY, gateway.PYTHON: sys.prefix},
            network=True)
        cls.host.start()
        cls.addClassCleanup(cls.host.end)
        cls.host.write('/usr/bin/nova-dmore-gateway', gateway.SCRIPT, '755')
        options = {
            **conf_controller.credentials(cls.machine.place, 'nova'),
            'management_network': settings.MANAGEMENT_NAME,
            'cache_seconds': 1}
        cls.host.write('/etc/nova-dmore/gateway.conf', '[gateway]\n' + ''.join(
            f'{name} = {value}\n' for name, value in options.items()), '644')
        cls.said = cls.host.says(
            'nova-dmore-gateway', 'setup', '--port', str(_PORT), '--listen',
            settings.address(settings.CONTROLLER))
        compute = cls.machine.api._sdk.compute
        # Only administrators may use one without a disk.
        flavor = compute.create_flavor(name='gateway', ram=GUEST_MEMORY,
                                       vcpus=1, disk=1)
        cls.addClassCleanup(compute.delete_flavor, flavor)
        cls.alice, cls.bob = (
            Tenant(cls.machine, f'{name}-{secrets.token_hex(4)}')
            for name in ('alice', 'bob'))
        for tenant in (cls.bob, cls.alice):
            cls.addClassCleanup(tenant.remove)
        cls.servers = {tenant: tenant.boot(flavor.id)
                       for tenant in (cls.alice, cls.bob)}

    def _address(self, tenant):
        return test_cloud_vnc.domain_r_address(tenant, self.servers[tenant])

    def test_each_has_his_own_console_and_gets_nowhere_else(self):
        """Also where both Domain Rs are seen to serve."""
        for tenant in (self.alice, self.bob):
            console = Console(self.machine, self.servers[tenant], tenant)
            self.addCleanup(console.close)
            console.find_shell()
            self.assertEqual(
                f'{self.servers[tenant]} {self._address(tenant)}\n',
                tenant.ssh('gateway').stdout)
        for target, port in (
                (self.servers[self.alice], 22),
                (self._address(self.alice), 22),
                (self._address(self.bob), 5900),
                (settings.address(settings.CONTROLLER),
                 settings.PORTS['keystone']),
                (settings.MANAGEMENT_CONTROLLER, _PORT)):
            done = self.bob.ssh('-o', 'LogLevel=INFO', '-W',
                                f'{target}:{port}', 'gateway')
            self.assertNotEqual(0, done.returncode)
            self.assertIn('administratively prohibited', done.stdout)

    def test_a_session_lives_on_through_a_live_migration(self):
        server, api = self.servers[self.alice], self.machine.api
        console = Console(self.machine, server, self.alice)
        self.addCleanup(console.close)
        console.find_shell()
        source = api._sdk.compute.get_server(server).compute_host
        (destination,) = set(settings.COMPUTES) - {source}
        api.migrate(server, source, destination)
        console.find_shell()

    def test_it_tells_the_host_key_that_is_derived(self):
        server = self.servers[self.alice]
        Console(self.machine, server, self.alice).close()
        told = json.loads(self.alice.ssh('gateway', server).stdout)
        self.assertEqual(
            identity.public_host_key(
                self.machine.place.cloud.console.encode(), server),
            told['host_key'])
