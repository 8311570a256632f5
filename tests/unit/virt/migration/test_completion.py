# SPDX-License-Identifier: Apache-2.0
"""The instance has left: nothing of its pair is left here."""

import threading
from unittest import mock

from nova_dmore import exception
from nova_dmore.virt.migration import completion
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case


class CompletionTest(source_case.SourceTestCase):

    def test_the_pair_comes_back_before_the_end(self):
        # Nova began the next migration without waiting for our end.
        back = fakes.make_record(
            address=self.record.address, incoming=True)
        self.destination.finish.side_effect = (
            lambda *args: self.pairs.start_incoming(back, 'another'))
        self._run()
        self.assertEqual(back, self.pairs.get(fakes.UUID))
        self.assertIn((fakes.PORT, fakes.HOST), self.neutron.bindings)

    def _is_back(self):
        """Another migration has brought it here, and is over."""
        back = fakes.make_record(address=self.record.address, incoming=True)
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.pairs.start_incoming(back, 'another')
        self.pairs.arrived(fakes.UUID)

    def _assert_stays(self):
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)
        self.assertIn((fakes.PORT, fakes.HOST), self.neutron.bindings)

    def test_the_pair_is_back_before_the_destination_has_answered(self):
        self.destination.finish.side_effect = lambda *args: self._is_back()
        self._run()
        self._assert_stays()

    def test_the_pair_is_back_before_nova_has_come_to_an_end(self):
        self.role = self._role()

        def come_back():
            self._is_back()
            self.role.live_migration_monitor_ended()
        self.destination.finish.side_effect = (
            lambda *args: threading.Timer(0.1, come_back).start())
        self._run()
        self._assert_stays()

    def test_nova_is_not_made_wait_for_the_end(self):
        self.role = self._role()
        noticed = []
        self.destination.finish.side_effect = lambda *args: threading.Timer(
            0.1, lambda: (noticed.append(self.pairs.get(fakes.UUID)),
                          self.role.live_migration_monitor_ended())).start()
        self._run()
        self.assertEqual([self.record], noticed)
        self._assert_gone_from_here()

    def test_nova_does_not_come_to_an_end(self):
        self.role = self._role()
        with mock.patch.object(completion, '_NOVA_END_S', 0.05):
            self._run()
        self._assert_gone_from_here()

    def test_the_destination_does_not_finish(self):
        # A Domain R that is left here would be built again and again.
        self.destination.finish.side_effect = exception.PairError('no')
        self._run()
        self._assert_gone_from_here()
