# SPDX-License-Identifier: Apache-2.0

import dataclasses
import pathlib
from unittest import mock

import fixtures
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.pair import kernel_log
from nova_dmore import wire
from tests.unit.virt.care import reconcile_case
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes

ARRIVING = reconcile_case.ARRIVING
SHUT_OFF = reconcile_case.SHUT_OFF
PAUSED = reconcile_case.PAUSED


class OutgoingTest(reconcile_case.ReconcileTestCase):
    """A source that was cut off, or a host that was evacuated."""

    def setUp(self):
        super().setUp()
        self.pairs.ensure(fakes.make_instance())
        self.instance = self.libvirt.add_instance()
        self.domain_r = self.libvirt.domains[self.domr]
        self.shadow.log.clear()
        self.status = fake_shadow.status(migration_id='m1')
        self.client().status.side_effect = lambda timeout=None: self.status

    def _assert_gone(self):
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertNotIn(self.domr, self.libvirt.domains)
        self.assertEqual(set(), self.shadow.alive)

    def test_the_instance_stayed(self):
        self.domain_r.job = True
        self.assertTrue(self._reconcile())
        self.assertFalse(self.domain_r.job)
        self.assertEqual(['arm', 'adopt', 'hold'], self.shadow.log)
        self.client().arm.assert_called_once_with(
            'm1', wire.Role.SOURCE, on=False)
        self.client().hold.assert_called_once_with(False)
        # Once is enough.
        self.domain_r.job = True
        self.assertTrue(self._reconcile(1))
        self.assertTrue(self.domain_r.job)
        self.assertEqual(['arm', 'adopt', 'hold'], self.shadow.log)

    def test_domain_r_has_left_and_nobody_can_send_it_back(self):
        # A paused instance: its process would wait for ever.
        self.instance.run_state = PAUSED
        del self.libvirt.domains[self.domr]
        self.assertTrue(self._reconcile())
        self.assertEqual(['arm', 'adopt'], self.shadow.log)
        self.client().arm.assert_called_once_with(
            'm1', wire.Role.SOURCE, on=False)

    def test_domain_r_ended_when_it_had_arrived(self):
        del self.libvirt.domains[self.domr]
        self.status = fake_shadow.status(
            migration_id='m1', state=wire.PairState.INCOMING)
        self.assertTrue(self._reconcile())
        self.assertEqual([], self.shadow.log)

    def test_domain_r_was_stopped_and_could_not_leave(self):
        there = fake_shadow.status(migration_id='m1')
        status = dataclasses.replace(there, domain_r=dataclasses.replace(
            there.domain_r, status='paused'))
        self.client().status.side_effect = lambda timeout=None: status
        resume = self.domain_r.resume = mock.Mock()
        self.assertTrue(self._reconcile())
        self.assertEqual([], self.shadow.log)
        status = there
        self.assertTrue(self._reconcile(1))
        resume.assert_called_once_with()
        self.assertEqual(['arm', 'adopt', 'hold'], self.shadow.log)

    def test_a_pair_that_is_well_costs_one_look_up(self):
        self._reconcile()
        self.instance.jobInfo = self.instance.info = self.fail
        self.assertTrue(self._reconcile(1))
        # Until a role was busy with it.
        self.reconciler.forget(fakes.UUID)
        self.assertRaises(self.failureException, self._reconcile)

    def test_the_instance_was_gone_for_a_moment_twice(self):
        for _time in range(2):
            del self.libvirt.domains[self.instance.name()]
            self.assertFalse(self._reconcile(reconcile.PATIENCE_S))
            self.libvirt.domains[self.instance.name()] = self.instance
            self.assertTrue(self._reconcile(reconcile.PATIENCE_S))
        self.assertEqual(0, self.asked)

    def test_no_connection_to_libvirt(self):
        with mock.patch.object(
                self.reconciler, '_connect',
                side_effect=nova_exception.HypervisorUnavailable()):
            self.assertRaises(exception.PairError, self._reconcile)

    def test_libvirt_does_not_answer(self):
        self._reconcile()
        self.useFixture(fixtures.MockPatchObject(
            fake_host.Libvirt, 'lookupByUUIDString',
            side_effect=fake_host.libvirt_error()))
        self.assertRaises(exception.PairError, self._reconcile)

    def test_a_pair_that_has_just_arrived_is_not_disarmed(self):
        # It waits for what the source carries over.
        arrived = self.status
        self.status = fake_shadow.status(
            migration_id='m1', state=wire.PairState.INCOMING)
        self.assertTrue(self._reconcile())
        self.assertEqual([], self.shadow.log)
        self.status = arrived
        self.assertTrue(self._reconcile(1))
        self.assertEqual(['arm', 'adopt', 'hold'], self.shadow.log)

    def test_a_pair_that_has_arrived_is_not_let_run_yet(self):
        self.instance.run_state = PAUSED
        arrived = fake_shadow.status(
            migration_id='m1', state=wire.PairState.INCOMING)
        self.status = dataclasses.replace(arrived, domain_r=(
            dataclasses.replace(arrived.domain_r, status='paused')))
        self.shadow.refuse['adopt'] = exception.ShadowAnswerError('no')
        self.assertTrue(self._reconcile())
        del self.shadow.refuse['adopt']
        self.assertTrue(self._reconcile(1))
        self.assertEqual(['adopt'], self.shadow.log)
        self.status = arrived
        self.assertTrue(self._reconcile(1))
        self.assertEqual(['adopt'], self.shadow.log)

    def test_nothing_was_left_over(self):
        self.status = fake_shadow.status()
        self.assertTrue(self._reconcile())
        self.client().arm.assert_not_called()

    def test_libvirt_migrates_on(self):
        self.instance.job = True
        self.domain_r.job = True
        for _hour in range(3):
            self.assertFalse(self._reconcile(3600))
        self.assertTrue(self.domain_r.job)
        self.assertEqual([], self.shadow.log)

    def test_a_pair_that_is_dead_is_built_anew_by_the_watch(self):
        self.shadow.kill(fakes.UUID)
        self.assertTrue(self._reconcile())
        self.assertEqual([], self.shadow.log)

    def test_the_instance_has_left(self):
        del self.libvirt.domains[self.instance.name()]
        self.nova_says = fakes.OTHER_HOST
        # It may be between two definitions.
        self.assertFalse(self._reconcile())
        self.assertEqual(0, self.asked)
        self._reconcile(reconcile.PATIENCE_S)
        self._assert_gone()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_the_instance_is_no_more(self):
        del self.libvirt.domains[self.instance.name()]
        self.nova_says = None
        self._reconcile()
        self._reconcile(reconcile.PATIENCE_S)
        self._assert_gone()
        self.assertEqual({}, self.neutron.ports)

    def test_the_instance_is_on_no_host(self):
        del self.libvirt.domains[self.instance.name()]
        self.nova_says = ''
        self._reconcile()
        self._reconcile(reconcile.PATIENCE_S)
        self._assert_gone()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_only_its_address_tells_that_the_instance_has_left(self):
        record = self.pairs.get(fakes.UUID)
        del self.libvirt.domains[self.instance.name()]
        self.pairs.addresses.add_binding(record.address, fakes.OTHER_HOST)
        self._reconcile()
        self._reconcile(reconcile.ASK_S)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self.pairs.addresses.activate_binding(
            record.address.port_id, fakes.OTHER_HOST)
        # It is asked now and then only.
        self._reconcile(reconcile.ASK_S - 1)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self._reconcile(1)
        self._assert_gone()
        self.assertEqual(0, self.asked)
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_at_rest(self):
        for self.instance.run_state in (PAUSED, SHUT_OFF):
            self.reconciler.forget(fakes.UUID)
            with mock.patch.object(self.pairs.addresses, 'host_of',
                                   return_value=fakes.HOST) as host_of:
                for _time in range(20):
                    self.assertTrue(self._reconcile(reconcile.ASK_S))
                # Not for ever.
                self.assertEqual(5, host_of.call_count)

    def test_its_port_was_deleted(self):
        """Or Neutron has just started, and does not know it yet."""
        for self.instance.run_state in (PAUSED, SHUT_OFF):
            self.reconciler.forget(fakes.UUID)
            self.neutron.ports.clear()
            self.neutron.bindings.clear()
            for _time in range(20):
                self._reconcile(reconcile.ASK_S)
            self.assertIsNotNone(self.pairs.get(fakes.UUID))
            self.assertIn(self.domr, self.libvirt.domains)

    def test_its_port_was_deleted_with_it_on_another_host(self):
        self.instance.run_state = SHUT_OFF
        self.neutron.ports.clear()
        self.neutron.bindings.clear()
        self.nova_says = None
        for _time in range(3):
            self._reconcile(reconcile.ASK_S)
            if self.pairs.get(fakes.UUID) is None:
                break
        self._assert_gone()

    def test_neutron_does_not_say_where_its_port_is(self):
        self.instance.run_state = PAUSED
        del self.neutron.ports[fakes.PORT]['binding:host_id']
        for _time in range(5):
            self._reconcile(reconcile.ASK_S)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))

    def test_what_libvirtd_left_when_it_ended(self):
        for state in (ARRIVING, PAUSED, SHUT_OFF):
            self.reconciler.forget(fakes.UUID)
            self.pairs.ensure(fakes.make_instance())
            self._check_left(state)

    def _check_left(self, state):
        record = self.pairs.get(fakes.UUID)
        self.instance.run_state = state
        self._reconcile()
        self._reconcile(reconcile.ASK_S)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self.pairs.addresses.add_binding(record.address, fakes.OTHER_HOST)
        self.pairs.addresses.activate_binding(
            record.address.port_id, fakes.OTHER_HOST)
        self.assertFalse(self._reconcile(reconcile.ASK_S))
        self._assert_gone()
        self.assertEqual(0, self.asked)

    def test_only_libvirt_does_not_know_it(self):
        del self.libvirt.domains[self.instance.name()]
        self._reconcile()
        for _second in range(10):
            self.assertFalse(self._reconcile(reconcile.PATIENCE_S / 5))
        # Nova was not asked in each second.
        self.assertEqual(1, self.asked)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))


