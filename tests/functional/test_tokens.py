# SPDX-License-Identifier: Apache-2.0
"""A token opens the console of its own instance, or none.

The proxy compares the port alone, and here every console of the cloud has the
same port: that of QEMU's first VNC server on a host.
"""

import fixtures
from nova.console import type as console_type
from nova.console import websocketproxy
from nova import context
from nova import exception as nova_exception
from nova.tests.functional.api import client

from nova_dmore import exception
from tests.functional import base

DRIVER = 'nova.virt.libvirt.driver.LibvirtDriver'
KINDS = (('vnc', 'novnc'), ('serial', 'serial'))
#: Where the consoles of an instance without Domain R are.
STOCK = {5900, 6083}


class TwoTenantsTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.flags(allow_resize_to_same_host=True)
        for name, console in {
                'get_vnc_console': console_type.ConsoleVNC,
                'get_serial_console': console_type.ConsoleSerial}.items():
            self.useFixture(fixtures.MonkeyPatch(
                f'{DRIVER}.{name}', self._stock(console)))
        self.useFixture(fixtures.MonkeyPatch(
            f'{DRIVER}.migrate_disk_and_power_off', self._power_off))
        self.useFixture(fixtures.MonkeyPatch(
            f'{DRIVER}._serial_ports_already_defined', lambda *args: False))
        self.start()
        self.alice = self.api_fixture.api
        self.bob = client.TestOpenStackClient(
            'bob', self.api_fixture.base_url, project_id='of-bob',
            roles=['reader', 'member'])
        for api in (self.alice, self.bob):
            api.microversion = 'latest'
        self.plain = self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'})
        self.free = self.neutron_for_domain_r.free_addresses

    @staticmethod
    def _stock(console):
        ports = {console_type.ConsoleVNC: 5900,
                 console_type.ConsoleSerial: 6083}

        def get(driver, request_context, instance):
            driver._host.get_guest(instance)
            return console('192.0.2.1', ports[console])
        return get

    @staticmethod
    def _power_off(driver, request_context, instance, *args, **kwargs):
        driver.power_off(instance)
        return '[]'

    def _tokens(self, server, api):
        return [self.make_token(server, *kind, api=api) for kind in KINDS]

    def _connect(self, token):
        """What nova-novncproxy and nova-serialproxy do with a token."""
        handler = websocketproxy.NovaProxyRequestHandler.__new__(
            websocketproxy.NovaProxyRequestHandler)
        handler._compute_rpcapi = None
        found = handler._get_connect_info(context.get_admin_context(), token)
        return found.host, found.port

    def _assert_open(self, tokens, host):
        self.assertEqual([(host, 5900), (host, 6083)],
                         [self._connect(token) for token in tokens])

    def _assert_refused(self, tokens):
        for token in tokens:
            self.assertRaises(
                (nova_exception.InvalidToken,
                 nova_exception.InstanceNotFound), self._connect, token)

    def _boot_bobs(self, ip):
        """Bob's server gets an address that is free now."""
        self.free[:] = [ip]
        server = self.boot(api=self.bob)
        tokens = self._tokens(server, self.bob)
        self._assert_open(tokens, ip)
        return tokens

    def test_each_opens_its_own(self):
        servers = [self.boot(api=api) for api in (self.alice, self.bob)]
        tokens = [self._tokens(server, api) for server, api in zip(
            servers, (self.alice, self.bob))]
        self._assert_open(tokens[0], '10.0.0.5')
        self._assert_open(tokens[1], '10.0.0.6')
        for server, api in zip(servers, (self.bob, self.alice)):
            for kind in KINDS:
                error = self.assertRaises(
                    client.OpenStackApiException, self.make_token, server,
                    *kind, api=api)
                self.assertEqual(404, error.response.status_code)

    def test_deleted(self):
        server = self.boot(api=self.alice)
        tokens = self._tokens(server, self.alice)
        self._delete_server(server)
        others = self._boot_bobs('10.0.0.5')
        self._assert_refused(tokens)
        self._assert_open(others, '10.0.0.5')

    def test_opted_out(self):
        server = self.boot(api=self.alice)
        server = self._resize_server(server, self.plain)
        # Its address is kept, for it may come back: nobody else has it, and
        # what was given for it leads nowhere.
        tokens = self._tokens(server, self.alice)
        self._assert_open(tokens, '192.0.2.1')
        server = self._revert_resize(server)
        self._assert_refused(tokens)
        tokens = self._tokens(server, self.alice)
        self._assert_open(tokens, '10.0.0.5')
        server = self._confirm_resize(
            self._resize_server(server, self.plain))
        self.assert_no_pair(server)
        others = self._boot_bobs('10.0.0.5')
        self._assert_refused(tokens)
        self._assert_open(others, '10.0.0.5')

    def test_opted_in(self):
        # What listened at the stock console's port may be Bob's then.
        server = self.boot(api=self.alice, flavor_id=self.plain)
        tokens = self._tokens(server, self.alice)
        self._assert_open(tokens, '192.0.2.1')
        self._resize_server(server, self._create_flavor())
        self._assert_refused(tokens)
        self._assert_open(self._tokens(server, self.alice), '10.0.0.5')

    def test_the_pair_cannot_be_had_at_a_reboot(self):
        server = self.boot(api=self.alice)
        tokens = self._tokens(server, self.alice)
        self.domain_r(server).destroy()
        self.shadow.refuse['configure'] = (
            exception.ShadowAnswerError('it is gone'))
        self._reboot_server(server, hard=True)
        # The consoles are the stock ones, and the address is still Alice's.
        self.assertIsNone(self.domain_r(server))
        self.assertEqual('tcp', self.serial(server)[0])
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))
        self._assert_open(tokens, '10.0.0.5')
        stock = self._tokens(server, self.alice)
        self._assert_open(stock, '192.0.2.1')
        self.shadow.refuse.clear()
        self._reboot_server(server, hard=True)
        self.assert_pair(server)
        self._assert_refused(stock)
        self._assert_open(self._tokens(server, self.alice), '10.0.0.5')

    def test_shelved(self):
        server = self.boot(api=self.alice)
        self._shelve_server(server)
        # So nobody else can get it.
        (port,) = self.neutron_for_domain_r.ports.values()
        self.assertEqual('10.0.0.5', port['fixed_ips'][0]['ip_address'])
        self._unshelve_server(server)
        self._assert_open(self._tokens(server, self.alice), '10.0.0.5')

    def test_it_is_being_started_anew(self):
        server = self.boot(api=self.alice)
        tokens = self._tokens(server, self.alice)
        domain = next(
            domain for domain in self.connection()._vms.values()
            if domain.UUIDString() == server['id'])
        del self.connection()._vms[domain.name()]
        self._assert_refused(tokens)
        error = self.assertRaises(
            client.OpenStackApiException, self.make_token, server)
        self.assertEqual(404, error.response.status_code)
