# SPDX-License-Identifier: Apache-2.0
"""Whose VNC console a token opens, and proxies that speak VeNCrypt."""

import contextlib
import os
import pathlib
import secrets
import socket
import tempfile

from nova_dmore.virt.config import certificate
from tests.integration import authority
from tests.integration import cloud
from laboratory.users import sessions
from laboratory.cloud.api import Cloud
from laboratory.testbed.conf_compute import NOVA
from laboratory.testbed import settings
from laboratory.testbed.resources import GUEST_MEMORY
from laboratory.vnc import rfb

HOST = 'c1'
VNC_PORT = 5900
_BOOT_S = 300
_SERVING_S = 240
_NONE = 1
_VENCRYPT = 19


def setUpModule():
    TokenTest.machine = VencryptTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class Tenant:
    """A user with a project of its own.

    :ivar api: what the user asks for
    """

    def __init__(self, machine, name):
        identity = machine.api._sdk.identity
        password = secrets.token_hex(16)
        self.name = name
        self._project = identity.create_project(name=name,
                                                domain_id='default')
        self._user = identity.create_user(
            name=name, password=password, domain_id='default',
            default_project_id=self._project.id)
        identity.assign_project_role_to_user(
            self._project, self._user, identity.find_role('member'))
        before = dict(os.environ)
        os.environ.update(OS_USERNAME=name, OS_PASSWORD=password,
                          OS_PROJECT_NAME=name)
        try:
            self.api = Cloud(machine.place)
        finally:
            os.environ.clear()
            os.environ.update(before)
        self._identity = identity
        self.servers = []

    def boot(self, flavor):
        """A server that is active; its id."""
        compute = self.api._sdk.compute
        server = compute.create_server(
            name=self.name, networks='none',
            image_id=self.api._sdk.image.find_image('guest').id,
            flavor_id=flavor)
        self.servers.append(server.id)
        compute.wait_for_server(server, wait=_BOOT_S)
        return server.id

    def urls(self, server):
        """The URLs of its VNC console and of its serial console."""
        return (self.api.console_url(server, 'novnc'),
                self.api.console_url(server))

    def remove(self):
        for server in self.servers:
            self.api.delete(server)
        self._identity.delete_user(self._user)
        self._identity.delete_project(self._project)


def greeting(url):
    """The name that a VNC server has, which tells its instance.

    :raises OSError: the proxy or the server refuses
    """
    session = sessions.ProxySession(sessions.websocket_url(url))
    try:
        return rfb.Connection(session.receive, session.send).name.decode()
    finally:
        session.close()


def is_served(url):
    """Wait until Domain R does, which may be booting; what it says."""
    def probe():
        with contextlib.suppress(OSError):
            return greeting(url)
    return cloud.wait_for(probe, _SERVING_S, f'a VNC server at {url}')


def domain_r_address(tenant, server):
    return tenant.api.ssh_url(server).rpartition('@')[2].partition(':')[0]


class TokenTest(cloud.CloudTest):
    """Two tenants; both consoles have the same port."""

    def setUp(self):
        super().setUp()
        self.alice, self.bob = (
            Tenant(self.machine, f'{name}-{secrets.token_hex(4)}')
            for name in ('alice', 'bob'))
        self.addCleanup(self.bob.remove)
        self.addCleanup(self.alice.remove)
        # Only administrators may use one without a disk.
        compute = self.machine.api._sdk.compute
        self.flavor = compute.create_flavor(
            name=self.id(), ram=GUEST_MEMORY, vcpus=1, disk=1).id
        self.addCleanup(compute.delete_flavor, self.flavor)

    def _assert_refused(self, urls):
        graphical, serial = urls
        self.assertRaises(OSError, greeting, graphical)
        session = sessions.ProxySession(serial)
        self.addCleanup(session.close)
        self.assertEqual(b'', session.receive())

    def _give_away(self, address):
        """Have the next Domain R get this address."""
        network = self.machine.api._sdk.network
        (subnet,) = network.subnets(name=settings.MANAGEMENT_NAME)
        self.addCleanup(network.update_subnet, subnet.id,
                        allocation_pools=subnet.allocation_pools)
        network.update_subnet(subnet.id, allocation_pools=[
            {'start': address, 'end': address}])

    def test_a_token_opens_its_own_console_or_none(self):
        hers, his = (tenant.boot(self.flavor)
                     for tenant in (self.alice, self.bob))
        urls = self.alice.urls(hers)
        self.assertIn(hers, is_served(urls[0]))
        self.assertIn(his, is_served(self.bob.urls(his)[0]))
        for tenant, server in ((self.alice, his), (self.bob, hers)):
            self.assertRaises(ConnectionError, tenant.urls, server)

        address = domain_r_address(self.alice, hers)
        self.alice.api.delete(hers)
        self._give_away(address)
        other = self.bob.boot(self.flavor)
        self.assertEqual(address, domain_r_address(self.bob, other))
        self.assertIn(other, is_served(self.bob.urls(other)[0]))
        self._assert_refused(urls)


class VencryptTest(cloud.CloudTest):
    """The proxy and Domain R show each other certificates."""

    def setUp(self):
        super().setUp()
        # Where the host sees it, at the same path.
        self.directory = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory(
                dir=self.machine.place.own(HOST, 'nova').parent)))
        host = self.machine.place.compute(HOST)
        host.give(self.directory, NOVA)
        servers = authority.Authority(self.directory, 'servers')
        proxies = authority.Authority(self.directory, 'proxies')
        proxies.issue('proxy')
        for name, text in (
                (certificate.SERVER_CA_FILE, servers.certificate),
                (certificate.SERVER_CA_KEY_FILE, servers.key),
                (certificate.CLIENT_CA_FILE, proxies.certificate)):
            path = self.directory / name
            path.write_text(text)
            path.chmod(0o600)
            host.give(path, NOVA)
        self.enterContext(self.machine.configured(
            HOST, 'nova-compute', dmore={'vnc_tls_dir': self.directory}))
        self.enterContext(self.machine.configured(
            settings.CONTROLLER, 'nova-novncproxy', vnc={
                'auth_schemes': 'vencrypt',
                'vencrypt_client_key': self.directory / 'proxy-key.pem',
                'vencrypt_client_cert': self.directory / 'proxy-cert.pem',
                'vencrypt_ca_certs':
                    self.directory / certificate.SERVER_CA_FILE}))

    def test_through_the_proxy_alone(self):
        api = self.machine.api
        server = api.boot('vencrypt', 'm1.guest', HOST)
        self.addCleanup(api.delete, server)
        self.assertIn(server, is_served(
            api.console_url(server, 'novnc')))
        # From the same network, but without a certificate.
        address = api.ssh_url(server).rpartition('@')[2].partition(':')[0]
        with socket.create_connection((address, VNC_PORT), timeout=20) as raw:
            self.assertEqual(b'RFB 003.008\n', raw.recv(12))
            raw.sendall(b'RFB 003.008\n')
            kinds = raw.recv(1)
            kinds = raw.recv(kinds[0])
            self.assertIn(_VENCRYPT, kinds)
            self.assertNotIn(_NONE, kinds)
