# SPDX-License-Identifier: Apache-2.0
"""Sessions as the worker knows them, alone and with real processes."""

import os
import select
import signal
import time
from unittest import mock

from oslotest import base

from nova_dmore import exception
from nova_dmore import wire
from nova_dmore.worker import sessions
from tests.unit.worker import fakes

wait_for = fakes.wait_for


def _told(number, age_s=1.0, **changes):
    return {'number': number, 'age_s': age_s, 'address': '192.0.2.1',
            'port': 40000 + number, 'who': None, 'view_only': False,
            **changes}


def _began(number, server='ssh', **changes):
    return {'type': wire.SESSION_BEGAN, 'server': server,
            'session': _told(number, **changes)}


def _ended(number, server='ssh'):
    return {'type': wire.SESSION_ENDED, 'server': server, 'number': number}


def _all(*numbers, server='ssh'):
    return {'type': wire.SESSIONS, 'server': server,
            'sessions': [_told(number) for number in numbers]}


class SessionLogTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.log = sessions.SessionLog()

    def _numbers(self):
        return sorted(each['number'] for each in self.log.sessions())

    def _events(self):
        return [(each['event'], each['session']['number'])
                for each in self.log.events()]

    def test_begin_and_end(self):
        self.assertTrue(self.log.take(_began(1, age_s=5)))
        (known,) = self.log.sessions()
        self.assertAlmostEqual(time.time() - 5, known['since'], delta=2)
        self.assertTrue(self.log.take(_ended(1)))
        self.assertEqual([('began', 1), ('ended', 1)], self._events())
        self.assertEqual([], self.log.sessions())

    def test_a_message_that_is_read_again_says_nothing_new(self):
        self.log.take(_began(1))
        self.assertFalse(self.log.take(_began(1)))
        self.assertTrue(self.log.take(_ended(1)))
        self.assertFalse(self.log.take(_ended(1)))
        self.assertEqual(2, len(self._events()))

    def test_who_arrives_has_not_begun(self):
        self.assertTrue(self.log.take(_all(1, 2)))
        self.assertEqual(([1, 2], []), (self._numbers(), self._events()))
        before = self.log.sessions()
        self.assertFalse(self.log.take(_all(1, 2)))
        self.assertEqual(before, self.log.sessions())   # since when, too

    def test_an_end_that_was_not_heard(self):
        self.log.take(_all(1, 2))
        self.log.take(_all(9, server='vnc'))
        self.log.take(_all(2, 3))
        self.assertEqual([2, 3, 9], self._numbers())
        self.assertEqual([('ended', 1)], self._events())

    def test_a_domain_r_that_is_lost(self):
        self.log.take(_all(1))
        self.log.lost()
        self.assertEqual(([], [('ended', 1)]),
                         (self._numbers(), self._events()))

    def test_a_successor(self):
        self.log.take(_began(1))
        self.log = sessions.SessionLog(self.log.to_notes())
        self.log.take(_began(2))
        self.assertEqual([1, 2], self._numbers())
        first, second = self.log.events()
        self.log.forget([first['number'], 99])
        self.assertEqual([second], self.log.events())
        self.assertLess(first['number'], second['number'])

    def test_nonsense_changes_nothing(self):
        self.log.take(_all(1))
        for message in (
                {'type': wire.SESSIONS}, {**_began(2), 'server': ['ssh']},
                {**_began(2), 'session': None}, {**_began(2), 'server': 'x'},
                _began(2, address='a host'), _ended([]), _ended('1'),
                _ended(True), {**_ended(1), 'server': None}):
            self.assertFalse(self.log.take(message), message)

    def test_how_many_there_can_be(self):
        for number in range(100):
            self.log.take(_began(number))
            self.log.take(_all(*range(1000 + number, 1200), server='vnc'))
        self.assertEqual(2 * wire.SESSIONS_MAX, len(self.log.sessions()))

    def test_how_much_is_told(self):
        now = [1000.0]
        with mock.patch.object(sessions.time, 'monotonic', lambda: now[0]):
            for number in range(sessions.EVENTS_PER_MINUTE):
                self.log.take(_began(number))
                self.log.take(_ended(number))
            self.assertEqual(sessions.EVENTS_PER_MINUTE,
                             len(self.log.events()))
            self.assertEqual(sessions.EVENTS_PER_MINUTE, self.log.untold)
            for _ in range(9):
                now[0] += 61
                for number in range(sessions.EVENTS_PER_MINUTE):
                    self.log.take(_began(number))
                    self.log.take(_ended(number))
        self.assertEqual(wire.SESSION_EVENTS_MAX, len(self.log.events()))
        self.assertEqual(
            20 * sessions.EVENTS_PER_MINUTE - wire.SESSION_EVENTS_MAX,
            self.log.untold)


class WorkerTest(base.BaseTestCase):
    """With real processes, and a Domain R that a test plays."""

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)
        self.client = self.pair.client
        self.instance, self.domain_r = (
            self.pair.instance(), self.pair.domain_r())
        self.pair.live()

    def _numbers(self):
        return [each.number for each in self.client.status().sessions]

    def test_status_and_events(self):
        self.domain_r.says(_began(1, who='SHA256:x\n'))
        wait_for(self._numbers)
        (session,) = self.client.status().sessions
        self.assertEqual(('ssh', '192.0.2.1', 40001, r'SHA256:x\n', False), (
            session.server, session.address, session.port, session.who,
            session.view_only))
        (event,) = self.client.status().session_events
        self.assertEqual(('began', session), (event.event, event.session))
        self.client.forget_session_events([event.number])
        self.assertEqual((), self.client.status().session_events)

    def test_a_successor_knows_them(self):
        self.domain_r.says(_began(1))
        wait_for(self._numbers)
        before = self.client.status()
        os.kill(before.worker_pid, signal.SIGKILL)
        wait_for(lambda: self.client.status().worker_pid
                 != before.worker_pid)
        after = self.client.status()
        self.assertEqual((before.sessions, before.session_events),
                         (after.sessions, after.session_events))

    def test_the_end_of_domain_r(self):
        self.domain_r.says(_began(1))
        wait_for(self._numbers)
        self.domain_r.close()
        wait_for(lambda: not self._numbers())
        self.assertEqual(['began', 'ended'], [
            each.event for each in self.client.status().session_events])

    def test_who_waits_is_told(self):
        self.client.status()    # it is one that tells
        request = self.client.wait_for_gaps()
        self.addCleanup(request.close)
        gaps_alone = self.client._connect(time.monotonic() + 5)
        self.addCleanup(gaps_alone.close)
        gaps_alone.send(b'{"id": 1, "method": "gaps", '
                        b'"params": {"timeout_ms": 60000}}\n')
        self.domain_r.says(_began(1))
        wait_for(lambda: select.select([request], [], [], 0)[0])
        self.assertFalse(request.is_refused())
        # nova-compute of the release before, which would ask at once again.
        self.assertEqual([], select.select(
            [gaps_alone], [], [], 0.1)[0])

    def test_one_is_to_end(self):
        self.client.end_session(7)
        wait_for(lambda: self.domain_r.messages(wire.END_SESSION))
        self.assertEqual([{'type': wire.END_SESSION, 'number': 7}],
                         self.domain_r.messages(wire.END_SESSION))
        self.domain_r.close()
        wait_for(lambda: not self.client.status().domain_r.attached)
        self.assertRaises(exception.ShadowAnswerError,
                          self.client.end_session, 7)
