# SPDX-License-Identifier: Apache-2.0
"""A cloud in which one host has Nova's own driver."""

import time

import fixtures
import libvirt
from nova import conf
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client
import oslo_messaging as messaging
from oslo_messaging._drivers import impl_fake

from nova_dmore.virt.rpc import calls
from tests.functional import migration_case

CONF = conf.CONF


class MixedTestCase(migration_case.MigrationTestCase):
    """A pair on c1, and c2 with Nova's own driver."""

    #: Whether the broker still has the queue of a c2 that had the plug-in.
    has_queue = False

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.see_consoles()
        send = impl_fake.FakeDriver.send

        def send_as_rabbitmq_does(driver, target, *args,
                                  transport_options=None, **kwargs):
            if (target.topic == calls.TOPIC and target.server == 'c2'
                    and not self.has_queue):
                if transport_options is None or (
                        not transport_options.at_least_once):
                    # A cast, which Nova's fixtures make a call.
                    return None
                raise messaging.MessageUndeliverable('NO_ROUTE', '', '', None)
            return send(driver, target, *args, **kwargs)
        self.useFixture(fixtures.MonkeyPatch(
            'oslo_messaging._drivers.impl_fake.FakeDriver.send',
            send_as_rabbitmq_does))

    def start(self, hostname='c1'):
        self.flags(compute_driver='libvirt.LibvirtDriver' if hostname == 'c2'
                   else 'dmore.DMoreDriver')
        return super().start(hostname)

    def _migrate(self, domain, destination, params, flags):
        if 'c2' in destination:
            super()._migrate(domain, destination, params, flags)
            return
        self.connection('c1').createXML(params['destination_xml'], 0)
        domain.complete_job()

    def assert_host(self, hostname):
        server = self.api.get_server(self.server['id'])
        self.assertEqual((hostname, 'ACTIVE'), (
            server['OS-EXT-SRV-ATTR:host'], server['status']))
        return server


class ToThePlainHostTest(MixedTestCase):

    def _assert_stock_at_c2(self):
        server = self.assert_host('c2')
        self.assertNotIn('dmore:console_ssh', server['metadata'])
        # What Nova's own driver tells of it.
        kind, source = self.serial(self.server, 'c2')
        self.assertEqual(('tcp', 'bind'), (kind, source.get('mode')))
        self.assertEqual(
            (CONF.serial_console.proxyclient_address,
             int(source.get('service'))),
            self.endpoint(self.make_token(self.server, 'serial', 'serial')))
        graphics = self.instance_xml(self.server, 'c2').find(
            "devices/graphics[@type='vnc']")
        self.assertEqual(str(CONF.vnc.server_listen),
                         graphics.find('listen').get('address'))
        self.assertEqual(str(CONF.vnc.server_proxyclient_address),
                         self.endpoint(self.make_token(self.server))[0])
        # Nothing but the address is left of the pair.
        self.assertEqual(set(), self.shadow.alive)
        self.assertIsNone(self.domain_r(self.server, 'c1'))
        self.assertIsNone(self.domain_r(self.server, 'c2'))
        self.assertEqual([self.port['id']],
                         list(self.neutron_for_domain_r.ports))
        self.assertIn('to a host without the plug-in', self.log.output)

    def test_there(self):
        self.go()
        self._assert_stock_at_c2()
        # As it is left by a driver that knows nothing of it.
        self._delete_server(self.server)
        self.driver('c1')._watch._reconciler.sweep()
        self.assertEqual({}, self.neutron_for_domain_r.ports)

    def test_nobody_answers(self):
        self.has_queue = True
        self.flags(rpc_timeout=1, group='dmore')
        self.go()
        self._assert_stock_at_c2()

    def test_there_and_back(self):
        self.go()
        self._live_migrate(self.server, host='c1')
        self.assert_host('c1')
        self.assertEqual('tcp', self.serial(self.server, 'c1')[0])
        self.assertEqual([], self.driver('c1')._pairs.records.all())
        self.assertEqual(set(), self.shadow.alive)
        # It has its console again, at its address, when it is started anew.
        self._reboot_server(self.server, hard=True)
        self.assertEqual(self.port['fixed_ips'],
                         self.assert_pair(self.server)['fixed_ips'])

    def test_it_stays(self):
        self.instance_error = fakelibvirt.make_libvirtError(
            libvirt.libvirtError, 'connection lost',
            error_code=1)
        self.stay()
        self.assertEqual('c1', self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host'])
        self.assert_pair(self.server)


class StaleTest(MixedTestCase):
    """A stock instance comes back that Nova says has a Domain R."""

    def test_a_property_and_a_port(self):
        self.go()
        self.api.post_server_metadata(self.server['id'], {
            'dmore:console_ssh': 'ssh://console@10.0.0.5:22'})
        self._live_migrate(self.server, host='c1')
        server = self.assert_host('c1')
        self.assertNotIn('dmore:console_ssh', server['metadata'])
        for _attempt in range(5):
            self.assertEqual([], self.driver('c1')._pairs.records.all())
            self.assertEqual(set(), self.shadow.alive)
            self.assertIsNone(self.domain_r(self.server))
            time.sleep(0.1)
        self.until(lambda: self._serial_host() ==
                   CONF.serial_console.proxyclient_address)

    def _serial_host(self):
        # Nova forgets the tokens when the migration is over for its user.
        try:
            return self.endpoint(
                self.make_token(self.server, 'serial', 'serial'))[0]
        except client.OpenStackApiNotFoundException:
            return None