class SweepTest(reconcile_case.ReconcileTestCase):

    def test_the_instance_is_no_more(self):
        self.pairs.addresses.ensure(fakes.UUID, fakes.HOST)
        self.nova_says = None
        self.reconciler.sweep()
        self.assertEqual({}, self.neutron.ports)

    def test_one_that_cannot_be_deleted_does_not_hold_up_others(self):
        other = '0c3f0b1e-52c1-4d0b-9f44-1c2d3e4f5a6b'
        for uuid in (other, fakes.UUID):
            self.pairs.addresses.ensure(uuid, fakes.HOST)
        self.nova_says = None
        delete = self.pairs.addresses.delete

        def refuse(uuid, host):
            if uuid == other:
                raise exception.AddressError('in use')
            delete(uuid, host)
        with (mock.patch.object(self.pairs.addresses, 'delete', refuse),
              mock.patch.object(self.reconciler, '_locate',
                                return_value=None)):
            self.reconciler.sweep()
        (port,) = self.neutron.ports.values()
        self.assertIn(other, port['device_id'])

    def test_a_users_port_named_after_an_instance_of_another_cell(self):
        """The database of this one does not know that instance."""
        self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
        (port,) = self.neutron.ports.values()
        self.neutron.ports['a-users'] = {
            **port, 'id': 'a-users', 'network_id': 'a-users',
            'binding:host_id': fakes.HOST}
        self.nova_says = None
        self.reconciler.sweep()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_the_instance_comes_back(self):
        self.pairs.addresses.ensure(fakes.UUID, fakes.HOST)
        for self.nova_says in ('', fakes.HOST, fakes.OTHER_HOST):
            self.reconciler.sweep()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_the_log_of_one_that_had_left(self):
        log = pathlib.Path(kernel_log.path(
            self.conf.dmore.log_dir, fakes.UUID))
        log.parent.mkdir(exist_ok=True)
        log.touch()
        self.nova_says = fakes.OTHER_HOST
        self.reconciler.sweep()
        self.assertTrue(log.exists())
        self.nova_says = None
        self.reconciler.sweep()
        self.assertFalse(log.exists())

    def test_the_pair_is_here(self):
        self.pairs.ensure(fakes.make_instance())
        self.nova_says = None
        self.reconciler.sweep()
        self.assertEqual(0, self.asked)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_the_port_is_on_another_host(self):
        self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
        self.nova_says = None
        self.reconciler.sweep()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
