# SPDX-License-Identifier: Apache-2.0

import threading
from unittest import mock

import fixtures
from nova import objects

from nova_dmore.channel import session
from nova_dmore import exception
from nova_dmore.virt.care import pair_care
from nova_dmore.virt.care import shutdown
from nova_dmore.virt.pair import announcement
from nova_dmore import wire
from tests.unit.virt.care import care_case
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes

Condition = pair_care.Condition


class PairCareTestCase(care_case.CareTestCase):

    def setUp(self):
        super().setUp()
        self.care = pair_care.PairCare(
            self.pairs, self.reporter, 'context', self.reconciler)


class GapsTest(PairCareTestCase):

    def test_gaps_without_number_are_reported_together(self):
        self.client().status.return_value = fake_shadow.status(
            gaps=tuple(map(care_case.gap, range(256))))
        self.client().status.side_effect = None
        self.care.collect_gaps(self.record.instance_uuid)
        self.assertEqual(pair_care._AT_ONCE, self.reporter.gap.call_count)
        (call,) = self.reporter.more_gaps.call_args_list
        self.assertEqual(256 - pair_care._AT_ONCE, len(call.args[-1]))
        self.client().forget_gaps.assert_called_once_with(list(range(256)))

    def test_sessions_are_reported_once(self):
        events = [wire.SessionEvent(number, event, 6.0, session.Session(
            'ssh', 1, 5.0, '192.0.2.1', 4000, None, False))
            for number, event in ((4, 'began'), (5, 'ended'))]
        self.client().status.side_effect = lambda: fake_shadow.status(
            session_events=tuple(events))
        self.care.collect_gaps(fakes.UUID)
        self.assertEqual(
            [mock.call('context', fakes.UUID, event) for event in events],
            self.reporter.session.call_args_list)
        self.client().forget_session_events.assert_called_once_with([4, 5])
        self.reporter.session.side_effect = ValueError
        self.assertRaises(ValueError, self.care.collect_gaps, fakes.UUID)
        self.client().forget_session_events.assert_called_once()

    def test_sessions_without_number_are_reported_together(self):
        # One client after the other: each comes, and goes.
        events = [wire.SessionEvent(
            number, ('began', 'ended')[number % 2], 6.0, session.Session(
                'ssh', number // 2, 5.0, '192.0.2.1', 4000, None, False))
            for number in range(100)]
        self.client().status.side_effect = lambda: fake_shadow.status(
            session_events=tuple(events))
        self.care.collect_gaps(fakes.UUID)
        self.assertEqual(2 * pair_care._AT_ONCE,
                         self.reporter.session.call_count)
        self.assertEqual(
            [mock.call(fakes.UUID, events[first + 2 * pair_care._AT_ONCE::2])
             for first in (0, 1)],
            self.reporter.more_sessions.call_args_list)
        self.client().forget_session_events.assert_called_once_with(
            list(range(100)))

    def test_a_process_that_does_not_answer_holds_up_no_other(self):
        asked, done = threading.Event(), threading.Event()
        self.addCleanup(done.set)

        def status():
            asked.set()
            done.wait(30)
            return fake_shadow.status()

        self.client().status.side_effect = status
        thread = threading.Thread(
            target=self.care.collect_gaps, args=(fakes.UUID,))
        thread.start()
        self.addCleanup(thread.join)
        self.assertTrue(asked.wait(30))
        other = self.pairs.client(care_case.OTHER_UUID)
        other.status.side_effect = lambda: fake_shadow.status(
            gaps=(care_case.gap(5),))
        other.forget_gaps.side_effect = None
        fake_host.in_thread(
            lambda: self.care.collect_gaps(care_case.OTHER_UUID), seconds=20)
        other.forget_gaps.assert_called_once_with([5])
        self.assertTrue(thread.is_alive())
        done.set()

    def test_collect_gaps_of_a_process_that_is_gone(self):
        self.shadow.kill(fakes.UUID)
        self.assertRaises(exception.ShadowAnswerError,
                          self.care.collect_gaps, fakes.UUID)

    def test_nobody_is_asked_who_cannot_answer(self):
        self.assertTrue(self.care.collect_if_alive(fakes.UUID))
        asked = self.client().status.call_count
        self.care.leave_alone(fakes.UUID)
        self.assertFalse(self.care.collect_if_alive(fakes.UUID))
        self.care.watch_again(fakes.UUID)
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assertFalse(self.care.collect_if_alive(fakes.UUID))
        self.assertEqual(asked, self.client().status.call_count)

    def test_a_process_that_cannot_be_told_to_tell(self):
        self.shadow.kill(fakes.UUID)
        self.assertFalse(self.care.collect_if_alive(fakes.UUID))
        self.assertIsNone(self.care.wait_for_gaps(fakes.UUID))

    def test_nobody_can_tell(self):
        self.shadow.kill(fakes.UUID)
        self.shadow.service_away = True
        for function in (self.care.collect_if_alive, self.care.wait_for_gaps):
            self.assertRaises(exception.HostServiceError, function,
                              fakes.UUID)


class CheckTest(PairCareTestCase):

    def _assert_is(self, condition):
        self.assertIs(condition, self.care.check(fakes.UUID))

    def test_well(self):
        self._assert_is(Condition.WELL)
        self.reconciler.reconcile.assert_not_called()

    def test_dead(self):
        self.libvirt.domains.clear()
        self._assert_is(Condition.DEAD)
        self.assertEqual({}, self.libvirt.domains)

    def test_no_more(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self._assert_is(Condition.GONE)

    def test_removed_because_its_instance_is_elsewhere(self):
        self.reconciler.is_reconciled.return_value = False
        self.reconciler.reconcile.side_effect = lambda record: (
            self.pairs.remove(fakes.UUID, delete_address=False) or True)
        self._assert_is(Condition.GONE)

    def test_moving(self):
        self.libvirt.domains.clear()
        self.care.leave_alone(fakes.UUID)
        self._assert_is(Condition.MOVING)
        self.care.watch_again(fakes.UUID)
        self._assert_is(Condition.DEAD)

    def test_its_instance_is_not_here(self):
        self.reconciler.is_reconciled.return_value = False
        self.reconciler.reconcile.return_value = False
        self.libvirt.domains.clear()
        self._assert_is(Condition.UNCLEAR)
        self.reconciler.reconcile.assert_called_once_with(self.record)

    def test_it_may_have_left(self):
        self.reconciler.is_reconciled.return_value = False
        self._assert_is(Condition.UNCLEAR)

    def test_somebody_is_changing_it(self):
        self.libvirt.domains.clear()
        conditions = []
        with self.pairs.locked(fakes.UUID):
            fake_host.in_thread(
                lambda: conditions.append(self.care.check(fakes.UUID)))
        self.assertEqual([Condition.UNCLEAR], conditions)

    def test_nobody_can_tell(self):
        self.libvirt.domains.clear()
        self.shadow.service_away = True
        for reconciled in (True, False):
            self.reconciler.is_reconciled.return_value = reconciled
            for function in (self.care.check, self.care.rebuild):
                self.assertRaises(exception.HostServiceError, function,
                                  fakes.UUID)
        self.reconciler.reconcile.assert_not_called()
        self.assertEqual({}, self.libvirt.domains)


class StockTest(PairCareTestCase):

    def setUp(self):
        super().setUp()
        # As nova-compute left it that ended before it took that back.
        self.instance = fakes.make_instance(task_state=None)
        self.useFixture(fixtures.MockPatchObject(objects.Instance, 'save'))
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance))
        announcement.announce(self.conf.dmore, self.instance, self.record)

    def test_started_while_it_could_have_no_pair(self):
        self.reconciler.has_stock_consoles.return_value = True
        self.reconciler.is_reconciled.return_value = False
        self.assertIs(pair_care.Condition.GONE, self.care.check(fakes.UUID))
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)
        # It has the address again when it is started the next time.
        self.assertEqual(1, len(self.neutron.ports))
        self.assertNotIn(announcement.NOTE, self.instance.system_metadata)

    def test_its_pair_could_not_be_removed(self):
        """It lives, and was reconciled before."""
        self.reconciler.has_stock_consoles.return_value = True
        self.assertIs(pair_care.Condition.GONE, self.care.check(fakes.UUID))
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(set(), self.shadow.alive)


