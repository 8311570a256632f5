# SPDX-License-Identifier: Apache-2.0

import pathlib
from unittest import mock

from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.config import identity
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.pair import announcement
from nova_dmore import wire
from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case


class DestinationTest(destination_case.DestinationTestCase):

    def test_how_domain_r_is_to_arrive(self):
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(arrival.Arrival(),
                         self.role.arrival('m1', fakes.UUID))
        self.wired.add(fakes.PORT)
        self.config.config(cpu_shared_set='2-3', group='compute')
        self.assertEqual(arrival.Arrival('2-3', True),
                         self.role.arrival('m1', fakes.UUID))

    def test_nobody_can_tell_how_it_is_to_arrive(self):
        self.assertRaises(exception.PairError, self.role.arrival, 'm1',
                          fakes.UUID)
        self.role.prepare(None, 'm1', self.text)
        self.assertRaises(exception.PairError, self.role.arrival, 'm2',
                          fakes.UUID)
        self.config.config(cpu_dedicated_set='0', group='compute')
        self.config.config(cpu_set='0', group='dmore')
        self.assertRaises(exception.ConfigurationError, self.role.arrival,
                          'm1', fakes.UUID)

    def _take_secrets_away(self):
        pathlib.Path(self.conf.dmore.secret_file).write_text(
            f'1:{"t" * 64}\n')

    def test_the_secret_of_the_pair_is_not_here(self):
        self._take_secrets_away()
        error = self.assertRaises(exception.ConfigurationError,
                                  self.role.prepare, None, 'm1', self.text)
        for text in (f'host {self.conf.host}', '[dmore] secret_file', 'id 0'):
            self.assertIn(text, str(error))
        # Before anything takes long, or moves.
        self.images.ensure.assert_not_called()
        self._assert_awaited_alone()
        self._finish(False)
        self._assert_rebuilt()
        self.assertEqual(1, self.pairs.get(fakes.UUID).secret_id)

    def test_nova_is_told_so_before(self):
        self._take_secrets_away()
        instance = fakes.make_instance()
        self.assertRaises(
            nova_exception.MigrationPreCheckError,
            self.role.check_can_live_migrate_destination, instance,
            required=True)
        self.role.check_can_live_migrate_destination(instance, required=False)
        instance.system_metadata[identity.METADATA] = '1'
        self.role.check_can_live_migrate_destination(instance, required=True)

    def test_the_host_can_have_no_domain_r(self):
        self.pairs.impossible = 'device not available: it'
        error = self.assertRaises(
            nova_exception.MigrationPreCheckError,
            self.role.check_can_live_migrate_destination,
            fakes.make_instance(), required=True)
        self.assertIn('device not available: it', str(error))
        self.role.pre_live_migration('context', fakes.make_instance())
        self._assert_arrives_without_consoles()

    def test_the_host_service_is_away(self):
        self.shadow.refuse_start = exception.HostServiceError('no hostd')
        self._assert_arrives_without_consoles()

    def _assert_arrives_without_consoles(self):
        self.assertEqual(places.Layout.STOCK, self.role.prepare(
            None, 'm1', self.text))
        self.assertIsNone(self.pairs.get(fakes.UUID))
        # Its serial port is none of ours then.
        self.libvirt.add_instance(xml='<domain/>')
        self.shadow.refuse_start = None
        self.role.finish(None, 'm1', self.text, False, None)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)
        self.reporter.stock.assert_called_once()
        self.reporter.rebuilt.assert_not_called()

    def _arrive(self, **instance):
        self.role.pre_live_migration('context', self.instance)
        self.role._early._preparations[fakes.UUID].join()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.libvirt.add_instance(**instance)
        self.role.post_live_migration_at_destination(self.instance)

    def test_a_stock_instance_that_had_a_pair(self):
        self.instance = fakes.make_instance()
        self.instance.metadata[announcement.SSH_PROPERTY] = 'ssh://stale'
        with mock.patch('nova.objects.Instance.save') as save:
            self._arrive(xml='<domain/>')
        save.assert_called_once_with()
        self.assertEqual({}, self.instance.metadata)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.vif_driver.plugged)
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_an_instance_with_its_pair(self):
        self.instance = fakes.make_instance()
        self.instance.metadata[announcement.SSH_PROPERTY] = 'ssh://x'
        self._arrive()
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.assertIn(announcement.SSH_PROPERTY, self.instance.metadata)

    def test_prepare_with_what_is_no_record(self):
        self.assertRaises(exception.PairError, self.role.prepare, None, 'm1',
                          '{"instance_uuid": "../../etc"}')

    def test_carry_over(self):
        self.role.prepare(None, 'm1', self.text)
        self.role.carry_over('m1', fakes.UUID, {'epoch': 7})
        self.client().carry_over.assert_called_once_with('m1', {'epoch': 7})

    def test_carry_over_that_is_late_or_of_another_migration(self):
        self.role.carry_over('m1', fakes.UUID, {})
        self.role.prepare(None, 'm1', self.text)
        self.role.carry_over('m0', fakes.UUID, {})
        self.assertNotIn('carry_over', self.shadow.log)

    def test_carry_over_that_is_not_needed(self):
        self.role.prepare(None, 'm1', self.text)
        self.client().carry_over.side_effect = [
            wire.CarryOverAnswer(False, 'it froze')]
        self.role.carry_over('m1', fakes.UUID, {})
        self.client().carry_over.assert_called_once()

    def test_carry_over_after_a_restart(self):
        self.role.prepare(None, 'm1', self.text)
        self._restart('m1')
        self.role.carry_over('m0', fakes.UUID, {})
        self.assertEqual([], self.shadow.log)
        self.role.carry_over('m1', fakes.UUID, {'epoch': 7})
        self.client().carry_over.assert_called_once_with('m1', {'epoch': 7})

    def test_abort(self):
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self.assertFalse(self.role.abort('m1', fakes.UUID))
        self.assertFalse(self.role.abort('m1', fakes.UUID))
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.assert_nothing_left()

    def test_abort_of_an_instance_that_runs_here(self):
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self.libvirt.add_instance()
        self.assertTrue(self.role.abort('m1', fakes.UUID))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_abort_of_another_migration(self):
        self.role.prepare(None, 'm1', self.text)
        self.role.abort('m0', fakes.UUID)
        self.assertEqual(1, len(self.shadow.alive))
        self.role.carry_over('m1', fakes.UUID, {})
        self.assertIn('carry_over', self.shadow.log)

    def test_abort_after_a_restart(self):
        self.role.prepare(None, 'm1', self.text)
        self._restart('m1')
        self.role.abort('m0', fakes.UUID)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self.role.abort('m1', fakes.UUID)
        self.assertIsNone(self.pairs.get(fakes.UUID))
