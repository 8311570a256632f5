# SPDX-License-Identifier: Apache-2.0

import threading
from unittest import mock

from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.migration import early_preparation
from nova_dmore.virt.pair import record
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case

_OTHER_UUID = '2f6ce0a5-9a0d-4c0e-8a6a-0f6d6c7c6d11'


class EarlyPreparationTest(destination_case.DestinationTestCase):
    """What takes long is made before the source asks for it."""

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance(host=fakes.OTHER_HOST)

    def _prepare_early(self):
        self.role.pre_live_migration('context', self.instance)
        self._join('prepare')
        self._join('tell')

    def _join(self, what):
        for thread in threading.enumerate():
            if thread.name == f'dmore-{what}-{fakes.UUID}':
                thread.join()

    def _profile(self):
        return self.neutron.ports[fakes.PORT]['binding:profile']

    def test_prepare(self):
        self._prepare_early()
        self.assertEqual(['start'], self.shadow.log)
        early = self.pairs.get(fakes.UUID)
        self.assertTrue(early.incoming)
        self.assertEqual({'bridge_name': 'br-there'},
                         early.address.vif_details)
        self.assertEqual(1, len(self.vif_driver.plugged))
        self.text = record.to_json(fakes.make_record(
            address=self.there.address, display=True, key_data='a key'))
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(['start', 'arm', 'configure'], self.shadow.log)
        self.assertEqual(
            (True, True, 'a key', early.address),
            (lambda made: (made.incoming, made.display, made.key_data,
                           made.address))(self.pairs.get(fakes.UUID)))
        self._domain_r_comes()
        self._finish(True)
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)

    def test_the_source_may_begin(self):
        self._prepare_early()
        self.source.leave.assert_called_once_with(
            'context', fakes.OTHER_HOST, fakes.UUID, fakes.HOST, None)

    def test_the_source_cannot_be_told(self):
        self.source.leave.side_effect = exception.PairError('no queue')
        self._prepare_early()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)

    def test_nothing_waits_until_the_source_is_told(self):
        told = threading.Event()
        self.addCleanup(told.set)
        self.source.leave.side_effect = lambda *args: told.wait(30)
        self.role.pre_live_migration('context', self.instance)
        with mock.patch.object(early_preparation, '_END_S', 30.0):
            self.role.prepare(None, 'm1', self.text)
            self.role.abort('m1', fakes.UUID)
        self.assertFalse(told.is_set())
        self.assertIsNone(self.pairs.get(fakes.UUID))

    def test_it_was_prepared_when_nova_had_checked(self):
        for step in (lambda: None,
                     lambda: self.role.prepare(None, 'm1', self.text)):
            self.role.check_passed('context', self.instance)
            step()
            self._prepare_early()
            self.assertEqual(['start'], self.shadow.log[:1])
            self.source.leave.assert_called_once()

    def test_it_was_taken_back_before_nova_prepares(self):
        self.role.check_passed('context', self.instance)
        self.role.prepare(None, 'm1', self.text)
        self.role.abort('m1', fakes.UUID)
        self._prepare_early()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(2, self.source.leave.call_count)

    def test_something_was_left_over_when_nova_had_checked(self):
        stale = self.pairs.addresses.find(fakes.UUID)
        self.pairs.records.save(fakes.make_record(address=stale))
        self.role.check_passed('context', self.instance)
        self._join('prepare')
        self._join('tell')
        self.source.leave.assert_not_called()
        self.pairs.records.forget(fakes.UUID)
        self._prepare_early()
        self.source.leave.assert_called_once()

    def test_the_watch_has_removed_what_was_made(self):
        """Nova did not go on with that live migration; it comes again."""
        self._prepare_early()
        self.pairs.remove(fakes.UUID, delete_address=False)
        self._prepare_early()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(2, self.source.leave.call_count)

    def test_nobody_has_said_that_it_had_arrived(self):
        """The watch has found that, and the instance has left again."""
        self.role.prepare(None, 'm1', self.text)
        self.pairs.arrived(fakes.UUID)
        self.pairs.remove(fakes.UUID, delete_address=False)
        self._prepare_early()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.source.leave.assert_called_once()

    def test_nova_rolls_back_before_the_source_begins_again(self):
        self.role.prepare(None, 'm1', self.text)
        self.pairs.arrived(fakes.UUID)
        self.pairs.remove(fakes.UUID, delete_address=False)
        self._prepare_early()
        self.role.rollback_live_migration_at_destination(fakes.UUID)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.vif_driver.plugged)

    def test_abort(self):
        self._prepare_early()
        self.role.abort('m1', fakes.UUID)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.vif_driver.plugged)
        self.assertEqual(set(), self.shadow.alive)

    def test_nova_rolls_it_back(self):
        self._prepare_early()
        self.role.rollback_live_migration_at_destination(fakes.UUID)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.vif_driver.plugged)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))
        self.assertEqual({}, self._profile())

    def test_nova_rolls_back_what_is_not_there(self):
        self.role.rollback_live_migration_at_destination(fakes.UUID)
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_the_source_never_asks(self):
        self._prepare_early()
        self._finish(False)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.shadow.log.clear()
        # The instance has left; its pair, which could not be removed, is
        # none that was prepared for the next time.
        del self.libvirt.domains['instance-00000001']
        self.role.prepare(None, 'm2', self.text)
        self.assertEqual(['shutdown', 'start', 'arm', 'configure'],
                         self.shadow.log)

    def test_it_does_not_work_yet(self):
        self.shadow.refuse_start = exception.ShadowAnswerError('no')
        self._prepare_early()
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.vif_driver.plugged)
        # The source may not wait any more.
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))
        self.shadow.refuse_start = None
        self.role.prepare(None, 'm1', self.text)
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)

    def test_the_address_cannot_be_bound_here(self):
        self.neutron.vif_type = 'binding_failed'
        self._prepare_early()
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_there_is_no_address(self):
        self.neutron.ports.clear()
        self._prepare_early()
        self.assertIsNone(self.pairs.get(fakes.UUID))

    def test_the_image_is_gone_since(self):
        self._prepare_early()
        self.images.ensure.side_effect = exception.ImageError('no')
        self.assertRaises(exception.ImageError, self.role.prepare, None,
                          'm1', self.text)
        self._assert_awaited_alone()

    def test_a_stale_pair_is_not_what_was_prepared(self):
        self.role.prepare(None, 'm0', self.text)
        self.role = self._role()
        self.shadow.log.clear()
        self._prepare_early()
        self.assertEqual([], self.shadow.log)
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(['shutdown', 'start', 'arm', 'configure'],
                         self.shadow.log)

    def test_its_tap_is_wired(self):
        self._prepare_early()
        self.assertEqual({'migrating_to': fakes.HOST}, self._profile())
        self.neutron.client.update_port.reset_mock()
        self.role.prepare(None, 'm1', self.text)
        self.neutron.client.update_port.assert_not_called()

    def _assert_announced_first(self, prepare):
        plug = self.vif_driver.plug

        def plug_later(*args):
            self._join('wire')
            found.append(self._profile())
            plug(*args)

        found = []
        self.vif_driver.plug = plug_later
        prepare()
        self.assertEqual([{'migrating_to': fakes.HOST}], found)

    def test_its_tap_is_announced_before_it_is_there(self):
        self._assert_announced_first(self._prepare_early)

    def test_one_that_was_not_prepared_is_announced_first_too(self):
        self._assert_announced_first(
            lambda: self.role.prepare(None, 'm1', self.text))

    def test_what_was_announced_cannot_be_plugged(self):
        self.vif_driver.refuse = fake_host.plug_error()
        self._prepare_early()
        self.assertIsNone(self.pairs.get(fakes.UUID))
        # The agent of the source leaves alone what is announced.
        self.assertEqual({}, self._profile())
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_a_tap_that_was_not_prepared_is_wired(self):
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual({'migrating_to': fakes.HOST}, self._profile())

    def test_nothing_waits_until_it_is_wired(self):
        wired = threading.Event()
        update_port = self.neutron.client.update_port.side_effect

        def slow(*args):
            wired.wait(10)
            return update_port(*args)

        self.neutron.client.update_port.side_effect = slow
        self.role.pre_live_migration('context', self.instance)
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual({}, self._profile())
        threading.Timer(0.05, wired.set).start()
        # What the source does next must not be overtaken.
        self.role.abort('m1', fakes.UUID)
        self.assertEqual({'migrating_to': fakes.HOST}, self._profile())

    def test_a_tap_cannot_be_wired(self):
        self.neutron.client.update_port.side_effect = (
            neutron_exceptions.NeutronClientException('no'))
        for migration_id, prepare_early in (
                ('m1', self._prepare_early), ('m2', lambda: None)):
            prepare_early()
            self.role.prepare(None, migration_id, self.text)
            self.assertTrue(self.pairs.get(fakes.UUID).incoming)
            self.role.abort(migration_id, fakes.UUID)

    def _check(self, instance):
        self.role.check_can_live_migrate_destination(instance, required=False)

    def test_the_address_is_looked_up_before(self):
        self._check(self.instance)
        self._join('port-lookup')
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.neutron.client.list_ports.reset_mock()
        self._prepare_early()
        self.neutron.client.list_ports.assert_not_called()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)

    def test_it_was_looked_up_long_ago(self):
        with mock.patch.object(early_preparation, '_FRESH_S', 0.0):
            self._check(self.instance)
            self._join('port-lookup')
            self.neutron.client.list_ports.reset_mock()
            self._prepare_early()
        self.neutron.client.list_ports.assert_called_once()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)

    def test_it_could_not_be_looked_up_then(self):
        ports = dict(self.neutron.ports)
        self.neutron.ports.clear()
        self._check(self.instance)
        self._join('port-lookup')
        self.neutron.ports.update(ports)
        self._prepare_early()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)

    def test_what_was_looked_up_in_vain_is_forgotten(self):
        with mock.patch.object(early_preparation, '_FRESH_S', 0.0):
            self._check(self.instance)
            other = fakes.make_instance(uuid=_OTHER_UUID)
            self._check(other)
        self.assertEqual([_OTHER_UUID],
                         list(self.role._early._lookups))
