# SPDX-License-Identifier: Apache-2.0

import dataclasses
from unittest import mock

import fixtures
import libvirt
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.care import reporter
from nova_dmore.virt.pair import xml
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

#: run_state of an instance whose memory is still arriving.
ARRIVING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION)
SHUT_OFF = (libvirt.VIR_DOMAIN_SHUTOFF, 1)
PAUSED = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER)


class ReconcileTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.useFixture(fixtures.MockPatchObject(
            reconcile.time, 'monotonic', lambda: self.now))
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        #: What Nova's database says.
        self.nova_says = fakes.HOST
        self.asked = 0
        self.migrating = False
        self.reconciler = reconcile.Reconciler(
            self.pairs, self.reporter, 'context', lambda: self.libvirt,
            self._locate, self._is_migrating)

    def _locate(self, context, instance_uuid):
        self.assertEqual(('context', fakes.UUID), (context, instance_uuid))
        self.asked += 1
        return self.nova_says

    def _is_migrating(self, context, instance_uuid):
        self.assertEqual(('context', fakes.UUID), (context, instance_uuid))
        self.asked += 1
        return self.migrating

    def _reconcile(self, after=0.0):
        self.now += after
        return self.reconciler.reconcile(self.pairs.get(fakes.UUID))


class IncomingTest(ReconcileTestCase):
    """``finish`` was lost, or will never be called."""

    def setUp(self):
        super().setUp()
        address = self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
        record = fakes.make_record(incoming=True, address=(
            self.pairs.addresses.add_binding(address, fakes.HOST)))
        self.pairs.start_incoming(record, 'm1')
        self.shadow.log.clear()

    def _domain_r_comes(self):
        self.libvirt.domains[self.domr] = fake_host.Domain(
            self.libvirt, self.domr)

    def _assert_whole(self):
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))

    def _assert_waits(self, after=0.0):
        self.assertFalse(self._reconcile(after))
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual([], self.shadow.log)

    def test_both_arrived(self):
        self._assert_waits()
        self.libvirt.add_instance()
        self._domain_r_comes()
        self.assertTrue(self._reconcile(1))
        self._assert_whole()
        # No session ended.
        self.assertEqual(['adopt'], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()

    def test_while_they_arrive(self):
        domain = self.libvirt.add_instance()
        domain.run_state = ARRIVING
        self._domain_r_comes()
        for _hour in range(3):
            self._assert_waits(3600)

    def _domain_r_is(self, status):
        answer = fake_host.status(domain_r=wire.VmStatus(
            connected=True, status=status, attached=True))
        self.client().status.side_effect = lambda timeout=None: answer

    def test_domain_r_arrived_paused(self):
        self.libvirt.add_instance()
        self._domain_r_comes()
        self._domain_r_is('paused')
        self.assertTrue(self._reconcile())
        self._assert_whole()
        self.assertEqual(['adopt'], self.shadow.log)

    def test_domain_r_is_still_arriving(self):
        self.libvirt.add_instance()
        self._domain_r_comes()
        self._domain_r_is('inmigrate')
        self._assert_waits()
        self._assert_waits(reconcile.PATIENCE_S - 1)

    def test_domain_r_does_not_come(self):
        self._assert_waits()
        self.libvirt.add_instance()
        # Its time begins when the instance runs here.
        self._assert_waits(500)
        self._assert_waits(reconcile.PATIENCE_S - 1)
        self.assertTrue(self._reconcile(2))
        self._assert_whole()
        self.reporter.rebuilt.assert_called_once()
        self.assertFalse(self.pairs.get(fakes.UUID).display)

    def test_the_source_never_told_of_the_display(self):
        self.libvirt.add_instance(xml=xml.with_shadow_devices(
            '<domain><devices><serial type="pty"/><graphics type="vnc"/>'
            '</devices></domain>',
            places.of_pair(self.pairs.records.directory(fakes.UUID))).xml)
        self._assert_waits()
        self.assertTrue(self._reconcile(reconcile.PATIENCE_S))
        self._assert_whole()
        self.assertTrue(self.pairs.get(fakes.UUID).display)

    def test_a_paused_instance(self):
        self.libvirt.add_instance().run_state = PAUSED
        self._assert_waits()
        self.nova_says = fakes.OTHER_HOST
        self._assert_waits(reconcile.PATIENCE_S)
        self._assert_waits(1)
        self.assertEqual(1, self.asked)
        self.nova_says = fakes.HOST
        self.assertTrue(self._reconcile(reconcile.PATIENCE_S))
        self._assert_whole()
        self.reporter.rebuilt.assert_called_once()

    def test_a_paused_instance_with_its_domain_r(self):
        self.libvirt.add_instance().run_state = PAUSED
        self._domain_r_comes()
        self._domain_r_is('paused')
        self.nova_says = fakes.OTHER_HOST
        self._assert_waits()
        # It may be one that stays where it comes from.
        self._assert_waits(reconcile.PATIENCE_S)
        self._assert_waits(1)
        self.nova_says = fakes.HOST
        self.assertTrue(self._reconcile(reconcile.PATIENCE_S))
        self._assert_whole()
        self.assertEqual(['adopt'], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()

    def test_a_stock_instance_arrives(self):
        # What it had before had made its destination prepare.
        self.libvirt.add_instance(xml='<domain/>')
        self.assertFalse(self._reconcile())
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_nothing_comes(self):
        self._assert_waits()
        self._assert_waits(reconcile.ASK_S - 1)
        self.assertEqual(0, self.asked)
        self.assertFalse(self._reconcile(1))
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.vif_driver.plugged)
        # The address is the source's.
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))

    def test_nothing_comes_for_long(self):
        # An instance with much memory, which waits for another migration.
        self.migrating = True
        self._assert_waits()
        for count in range(1, 4):
            self._assert_waits(reconcile.ASK_S)
            self._assert_waits(1)
            self.assertEqual(count, self.asked)
        self.migrating = False
        self._reconcile(2 * reconcile.ASK_S)
        self.assertIsNone(self.pairs.get(fakes.UUID))

    def test_nothing_comes_but_the_address_is_here(self):
        self.pairs.addresses.activate_binding(fakes.PORT, fakes.HOST)
        self._reconcile()
        self._reconcile(reconcile.ASK_S)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))

    def test_a_restart_of_nova_compute_begins_the_time_anew(self):
        self._reconcile()
        self.now += reconcile.ASK_S
        self.reconciler.forget(fakes.UUID)
        self._assert_waits()

    def test_a_failure_is_left_to_the_next_time(self):
        self.libvirt.add_instance()
        self._reconcile()
        self.libvirt.refuse = fake_host.libvirt_error()
        self.assertRaises(exception.PairError, self._reconcile,
                          reconcile.PATIENCE_S)
        self.libvirt.refuse = None
        # It is one of this host now, which the watch rebuilds.
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self._assert_whole()


