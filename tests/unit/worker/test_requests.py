# SPDX-License-Identifier: Apache-2.0
"""Requests: what is answered when, and on a connection that is in trouble."""

import json
import socket
import time
from unittest import mock

from oslotest import base

from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker import requests


class ConnectionTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.loop = loop_module.Loop()
        self.waiters = requests.Waiters(self.loop)
        self.handle = mock.Mock(return_value={'is': 'so'})
        ours, self.peer = socket.socketpair()
        self.ours = ours
        self.addCleanup(ours.close)
        self.addCleanup(self.peer.close)
        self.peer.setblocking(False)
        requests.Connection(self.loop, self.waiters, ours, self.handle)

    def _ask(self, *numbers):
        self.peer.send(b''.join(
            json.dumps({'id': each, 'method': 'status'}).encode() + b'\n'
            for each in numbers))
        self.loop.turn(0)

    def _answers(self):
        try:
            return [json.loads(each)
                    for each in self.peer.recv(1 << 20).splitlines()]
        except BlockingIOError:
            return []

    def _later(self, seconds=60.0):
        self.now = []
        self.handle.return_value = requests.Later(
            lambda: self.now, time.monotonic() + seconds,
            lambda: {'now': bool(self.now)})

    def test_each_has_its_answer(self):
        self._ask(1, 2)
        self.assertEqual([{'id': 1, 'result': {'is': 'so'}},
                          {'id': 2, 'result': {'is': 'so'}}],
                         self._answers())
        self.handle.assert_called_with(wire.Request.STATUS, {})

    def test_refused(self):
        self.handle.side_effect = requests.Refused('not now')
        self._ask(1)
        self.assertEqual([{'id': 1, 'error': 'not now'}], self._answers())

    def test_what_is_no_request(self):
        self.peer.send(b'{"id": 1, "method": "none"}\n[]\n')
        self.loop.turn(0)
        for answer in self._answers():
            self.assertIn('bad request', answer['error'])
        self.handle.assert_not_called()

    def test_in_two_pieces(self):
        self.peer.send(b'{"id": 1, "me')
        self.loop.turn(0)
        self.peer.send(b'thod": "status"}\n')
        self.loop.turn(0)
        self.assertEqual(1, len(self._answers()))

    def test_an_answer_that_comes_when_something_is_so(self):
        self._later()
        self._ask(1)
        self.waiters.wake()
        self.loop.turn(0)
        self.assertEqual([], self._answers())
        self.handle.return_value = {}
        self._ask(2)        # it keeps nobody waiting
        self.assertEqual([2], [each['id'] for each in self._answers()])
        self.now.append(True)
        self.waiters.wake()
        # Only when all that changes with it has changed.
        self.assertEqual([], self._answers())
        self.loop.turn(0)
        self.assertEqual([{'id': 1, 'result': {'now': True}}],
                         self._answers())

    def test_an_answer_at_the_latest(self):
        self._later(0.01)
        self._ask(1)
        self.loop.turn(1)
        self.assertEqual([{'id': 1, 'result': {'now': False}}],
                         self._answers())

    def test_who_has_gone_is_not_waited_for(self):
        self._later(0.01)
        self._ask(1)
        self.peer.close()
        self.loop.turn(0)
        self.assertEqual(-1, self.ours.fileno())
        self.now.append(True)
        self.waiters.wake()
        self.loop.turn(0.02)

    def test_who_takes_no_answers_asks_no_more(self):
        self.handle.return_value = {'much': 'x' * (1 << 20)}
        self._ask(1, 2)
        self.handle.return_value = {}
        self._ask(3)
        self.assertEqual(2, self.handle.call_count)
        taken = b''
        while taken.count(b'\n') < 3:
            self.loop.turn(0)
            try:
                taken += self.peer.recv(1 << 20)
            except BlockingIOError:
                pass
        self.assertEqual([1, 2, 3], [json.loads(each)['id']
                                     for each in taken.splitlines()])

    def test_a_line_that_is_too_long(self):
        self.peer.setblocking(True)
        self.peer.settimeout(10)
        try:
            for _ in range(wire.REQUEST_LINE_MAX // (1 << 14) + 1):
                self.peer.send(b'x' * (1 << 14))
                self.loop.turn(0)
        except BrokenPipeError:
            pass
        self.assertEqual(-1, self.ours.fileno())

    def test_what_was_not_expected_leaves_the_loop(self):
        self.handle.side_effect = KeyError
        self.assertRaises(KeyError, self._ask, 1)