class RebuildTest(PairCareTestCase):

    def test_domain_r_had_ended(self):
        self.libvirt.domains.clear()
        self.assertIs(Condition.WELL, self.care.rebuild(fakes.UUID))
        self.assertIn(self.domr, self.libvirt.domains)
        self.reporter.rebuilt.assert_called_once_with(
            'context', fakes.UUID, 'Domain R had ended')

    def test_the_host_shuts_down(self):
        self.libvirt.domains.clear()
        with mock.patch.object(shutdown, 'is_under_way', return_value=True):
            self.assertIs(Condition.UNCLEAR, self.care.rebuild(fakes.UUID))
        self.assertEqual({}, self.libvirt.domains)
        self.reporter.rebuilt.assert_not_called()

    def test_it_was_rebuilt_by_others(self):
        self.assertIs(Condition.WELL, self.care.rebuild(fakes.UUID))
        self.reporter.rebuilt.assert_not_called()

    def test_what_happened_while_it_waited_for_its_turn(self):
        self.libvirt.domains.clear()
        self.care.leave_alone(fakes.UUID)
        self.assertIs(Condition.MOVING, self.care.rebuild(fakes.UUID))
        self.care.watch_again(fakes.UUID)
        self.reconciler.reconcile.return_value = False
        self.assertIs(Condition.UNCLEAR, self.care.rebuild(fakes.UUID))
        self.reconciler.reconcile.return_value = True
        with self.pairs.locked(fakes.UUID):
            conditions = []
            fake_host.in_thread(
                lambda: conditions.append(self.care.rebuild(fakes.UUID)))
        self.assertEqual([Condition.UNCLEAR], conditions)
        self.assertEqual({}, self.libvirt.domains)
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assertIs(Condition.GONE, self.care.rebuild(fakes.UUID))
        self.reporter.rebuilt.assert_not_called()


