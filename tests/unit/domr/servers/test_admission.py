# SPDX-License-Identifier: Apache-2.0
"""Limits for those who have not logged in, with a clock that is a number."""

import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies

from nova_dmore.domr.servers import admission
from tests import examples

_POLICY = admission.Policy(free=0, first_s=1.0, most_s=600.0)
_FEW = admission.Policy(free=2, first_s=1.0, most_s=8.0, total=6,
                        total_every_s=2.0)


class SourceTest(unittest.TestCase):

    def test_one_ipv4_address_is_one_source(self) -> None:
        self.assertEqual('192.0.2.1', admission.source_of('192.0.2.1'))
        self.assertEqual('192.0.2.1', admission.source_of('::ffff:192.0.2.1'))
        self.assertNotEqual(admission.source_of('192.0.2.1'),
                            admission.source_of('192.0.2.2'))

    def test_one_ipv6_network_is_one_source(self) -> None:
        self.assertEqual('2001:db8:0:1::/64',
                         admission.source_of('2001:db8:0:1:ffff::1'))
        self.assertEqual(admission.source_of('2001:db8::1'),
                         admission.source_of('2001:db8::ffff:ffff:ffff:ffff'))
        self.assertNotEqual(admission.source_of('2001:db8:0:1::1'),
                            admission.source_of('2001:db8:0:2::1'))
        self.assertEqual('fe80::/64', admission.source_of('fe80::1%eth0'))

    def test_what_is_no_address(self) -> None:
        with self.assertRaises(ValueError):
            admission.source_of('host')


class AttemptsTest(unittest.TestCase):

    def setUp(self) -> None:
        self.now = 1000.0

    def _attempts(self, policy: admission.Policy) -> admission.Attempts:
        return admission.Attempts(policy, lambda: self.now)

    def test_delay_doubles_up_to_the_longest(self) -> None:
        attempts = self._attempts(_POLICY)
        waits = []
        for _ in range(12):
            attempts.failed('a')
            waits.append(attempts.wait_s('a'))
            self.now += waits[-1]
            self.assertEqual(0, attempts.wait_s('a'))
        self.assertEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512], waits[:10])
        self.assertLessEqual(max(waits), 600)
        self.assertGreaterEqual(min(waits[9:]), 256)

    def test_some_are_free(self) -> None:
        attempts = self._attempts(_FEW)
        for wait in (0, 0, 1, 2, 4, 8, 8):
            attempts.failed('a')
            self.assertEqual(wait, attempts.wait_s('a'))

    def test_is_forgotten_one_at_a_time(self) -> None:
        attempts = self._attempts(_POLICY)
        for _ in range(4):
            attempts.failed('a')
        self.now += 600
        self.assertEqual(0, attempts.wait_s('a'))
        attempts.failed('a')
        self.assertEqual(8, attempts.wait_s('a'))
        self.now += 10000
        attempts.failed('a')
        self.assertEqual(1, attempts.wait_s('a'))

    def test_only_who_failed_waits(self) -> None:
        attempts = self._attempts(_POLICY)
        attempts.of('a').failed()
        self.assertEqual(0, attempts.of('b').wait_s())
        self.assertEqual(1, attempts.of('a').wait_s())

    def test_success_does_not_undo_failures(self) -> None:
        """Who is view-only could try the other password in between."""
        attempts = self._attempts(_POLICY)
        for _ in range(3):
            attempts.failed('a')
            attempts.succeeded('a')
        self.assertEqual(4, attempts.wait_s('a'))

    def test_all_together_wait_but_who_is_known(self) -> None:
        attempts = self._attempts(_FEW)
        attempts.succeeded('known')
        for number in range(6):
            self.assertEqual(0, attempts.wait_s(f'{number}'))
            attempts.failed(f'{number}')
        self.assertEqual(2, attempts.wait_s('new'))
        self.assertEqual(0, attempts.wait_s('known'))
        self.now += 2
        self.assertEqual(0, attempts.wait_s('new'))
        attempts.failed('new')
        self.assertEqual(2, attempts.wait_s('newer'))

    def test_known_may_be_spared(self) -> None:
        policy = admission.Policy(free=0, first_s=1, most_s=8,
                                  spares_known=True)
        attempts = self._attempts(policy)
        attempts.succeeded('a')
        attempts.failed('a')
        attempts.failed('b')
        self.assertEqual((0, 1), (attempts.wait_s('a'), attempts.wait_s('b')))

    def test_many_sources_make_nobody_forgotten(self) -> None:
        attempts = self._attempts(_POLICY)
        for _ in range(10):
            attempts.failed('a')
        for number in range(3 * admission.SOURCES_MAX):
            attempts.failed(f'{number}')
            attempts.succeeded(f'{number}')
        self.assertEqual(512, attempts.wait_s('a'))
        self.assertEqual(admission.SOURCES_MAX, len(attempts))
        self.assertLessEqual(len(attempts._known), admission.KNOWN_MAX)
        self.now += 601     # those with one failure make room
        attempts.failed('new')
        self.assertEqual(1, attempts.wait_s('new'))
        self.assertEqual(admission.SOURCES_MAX, len(attempts))

    def test_least_recently_used_makes_room(self) -> None:
        attempts = self._attempts(_POLICY)
        with mock.patch.object(admission, 'SOURCES_MAX', 2):
            attempts.failed('a')
            attempts.failed('b')
            self.now += 601
            attempts.wait_s('a')
            attempts.failed('c')
        self.assertEqual(['a', 'c'], list(attempts._sources))


