# SPDX-License-Identifier: Apache-2.0
"""What others did to a pair, or to its options, while its instance ran."""

import pathlib
import time

import fixtures
from nova.compute import task_states
from nova.compute import vm_states
from nova import conf
from nova import context
from nova import objects
from nova.tests.functional.api import client

from nova_dmore.virt.care import late_notes
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.pair import announcement
from tests.functional import base
from tests.functional import migration_case

CONF = conf.CONF
KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8'
       'QERITFBUWFxgZGhscHR4f')


class CareTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.flags(watch_interval=0.2, group='dmore')
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.care.watch._AGAIN_S', 0.1))

    def until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'nothing happened')
            time.sleep(0.05)


class PortTest(CareTestCase):

    def setUp(self):
        super().setUp()
        self.start()
        self.server = self.boot()
        self.port = self.assert_pair(self.server)

    def _delete_port(self):
        self.neutron_for_domain_r.ports.clear()
        self.neutron_for_domain_r.bindings.clear()

    def test_deleted_by_somebody(self):
        token = self.make_token(self.server)
        self._delete_port()
        self.until(lambda: self.neutron_for_domain_r.ports)
        self.until(lambda: self.domain_r(self.server) is not None)
        port = self.assert_pair(self.server)
        self.assertNotEqual(self.port['id'], port['id'])
        self.assertEqual(self.port['fixed_ips'], port['fixed_ips'])
        self.assertEqual(('10.0.0.5', 5900), self.endpoint(token))
        self._delete_server(self.server)
        self.assert_nothing_left()

    def test_deleted_before_a_hard_reboot(self):
        self.driver()._watch.stop()
        self._delete_port()
        self._reboot_server(self.server, hard=True)
        self.assertEqual(self.port['fixed_ips'],
                         self.assert_pair(self.server)['fixed_ips'])

    def test_there_can_be_no_other(self):
        self.driver()._watch.stop()
        self._delete_port()
        self.neutron_for_domain_r.quota['ports'] = 0
        log = self.useFixture(fixtures.FakeLogger())
        self._reboot_server(self.server, hard=True)
        self.assert_no_pair(self.server)
        self.assertIn('the quota of ports', log.output)
        self.assertNotIn('10.0.0.5', self.endpoint(
            self.make_token(self.server)))


class OffTest(CareTestCase):
    """Ports of instances that are off are given back, if so wanted."""

    def setUp(self):
        super().setUp()
        self.flags(release_ports_when_off=True, group='dmore')
        self.start()
        self.server = self.boot()
        self.port = self.assert_pair(self.server)

    def _assert_given_back(self):
        self.until(lambda: not self.neutron_for_domain_r.ports)
        self.until(lambda: self.domain_r(self.server) is None)

    def test_stopped_and_started(self):
        self._stop_server(self.server)
        self._assert_given_back()
        self._start_server(self.server)
        port = self.assert_pair(self.server)
        self.assertNotEqual(self.port['id'], port['id'])
        self._delete_server(self.server)
        self.assert_nothing_left()

    def test_it_shuts_itself_down(self):
        self.connection().lookupByUUIDString(self.server['id']).destroy()
        # As Nova's periodic task does, whose call of this host itself would
        # wait for its own lock here, where all casts are calls.
        instance = objects.Instance.get_by_uuid(
            context.get_admin_context(), self.server['id'])
        instance.vm_state = vm_states.STOPPED
        instance.save()
        self._assert_given_back()

    def test_stays_by_default(self):
        self.flags(release_ports_when_off=False, group='dmore')
        self._stop_server(self.server)
        time.sleep(1)
        self.assertEqual([self.port['id']],
                         list(self.neutron_for_domain_r.ports))


class NotesTest(base.TestCase):
    """Nova begins with an instance while it is told of its pair."""

    def setUp(self):
        super().setUp()
        self.start()
        self.server = self.boot()
        self.assert_pair(self.server)
        self.pairs = self.driver()._pairs
        self.context = context.get_admin_context()
        stock = objects.Instance.get_by_uuid
        self.begins = True

        def read(request_context, uuid, **arguments):
            instance = stock(request_context, uuid, **arguments)
            if self.begins:
                self.begins = False
                self._rebuild(stock(self.context, uuid, expected_attrs=[
                    'system_metadata']))
            return instance
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', read))

    def _rebuild(self, instance):
        """As Nova's API begins a rebuild, with another image."""
        instance.task_state = task_states.REBUILDING
        instance.save(expected_task_state=[None])
        instance.system_metadata['image_hw_disk_bus'] = 'scsi'
        instance.save()

    def _check(self):
        """Nothing that Nova wrote is lost -> the instance."""
        instance = objects.Instance.get_by_uuid(
            self.context, self.server['id'],
            expected_attrs=['system_metadata'])
        self.assertFalse(self.begins)
        self.assertEqual(
            'scsi', instance.system_metadata.get('image_hw_disk_bus'))
        return instance

    def test_its_address(self):
        # There is something to be told.
        self.flags(ssh_port=2222, group='dmore')
        notes = late_notes.LateNotes(self.pairs, self.context, CONF.dmore)
        record = self.pairs.get(self.server['id'])
        notes.tell(record)
        instance = self._check()
        instance.task_state = None
        instance.save()
        notes.retry(lambda: [record])
        self.assertIn(':2222', self._check().system_metadata[
            announcement.NOTE])

    def test_its_secret(self):
        self.assertFalse(host_secrets.note_of(
            self.context, self.server['id'], 7))
        self._check()

    def test_that_it_runs_with_the_stock_consoles(self):
        announcement.retract_of(self.context, self.server['id'])
        self._check()