class OutgoingTest(ReconcileTestCase):
    """A source that was cut off, or a host that was evacuated."""

    def setUp(self):
        super().setUp()
        self.pairs.ensure(fakes.make_instance())
        self.instance = self.libvirt.add_instance()
        self.domain_r = self.libvirt.domains[self.domr]
        self.shadow.log.clear()
        self.status = fake_host.status(migration_id='m1')
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

    def test_domain_r_was_stopped_and_could_not_leave(self):
        there = fake_host.status(migration_id='m1')
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
        self.status = fake_host.status(
            migration_id='m1', state=wire.PairState.INCOMING)
        self.assertTrue(self._reconcile())
        self.assertEqual([], self.shadow.log)
        self.status = arrived
        self.assertTrue(self._reconcile(1))
        self.assertEqual(['arm', 'adopt', 'hold'], self.shadow.log)

    def test_a_pair_that_has_arrived_is_not_let_run_yet(self):
        self.instance.run_state = PAUSED
        arrived = fake_host.status(
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
        self.status = fake_host.status()
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
            with mock.patch.object(self.pairs.addresses, 'is_bound',
                                   return_value=True) as is_bound:
                for _time in range(20):
                    self.assertTrue(self._reconcile(reconcile.ASK_S))
                # Not for ever.
                self.assertEqual(5, is_bound.call_count)

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


class SweepTest(ReconcileTestCase):

    def test_the_instance_is_no_more(self):
        self.pairs.addresses.ensure(fakes.UUID, fakes.HOST)
        self.nova_says = None
        self.reconciler.sweep()
        self.assertEqual({}, self.neutron.ports)

    def test_the_instance_comes_back(self):
        self.pairs.addresses.ensure(fakes.UUID, fakes.HOST)
        for self.nova_says in ('', fakes.HOST, fakes.OTHER_HOST):
            self.reconciler.sweep()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

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
