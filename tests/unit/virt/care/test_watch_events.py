# SPDX-License-Identifier: Apache-2.0

import time

import fixtures

from nova_dmore.virt.care import watch
from tests.unit.virt.care import care_case
from tests.unit.virt.care import watch_case
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes


class EventTest(watch_case.WatchTestCase):
    """No pair is checked but for what happened to it."""

    interval = 3600.0

    def setUp(self):
        self.useFixture(fixtures.MockPatchObject(watch, '_AGAIN_S', 0.002))
        super().setUp()
        self.reconciler.is_reconciled.return_value = True
        self._start()
        self._until(lambda: self._gaps_request() is not None)
        # What its making told.
        self._until_quiet()

    def _gaps_request(self):
        return self.shadow.gaps_requests.get(
            self.pairs.records.directory(fakes.UUID))

    def _until_quiet(self):
        """Wait until nothing more is asked."""
        status, calls = self.client().status, None
        while calls != status.call_count:
            calls = status.call_count
            time.sleep(0.05)

    def test_nobody_asks(self):
        asked = self.client().status.call_count
        self.libvirt.domains.clear()
        time.sleep(0.1)
        self.assertEqual(asked, self.client().status.call_count)
        self.assertEqual({}, self.libvirt.domains)

    def test_libvirt_tells_of_domain_r(self):
        self.libvirt.domains.clear()
        self.watch.changed(fakes.UUID)
        self._until(lambda: self.reporter.rebuilt.called)
        self.assertIn(self.domr, self.libvirt.domains)

    def test_the_process_ends(self):
        self.shadow.kill(fakes.UUID)
        self._until(lambda: self.reporter.rebuilt.called)
        # And it tells of the next gap.
        self._until(lambda: self._gaps_request() is not None)
        self.shadow.kill(fakes.UUID)
        self._until(lambda: self.reporter.rebuilt.call_count == 2)

    def test_a_worker_ends(self):
        before = self._gaps_request()
        self.shadow.end_worker(fakes.UUID)
        self._until(lambda: self._gaps_request() not in (None, before))
        self.reporter.rebuilt.assert_not_called()

    def _a_gap(self):
        gaps = [care_case.gap(1)]
        self.client().status.side_effect = (
            lambda timeout=None: fake_shadow.status(gaps=tuple(gaps)))
        self.client().forget_gaps.side_effect = lambda numbers: gaps.clear()

    def test_the_process_tells_of_gaps(self):
        before = self._gaps_request()
        self._a_gap()
        before.sendall(b'{"id": 0, "result": {"number": 1}}\n')
        self._until(lambda: self.reporter.gap.called)
        self._until(lambda: self._gaps_request() is not before)

    def test_it_does_so_while_the_host_service_is_away(self):
        before = self._gaps_request()
        self.shadow.service_away = True
        self._a_gap()
        before.sendall(b'{"id": 0, "result": {"number": 1}}\n')
        self._until(lambda: self.reporter.gap.called)
        self._until(lambda: 'no answer' in self.log.output)
        self.shadow.service_away = False
        self._until(lambda: self._gaps_request() is not before)

    def test_the_process_ends_while_the_host_service_is_away(self):
        self.shadow.service_away = True
        self.shadow.kill(fakes.UUID)
        self._until(lambda: 'no answer' in self.log.output)
        time.sleep(0.05)
        self.reporter.rebuilt.assert_not_called()
        self.assertEqual(1, self.log.output.count('no answer'))
        self.shadow.service_away = False
        self._until(lambda: self.reporter.rebuilt.called)

    def test_a_worker_of_an_earlier_release_is_asked(self):
        before = self._gaps_request()
        before.sendall(b'{"id": 0, "error": "bad request"}\n')
        self._checked(10)
        self.assertIs(before, self._gaps_request())
        self._a_gap()
        self._until(lambda: self.reporter.gap.called)

    def test_a_process_of_an_earlier_release_ends(self):
        self._gaps_request().sendall(b'{"id": 0, "error": "bad request"}\n')
        self._checked(10)
        self.shadow.alive.clear()
        self._until(lambda: self.reporter.rebuilt.called)

    def test_a_worker_that_keeps_telling_is_not_asked_all_the_time(self):
        self.watch._again = 0.1
        client = self.client()
        listen = client.wait_for_gaps.side_effect

        def tell_at_once():
            request = listen()
            self._gaps_request().sendall(b'{"id": 0, "result": {}}\n')
            return request

        client.wait_for_gaps.side_effect = tell_at_once
        self.shadow.end_worker(fakes.UUID)
        self._until(lambda: client.wait_for_gaps.call_count > 1)
        asked = client.wait_for_gaps.call_count
        time.sleep(0.35)
        self.assertLess(client.wait_for_gaps.call_count - asked, 5)
        self.assertGreater(client.wait_for_gaps.call_count - asked, 1)

    def test_a_pair_that_is_made_later(self):
        self.pairs.ensure(fakes.make_instance(uuid=care_case.OTHER_UUID, id=2))
        directory = self.pairs.records.directory(care_case.OTHER_UUID)
        self._until(lambda: directory in self.shadow.gaps_requests)
        self.shadow.kill(care_case.OTHER_UUID)
        self._until(lambda: self.reporter.rebuilt.called)

    def test_a_pair_that_is_removed(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self._until(lambda: not self.watch._watched)
        self.assert_nothing_left()

    def test_what_happened_while_it_was_moved(self):
        self.watch.leave_alone(fakes.UUID)
        self.libvirt.domains.clear()
        self.watch.changed(fakes.UUID)
        time.sleep(0.05)
        self.assertEqual({}, self.libvirt.domains)
        self.watch.watch_again(fakes.UUID)
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_nothing_is_begun_after_the_end(self):
        self.watch.stop()
        self.libvirt.domains.clear()
        self.watch.changed(fakes.UUID)
        time.sleep(0.05)
        self.assertEqual({}, self.libvirt.domains)