class RecordTest(CareTestCase):

    def test_lost(self):
        self.start()
        server = self.boot()
        port = self.assert_pair(server)
        domain = self.domain_r(server)
        self.driver()._watch.stop()
        self.driver()._pairs.records.forget(server['id'])
        self.shadow.log.clear()
        # Nova's fake tells of stock consoles, whatever it was given.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            base.kept_xml))
        self.restart_compute_service('c1')
        self.until(lambda: self.driver()._pairs.get(server['id']))
        self.assertEqual(port, self.assert_pair(server))
        self.assertIs(domain, self.domain_r(server))
        self.assert_left_alone()
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(server)))

    def test_lost_and_the_instance_deleted_meanwhile(self):
        self.start()
        server = self.boot()
        self.computes['c1'].stop()
        self.driver()._watch.stop()
        self.driver()._pairs.records.forget(server['id'])
        for domain in list(self.connection()._vms.values()):
            if domain.UUIDString() == server['id']:
                domain.destroy()
                domain.undefine()
        # Its host is down: the API does it alone.
        self.admin_api.put_service_force_down(
            self.computes['c1'].service_ref.uuid, True)
        self._delete_server(server)
        self.restart_compute_service('c1')
        self.until(lambda: self.domain_r(server) is None
                   and not self.shadow.alive)
        self.driver()._watch._reconciler.sweep()
        self.assert_nothing_left()


class OptionsTest(CareTestCase):

    def setUp(self):
        super().setUp()
        self.keys = self._file('keys', f'{KEY}\n')
        self.flags(console_authorized_keys=self.keys, group='dmore')
        self.start()
        self.server = self.boot()
        self.domain = self.domain_r(self.server)

    def _told(self, name):
        """What Domain R was told last."""
        (config,), _keywords = self.shadow_client(
            self.server).configure.call_args
        return config[name]

    def _assert_no_break(self):
        self.assertIs(self.domain, self.domain_r(self.server))
        self.assertEqual(1, self.shadow.log.count('start'))

    def test_a_key_is_taken_away(self):
        self.assertEqual([KEY], self._told('authorized_keys'))
        pathlib.Path(self.keys).write_text('')
        self.until(lambda: self._told('authorized_keys') == [])
        self._assert_no_break()

    def test_a_restart(self):
        self.flags(ssh_port=2222, serial_proxy_networks=['192.0.2.0/28'],
                   group='dmore')
        self.restart_compute_service('c1')
        self.until(lambda: self._told('ssh_port') == 2222)
        self.assertEqual(['192.0.2.0/28'], self._told('serial_networks'))
        self._assert_no_break()

    def test_a_reload(self):
        # Only what is told at once is told.
        self.flags(watch_interval=3600.0, group='dmore')
        self.restart_compute_service('c1')
        self.until(lambda: 'configure' in self.shadow.log)
        groups = self.neutron_for_domain_r.groups
        path = self._file('nova.conf', '[dmore]\nssh_networks = 10.9.0.0/16\n')
        self.useFixture(fixtures.MockPatchObject(
            CONF, 'default_config_files', [path]))
        # As oslo.service does when it gets SIGHUP.
        CONF.mutate_config_files()
        self.until(lambda: self._told('ssh_networks') == ['10.9.0.0/16'])
        self.until(lambda: any(
            rule['remote_ip_prefix'] == '10.9.0.0/16'
            for group in groups.values()
            for rule in group['security_group_rules']))
        self._assert_no_break()


class BindingTest(migration_case.MigrationTestCase):

    def test_the_port_cannot_be_bound_where_the_instance_went(self):
        """On a routed network, say, or without an agent: the user is told,
        in place of where nobody is."""
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            base.kept_xml))
        self.neutron_for_domain_r.vif_type = 'binding_failed'
        self.go()
        self.until(lambda: self.driver('c2')._pairs.trouble)
        error = self.assertRaises(
            client.OpenStackApiException, self.make_token,
            self.server)
        self.assertIn('has no network now', str(error))
        self.assertEqual('ACTIVE', self.api.get_server(
            self.server['id'])['status'])
        # It is tried again, and comes.
        self.neutron_for_domain_r.vif_type = 'ovs'
        for binding in self.neutron_for_domain_r.bindings.values():
            binding['vif_type'] = 'ovs'
        for port in self.neutron_for_domain_r.ports.values():
            port['binding:vif_type'] = 'ovs'
        pairs = self.driver('c2')._pairs
        pairs.take_over(pairs.get(self.server['id']))
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(self.server)))
