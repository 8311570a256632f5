# SPDX-License-Identifier: Apache-2.0

import time

from nova_dmore import exception
from tests.unit.virt.care import care_case
from tests.unit.virt.care import watch_case
from tests.unit.virt import fakes


class HostServiceTest(watch_case.WatchTestCase):
    """The host service is away for a while."""

    def setUp(self):
        super().setUp()
        self.reconciler.is_reconciled.return_value = True

    def _go_away(self):
        self.shadow.service_away = True
        self._start()
        self._until(lambda: 'until the host service' in self.log.output)
        self.shadow.log.clear()

    def _assert_nothing_is_touched(self):
        domains = dict(self.libvirt.domains)
        time.sleep(0.1)
        self.assertEqual(domains, self.libvirt.domains)
        self.assertEqual([], self.shadow.log)
        self.assertEqual([], self.reporter.mock_calls)
        self.reconciler.reconcile.assert_not_called()
        self.assertEqual(1, self.log.output.count('hostd.sock: no answer'))

    def _come_back(self):
        self.shadow.service_away = False
        self._until(lambda: 'watched again' in self.log.output)
        self.assertNotIn('trying again', self.log.output)

    def test_nothing_is_touched_until_it_is_back(self):
        self.pairs.ensure(fakes.make_instance(uuid=care_case.OTHER_UUID, id=2))
        self._go_away()
        self.libvirt.domains.clear()
        self.shadow.kill(fakes.UUID)
        self.watch.changed(fakes.UUID)
        self._assert_nothing_is_touched()
        self._come_back()
        self._until(lambda: len(self.libvirt.domains) == 2)
        self._until(lambda: self.reporter.rebuilt.call_count == 2)
        self.reporter.rebuilt.assert_any_call(
            'context', fakes.UUID, 'the shadow-device process had ended')

    def test_what_is_alive_stays(self):
        self._go_away()
        self._assert_nothing_is_touched()
        self._come_back()
        self._checked()
        self.assertEqual([], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()

    def test_a_pair_that_may_be_elsewhere(self):
        self.reconciler.is_reconciled.return_value = False
        self._go_away()
        self._assert_nothing_is_touched()
        self._come_back()
        self._until(lambda: self.reconciler.reconcile.called)

    def test_certificates_are_renewed_when_it_is_back(self):
        self.renewal.renew_one.side_effect = lambda records: (
            self.shadow._ask_service())
        self._go_away()
        self._until(lambda: self.renewal.renew_one.called)
        self._assert_nothing_is_touched()
        self._come_back()
        renewed = self.renewal.renew_one.call_count
        self._until(lambda: self.renewal.renew_one.call_count > renewed)

    def test_it_goes_away_again(self):
        self._go_away()
        self._come_back()
        self.shadow.service_away = True
        self._until(lambda: self.log.output.count('no answer') == 2)

    def test_one_that_answers_and_refuses(self):
        self.client().is_gone.side_effect = exception.HostServiceError(
            'refused open')
        self._start()
        self._until(lambda: 'refused open; trying again' in self.log.output)
        self.assertNotIn('until the host service', self.log.output)

    def test_the_end_does_not_wait_for_it(self):
        self._go_away()
        self.watch.stop()
        self.assertFalse(self.watch._thread.is_alive())
