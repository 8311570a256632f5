# SPDX-License-Identifier: Apache-2.0
"""The graphical console, as Nova's API and its proxy see it."""

import dataclasses

import fixtures
from lxml import etree
from nova.tests.functional.api import client
from nova.tests.functional.libvirt import base as libvirt_base

from tests.functional import base
from tests.functional import migration_case
from tests.unit.virt import fake_host

LIBVIRT = 'nova.tests.fixtures.libvirt'


class VncConsoleTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def _assert_display(self, server):
        self.assert_display(self.instance_xml(server),
                            self.pair_directory(server))

    def _config(self, server):
        """What Domain R was told last."""
        (config,), _keywords = self.shadow_client(
            server).configure.call_args
        return config

    def test_domain_r_serves_it(self):
        server = self.boot()
        self.assert_pair(server)
        self._assert_display(server)
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(server)))
        self.assertEqual(5900, self._config(server)['vnc']['port'])

    def test_as_configured(self):
        self.flags(group='dmore', vnc_port=5911,
                   vnc_proxy_networks=['192.0.2.0/28'])
        server = self.boot()
        self.assertEqual(('10.0.0.5', 5911),
                         self.endpoint(self.make_token(server)))
        vnc = self._config(server)['vnc']
        self.assertEqual((5911, ['192.0.2.0/28']),
                         (vnc['port'], vnc['proxy_networks']))

    def test_opted_out(self):
        server = self.boot(flavor_id=self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'}))
        self.assert_no_pair(server)
        host, _port = self.endpoint(self.make_token(server))
        self.assertEqual(base.CONF.vnc.server_proxyclient_address, host)

    def test_hard_reboot(self):
        server = self.boot()
        token = self.make_token(server)
        self._reboot_server(server, hard=True)
        self._assert_display(server)
        self.assertEqual(('10.0.0.5', 5900), self.endpoint(token))

    def test_while_it_is_off(self):
        # Domain R is there, and the session goes on when it is started.
        server = self.boot()
        self._stop_server(server)
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(server)))
        self._start_server(server)
        self._assert_display(server)

    def test_suspended_and_resumed(self):
        # libvirt starts it from what it has kept.
        self.useFixture(fixtures.MonkeyPatch(
            f'{LIBVIRT}.Domain.XMLDesc', base.kept_xml))
        server = self.boot()
        self.api.post_server_action(server['id'], {'suspend': None})
        self._wait_for_state_change(server, 'SUSPENDED')
        self.api.post_server_action(server['id'], {'resume': None})
        self._wait_for_state_change(server, 'ACTIVE')
        self.assert_pair(server)
        self._assert_display(server)
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(server)))

    def test_vnc_is_disabled(self):
        self.flags(enabled=False, group='vnc')
        server = self.boot()
        self.assert_pair(server)
        self.assertIsNone(self._config(server)['vnc'])
        self.assertNotIn(b'-vnc', etree.tostring(self.instance_xml(server)))
        error = self.assertRaises(client.OpenStackApiException,
                                  self.make_token, server)
        self.assertEqual(400, error.response.status_code)
        self.assertEqual(('10.0.0.5', 6083), self.endpoint(
            self.make_token(server, 'serial', 'serial')))

    def test_spice_stays_novas(self):
        self.flags(enabled=True, group='spice')
        server = self.boot()
        self._assert_display(server)
        self.assertEqual(['spice'], [
            graphics.get('type') for graphics in
            self.instance_xml(server).findall('devices/graphics')])
        host, _port = self.endpoint(
            self.make_token(server, 'spice', 'spice-html5'))
        self.assertEqual(base.CONF.spice.server_proxyclient_address, host)

    def test_a_pair_of_an_earlier_version(self):
        server = self.boot()
        pairs = self.driver()._pairs
        pairs._save(dataclasses.replace(pairs.get(server['id']),
                                        display=False))
        # QEMU listens as Nova had told it.
        stock = self.make_token(server)
        self.assertEqual(base.CONF.vnc.server_proxyclient_address,
                         self.endpoint(stock)[0])
        self._reboot_server(server, hard=True)
        self._assert_display(server)
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(server)))
        # Another instance's QEMU may listen there now.
        error = self.assertRaises(client.OpenStackApiException,
                                  self.endpoint, stock)
        self.assertEqual(404, error.response.status_code)


class MigrationTest(migration_case.MigrationTestCase):
    """What Nova rewrites for the destination does not undo it."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            f'{LIBVIRT}.Domain.XMLDesc', base.kept_xml))

    def _assert_display(self, hostname='c2'):
        # Elsewhere than here the directory has the same path on all hosts.
        self.assert_display(self.instance_xml(self.server, hostname),
                            self.pair_directory(self.server, 'c1'))

    def _assert_served(self):
        # Nova has forgotten the tokens from before, as it always does; open
        # sessions go on.
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(self.server)))

    def test_whatever_the_destination_listens_on(self):
        for address in ('192.0.2.2', '::', '127.0.0.1'):
            self.flags(server_listen=address, group='vnc')
            self.go()
            self._assert_display()
            self._assert_served()
            self._delete_server(self.server)
            self.boot_again()

    def test_domain_r_does_not_follow(self):
        self.domain_r_error = fake_host.libvirt_error()
        self.go()
        self.until(lambda: self.domain_r(self.server, 'c2') is not None)
        self._assert_display()
        self._assert_served()

    def test_the_instance_stays(self):
        self.instance_error = (
            libvirt_base.fakelibvirt.make_libvirtError(
                libvirt_base.fakelibvirt.libvirtError, 'connection lost',
                error_code=1))
        token = self.make_token(self.server)
        self.stay()
        self._assert_display('c1')
        self.assertEqual(('10.0.0.5', 5900), self.endpoint(token))
