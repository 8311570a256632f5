# SPDX-License-Identifier: Apache-2.0
"""Reconciling a pair that was to arrive."""

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.pair import xml
from nova_dmore import wire
from tests.unit.virt.care import reconcile_case
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes

ARRIVING = reconcile_case.ARRIVING
PAUSED = reconcile_case.PAUSED


class IncomingTest(reconcile_case.ReconcileTestCase):
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
        answer = fake_shadow.status(domain_r=wire.VmStatus(
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