class TroubleTest(PairCareTestCase):

    def test_users_are_told(self):
        self.care.note_trouble(fakes.UUID, exception.AddressError('failed'))
        self.assertEqual({}, self.pairs.trouble)    # it serves
        self.libvirt.domains.clear()
        self.shadow.service_away = True
        self.care.note_trouble(fakes.UUID, exception.AddressError('failed'))
        self.shadow.service_away = False
        with mock.patch.object(self.pairs, 'is_alive', side_effect=OSError):
            self.care.note_trouble(fakes.UUID, OSError('no libvirt'))
        self.assertEqual({}, self.pairs.trouble)
        self.care.note_trouble(fakes.UUID, exception.AddressError('no port'))
        self.assertEqual(
            {fakes.UUID: 'its console server has no network now'},
            self.pairs.trouble)
        self.assertIs(Condition.WELL, self.care.rebuild(fakes.UUID))
        self.assertEqual({}, self.pairs.trouble)

    def test_not_once_it_is_well(self):
        self.pairs.trouble[fakes.UUID] = 'no port'
        self.care.check(fakes.UUID)
        self.assertEqual({}, self.pairs.trouble)


class EndsAgainTest(PairCareTestCase):

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.useFixture(fixtures.MockPatchObject(
            pair_care.time, 'monotonic', lambda: self.now))
        self.images.current.return_value = 'cd' * 32
        self.log = self.useFixture(fixtures.FakeLogger())

    def _ends(self, seconds):
        """It ends so long after it was built -> the image it has then."""
        self.now += seconds
        self.libvirt.domains.clear()
        self.assertIs(Condition.WELL, self.care.rebuild(fakes.UUID))
        return self.pairs.get(fakes.UUID).digest

    def test_another_image(self):
        self.assertEqual([fakes.DIGEST] * 3,
                         [self._ends(5) for _ in range(3)])
        for seconds in (5, 301, 301):
            self.assertEqual('cd' * 32, self._ends(seconds))
        self.assertEqual(1, self.log.output.count('ends again and again'))

    def test_one_that_was_removed_is_forgotten(self):
        self._ends(5)
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assertIs(Condition.GONE, self.care.check(fakes.UUID))
        self.assertEqual({}, self.care._built)

    def test_not_if_it_lives_for_a_while(self):
        self.assertEqual([fakes.DIGEST] * 8,
                         [self._ends(200) for _ in range(8)])

    def test_there_is_no_other(self):
        self.images.current.side_effect = exception.ImageError('none')
        self.assertEqual([fakes.DIGEST] * 4,
                         [self._ends(5) for _ in range(4)])

    def _is_left_alone(self, seconds):
        self.now += seconds
        self.libvirt.domains.clear()
        self.reporter.reset_mock()
        error = self.assertRaises(
            exception.PairError, self.care.rebuild, fakes.UUID)
        self.assertEqual({}, self.libvirt.domains)
        self.reporter.rebuilt.assert_not_called()
        return str(error)

    def test_it_is_left_alone_for_a_while(self):
        for _ in range(4):
            self._ends(5)
        self.assertIn('ended 4 times', self._is_left_alone(5))
        self._is_left_alone(290)
        # Then it has one attempt at a time, and a new image.
        self.images.current.return_value = 'ef' * 32
        self.assertEqual('ef' * 32, self._ends(10))
        self.assertIn('ended 5 times', self._is_left_alone(5))
        self._ends(300)
        # Until it lives.
        for seconds in (200, 5, 5, 5):
            self._ends(seconds)

    def test_what_cannot_be_built_does_not_end(self):
        self.libvirt.refuse = fake_host.libvirt_error(text='no memory')
        for _ in range(8):
            self.now += 5
            self.libvirt.domains.clear()
            error = self.assertRaises(
                exception.PairError, self.care.rebuild, fakes.UUID)
            self.assertIn('no memory', str(error))
        self.libvirt.refuse = None
        self._ends(5)

    def test_what_its_instance_prints_is_taken_all_the_same(self):
        for _ in range(5):
            self.shadow.kill(fakes.UUID)
            self._ends(5)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
