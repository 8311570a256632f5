# SPDX-License-Identifier: Apache-2.0
"""Bad input: what a user and an operator are told, and what is left."""

import pathlib
import threading

import fixtures
from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.care import watch
from nova_dmore import wire
from tests.functional import base
from tests.unit.virt import fake_host
from tests.unit.virt.images import store_case
from tests.unit.worker import fakes


class FaultTest(base.TestCase):
    """Each fault twice: the instance runs without, then is refused."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def _assert_tells(self, *texts):
        self.start()
        server = self.boot()
        self.assert_no_pair(server)
        self.assertNotIn('dmore:console_ssh', server['metadata'])
        (warning,) = [line for line in self.log.output.splitlines()
                      if 'runs with the stock consoles' in line]
        self._delete_server(server)

        self.flags(required=True, group='dmore')
        server = self.boot(expected_state='ERROR')
        fault = server['fault']['message']
        for text in texts:
            self.assertIn(text, warning)
            self.assertIn(text, fault)
        self._delete_server(server)
        self.assert_nothing_left()

    def test_no_management_network(self):
        self.flags(management_network=None, group='dmore')
        self._assert_tells('[dmore] management_network is not set')

    def test_unknown_management_network(self):
        self.flags(management_network='other', group='dmore')
        self._assert_tells('[dmore] management_network', "'other'")

    def test_no_free_address(self):
        self.neutron_for_domain_r.free_addresses.clear()
        self._assert_tells('[dmore] management_network', 'No more IP')

    def test_no_image(self):
        self.flags(image='other', group='dmore')
        self._assert_tells('[dmore] image', "'other'",
                           'nova-dmore-image upload')

    def test_another_digest_than_configured(self):
        self.flags(image_digest='cd' * 32, group='dmore')
        self._assert_tells('[dmore] image', self.digest)

    def test_another_digest_than_the_property(self):
        self.flags(image='changed', group='dmore')
        self.upload(self.tar, 'changed', dmore_digest='cd' * 32)
        self._assert_tells('[dmore] image', self.digest)

    def test_another_layout_version(self):
        self.flags(image='newer', group='dmore')
        self.upload(store_case.make_image(
            pathlib.Path(self.directory), '9', wire.LAYOUT_VERSION + 1),
            'newer')
        self._assert_tells('[dmore] image',
                           f'layout version {wire.LAYOUT_VERSION + 1}')

    def test_unreadable_keys(self):
        self.flags(console_authorized_keys=self._path('none'), group='dmore')
        self._assert_tells('[dmore] console_authorized_keys',
                           'No such file')

    def test_keys_that_are_none(self):
        self.flags(group='dmore', console_authorized_keys=self._file(
            'keys', 'hello\n'))
        self._assert_tells('[dmore] console_authorized_keys', 'key 1')

    def test_unknown_networks(self):
        self.flags(group='dmore', vnc_proxy_networks=['the proxies'])
        self._assert_tells('[dmore] vnc_proxy_networks', 'the proxies')

    def test_no_certificates(self):
        self.flags(group='dmore', vnc_tls_dir=self._path('none'))
        self._assert_tells('[dmore] vnc_tls_dir', 'server-ca-cert.pem')

    def test_a_secret_that_is_none(self):
        self.flags(group='dmore', secret_file=self._file(
            'secret', f'0:{"s" * 64}\n1:short\n'))
        self._assert_tells('[dmore] secret_file', 'line 2')

    def test_secret_that_others_may_read(self):
        self.flags(group='dmore', secret_file=self._file(
            'secret', 's' * 64, mode=0o644))
        self._assert_tells('[dmore] secret_file', '0600')

    def test_full_disk_of_the_images(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.images.image_store.tempfile.NamedTemporaryFile',
            side_effect=lambda **_: open('/dev/full', 'wb', buffering=0)))
        self._assert_tells('[dmore] image_cache_dir',
                           'No space left on device')

    def test_full_disk_of_the_pairs(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.pair.record.to_json',
            side_effect=OSError(28, 'No space left on device')))
        self._assert_tells('[dmore] record_dir', 'No space left on device')

    def test_records_that_cannot_be_read(self):
        """Their folder is another user's, say, or the disk is damaged.
        nova-compute starts all the same, and says so."""
        path = pathlib.Path(self._path('records-c1'))
        path.write_text('')
        self.start()
        self.assertIn('[dmore] record_dir', self.log.output)
        server = self.boot()
        self.assertEqual('tcp', self.serial(server)[0])
        self.assertIn('runs with the stock consoles: [dmore] record_dir',
                      self.log.output)
        self._delete_server(server)
        # The operator mends it.
        path.unlink()
        self.assert_nothing_left()
        self.assert_pair(self.boot())

    def test_the_process_does_not_start(self):
        self.shadow.refuse_start = exception.ShadowAnswerError(
            'see /log/shadow.log')
        self._assert_tells('/log/shadow.log')

    def test_libvirt_refuses_domain_r(self):
        self.useFixture(fixtures.MockPatchObject(
            base.Connection, 'createXML',
            side_effect=fake_host.libvirt_error(text='no memory')))
        self._assert_tells('Domain R domr-', 'no memory')


class DeleteTest(base.TestCase):
    """What fails when an instance is deleted does not keep it."""

    def setUp(self):
        super().setUp()
        self.start()
        self.server = self.boot()

    def test_the_process_does_not_end(self):
        self.shadow.refuse['shutdown'] = exception.HostServiceError('no')
        self._delete_server(self.server)
        # Its address is nobody else's until it does.
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))
        self.shadow.refuse.clear()
        # As the watch does.
        self.driver()._pairs.remove(self.server['id'], delete_address=True)
        self.assert_nothing_left()

    def test_neutron_is_away(self):
        self.neutron_for_domain_r.client.list_ports.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self._delete_server(self.server)
        self.assertIsNone(self.domain_r(self.server))
        self.assertEqual(set(), self.shadow.alive)

    def test_it_is_dead_already(self):
        self.domain_r(self.server).destroy()
        self.shadow.kill(self.server['id'])
        self._delete_server(self.server)
        self.assert_nothing_left()

    def test_domain_rs_that_take_long_to_start(self):
        """Some are being rebuilt, and the others wait for their turn."""
        count = watch._REBUILT_AT_ONCE + 2
        self.neutron_for_domain_r.free_addresses.extend(
            f'10.0.1.{number}' for number in range(count))
        servers = [self.server, *(self.boot() for _ in range(count - 1))]
        starting, go_on = [], threading.Event()
        self.addCleanup(go_on.set)
        create = base.Connection.createXML

        def create_slowly(connection, xml, flags):
            starting.append(xml)
            go_on.wait(300)
            return create(connection, xml, flags)
        self.useFixture(fixtures.MockPatchObject(
            base.Connection, 'createXML', create_slowly))
        for each in servers:
            self.domain_r(each).destroy()
            self.driver()._watch.changed(each['id'])
        fakes.wait_for(
            lambda: len(starting) == watch._REBUILT_AT_ONCE, 60)
        for each in servers:
            self._delete_server(each)
        self.assertFalse(go_on.is_set())
        go_on.set()
        fakes.wait_for(lambda: not (
            self.neutron_for_domain_r.ports or
            self.driver()._pairs.records.all()), 60)
        self.assert_nothing_left()
