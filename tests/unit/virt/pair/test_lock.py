# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures

from nova_dmore.virt.pair import lock
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class PairLockTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.done = []
        self.lock = lock.PairLock(lambda: self.done.append('free'))

    def _elsewhere(self, function, *arguments):
        """Call it in another thread -> what it returns."""
        returned = []
        thread = threading.Thread(
            target=lambda: returned.append(function(*arguments)))
        thread.start()
        thread.join(5)
        (value,) = returned
        return value

    def _left(self):
        self.assertFalse(self._elsewhere(self.lock.acquire, 0))
        self.done.append('left')

    def test_others_are_excluded(self):
        self.assertTrue(self.lock.acquire())
        self.assertFalse(self._elsewhere(self.lock.acquire, 0))
        self.lock.release()
        self.assertTrue(self._elsewhere(self.lock.acquire, 0))

    def test_free_once_it_was_given_back_as_often_as_it_was_taken(self):
        self.lock.acquire()
        self.lock.acquire()
        self.lock.release()
        self.assertEqual([], self.done)
        self.assertFalse(self._elsewhere(self.lock.acquire, 0))
        self.lock.release()
        self.assertEqual(['free'], self.done)

    def test_one_waits(self):
        self.lock.acquire()
        got = threading.Event()
        thread = threading.Thread(
            target=lambda: self.lock.acquire() and got.set())
        thread.start()
        self.assertFalse(got.wait(0.02))
        self.lock.release()
        fake_host.wait(got)
        thread.join()

    def test_what_is_left_to_the_holder(self):
        self.lock.acquire()
        self.lock.acquire()
        self.assertFalse(self._elsewhere(
            self.lock.acquire_or_leave, self._left))
        self.lock.release()
        self.assertEqual([], self.done)
        self.lock.release()
        # Nobody else came between.
        self.assertEqual(['left', 'free'], self.done)
        self.lock.acquire()
        self.lock.release()
        self.assertEqual(['left', 'free', 'free'], self.done)

    def test_nothing_is_left_if_it_is_free_or_ones_own(self):
        self.assertTrue(self.lock.acquire_or_leave(self._left))
        self.assertTrue(self.lock.acquire_or_leave(self._left))
        self.lock.release()
        self.lock.release()
        self.assertEqual(['free'], self.done)

    def test_what_was_left_fails(self):
        self.lock.acquire()
        self._elsewhere(self.lock.acquire_or_leave, lambda: 1 // 0)
        self.lock.release()
        self.assertIn('ZeroDivisionError', self.log.output)
        self.assertEqual(['free'], self.done)
        self.assertTrue(self._elsewhere(self.lock.acquire, 0))

    def test_nothing_that_is_left_is_forgotten(self):
        count = 200
        done = []

        def take(number):
            for each in range(count):
                mark = number, each
                if self.lock.acquire_or_leave(lambda: done.append(None)):
                    done.append(mark)
                    self.lock.release()
            return True

        threads = [threading.Thread(target=take, args=[number])
                   for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        # What one leaves is done before any later one gets the lock, so
        # nothing is pending now.
        before = len(done)
        self.lock.acquire()
        self.lock.release()
        self.assertEqual(before, len(done))
        self.assertGreaterEqual(before, count)

    def test_held(self):
        with self.lock.held() as locked:
            self.assertTrue(locked)
            self.assertFalse(self._elsewhere(self.lock.acquire, 0))
        self.assertEqual(['free'], self.done)

    def test_not_held(self):
        def hold():
            with self.lock.held(wait_s=0) as locked:
                return locked

        self.lock.acquire()
        self.assertFalse(self._elsewhere(hold))
        self.assertEqual([], self.done)


class PairLocksTest(fakes.TestCase):

    def test_one_for_each_pair(self):
        free = []
        locks = lock.PairLocks(free.append)
        first = locks.of('1')
        self.assertIs(first, locks.of('1'))
        with locks.of('1').held(), locks.of('2').held():
            self.assertEqual([], free)
        self.assertEqual(['2', '1'], free)

    def test_none_of_a_pair_that_nobody_changes_is_kept(self):
        locks = lock.PairLocks(lambda instance_uuid: None)
        with locks.of('1').held():
            pass
        with locks.of('2').held():
            self.assertEqual(['2'], list(locks._locks))
            with locks.of('2').held():
                self.assertEqual(['2'], list(locks._locks))
            # It is the one that others would wait for.
            acquired = []
            fake_host.in_thread(lambda: acquired.append(
                locks.of('2').acquire(wait_s=0)))
            self.assertEqual([False], acquired)
        self.assertEqual([], list(locks._locks))