_STEPS = strategies.lists(strategies.tuples(
    strategies.integers(0, 7), strategies.sampled_from(
        (0.0, 0.1, 1.0, 2.0, 3.5, 8.0, 20.0)), strategies.booleans()),
    max_size=150)


class AttemptsPropertyTest(unittest.TestCase):
    """Attackers with more addresses than are remembered."""

    def setUp(self) -> None:
        patch = mock.patch.object(admission, 'SOURCES_MAX', 4)
        patch.start()
        self.addCleanup(patch.stop)

    @hypothesis.given(_STEPS)
    @examples.settings()
    def test_no_more_than_the_policy_says(self, steps) -> None:
        now = 0.0
        attempts = admission.Attempts(_FEW, lambda: now)
        tries: list[float] = []
        for source, pause, _ in steps:
            now += pause
            if not attempts.wait_s(f'{source}'):
                attempts.failed(f'{source}')
                tries.append(now)
            self.assertLessEqual(len(attempts), 4)
        assert _FEW.total is not None
        for first in range(len(tries)):
            count, span = len(tries) - first, now - tries[first]
            self.assertLessEqual(
                count, _FEW.total + 1 + span / _FEW.total_every_s)

    @hypothesis.given(_STEPS)
    @examples.settings()
    def test_no_more_from_one_that_is_remembered(self, steps) -> None:
        now = 0.0
        policy = admission.Policy(2, 1.0, 8.0)
        attempts = admission.Attempts(policy, lambda: now)
        tries: dict[str, int] = {}
        for source, pause, _ in steps:
            now += pause
            name = f'{source % 4}'
            if not attempts.wait_s(name):
                attempts.failed(name)
                tries[name] = tries.get(name, 0) + 1
        for count in tries.values():
            self.assertLessEqual(count, policy.worst + 1 + now / 8)

    @hypothesis.given(_STEPS)
    @examples.settings()
    def test_nothing_that_others_do_shortens_a_wait(self, steps) -> None:
        now = 0.0
        attempts = admission.Attempts(_FEW, lambda: now)
        for source, pause, succeeds in steps:
            now += pause
            others = [f'{each}' for each in range(8) if each != source]
            before = [attempts.wait_s(each) for each in others]
            (attempts.succeeded if succeeds else attempts.failed)(f'{source}')
            for each, wait in zip(others, before):
                self.assertGreaterEqual(attempts.wait_s(each), wait)


class PendingTest(unittest.TestCase):

    def test_flood_ends_its_own(self) -> None:
        pending: admission.Pending[str] = admission.Pending(4)
        self.assertIsNone(pending.add('a', 'a1'))
        for number in range(3):
            self.assertIsNone(pending.add('b', f'b{number}'))
        for number in range(3, 20):
            self.assertEqual(f'b{number - 3}', pending.add('b', f'b{number}'))
        self.assertEqual('b17', pending.add('c', 'c1'))
        self.assertEqual(['a1', 'b18', 'b19', 'c1'], list(pending))

    def test_oldest_if_none_has_more(self) -> None:
        pending: admission.Pending[str] = admission.Pending(2)
        for name in ('a', 'b'):
            pending.add(name, name)
        self.assertEqual('a', pending.add('c', 'c'))

    def test_removed(self) -> None:
        pending: admission.Pending[str] = admission.Pending(1)
        pending.add('a', 'a')
        self.assertTrue(pending.remove('a'))
        self.assertFalse(pending.remove('a'))
        self.assertIsNone(pending.add('b', 'b'))
        self.assertEqual(1, len(pending))

    @hypothesis.given(strategies.lists(strategies.integers(0, 5)))
    @examples.settings()
    def test_who_has_fewer_than_others_loses_none(self, sources) -> None:
        pending: admission.Pending[tuple[int, int]] = admission.Pending(6)
        for number, source in enumerate(sources):
            before = [each for each, _ in pending]
            dropped = pending.add(f'{source}', (source, number))
            self.assertLessEqual(len(pending), 6)
            if dropped is not None:
                before.append(source)
                self.assertEqual(max(map(before.count, before)),
                                 before.count(dropped[0]))
