# SPDX-License-Identifier: Apache-2.0
"""The event loop of the processes on the host."""

import ast
import os
import signal
import socket
import time
import tracemalloc

from oslotest import base

from nova_dmore.posix import loop
from tests.unit.posix import in_child


class LoopTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.loop = loop.Loop()
        self.called = []
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def test_readers_and_writers(self):
        self.loop.add_reader(self.ours, self.called.append, 'read')
        self.theirs.send(b'x')
        self.loop.turn()
        self.assertEqual(['read'], self.called)
        self.loop.add_writer(self.ours.fileno(), self.called.append, 'write')
        self.loop.turn()
        self.assertEqual(['read', 'read', 'write'], self.called)
        self.loop.remove_reader(self.ours)
        self.loop.turn()
        self.assertEqual('write', self.called[-1])
        self.loop.remove_writer(self.ours)
        self.loop.remove_writer(self.ours)
        self.loop.call_later(0, self.called.append, 'later')
        self.loop.turn()
        self.assertEqual(
            ['read', 'read', 'write', 'write', 'later'], self.called)

    def test_another_reader(self):
        for name in ('first', 'second'):
            self.loop.add_reader(self.ours, self.called.append, name)
        self.theirs.send(b'x')
        self.loop.turn()
        self.assertEqual(['second'], self.called)

    def test_removed_by_an_earlier_call(self):
        """Even if another one has the descriptor by then."""
        others = socket.socketpair()
        self.addCleanup(others[0].close)
        self.addCleanup(others[1].close)

        def remove(this, other):
            self.called.append('one')
            self.loop.remove_reader(other)
            self.loop.add_reader(other, self.called.append, 'new')
        for this, other in ((self.ours, others[0]), (others[0], self.ours)):
            self.loop.add_reader(this, remove, this, other)
        self.theirs.send(b'x')
        others[1].send(b'x')
        self.loop.turn()
        self.assertEqual(['one'], self.called)

    def test_timers(self):
        began = time.monotonic()
        for delay in (0.03, 0.01, 0.02):
            self.loop.call_later(delay, self.called.append, delay)
        self.loop.call_later(0.015, self.called.append, 'none').cancel()
        while len(self.called) < 3:
            self.loop.turn()
        self.assertEqual([0.01, 0.02, 0.03], self.called)
        self.assertGreaterEqual(time.monotonic() - began, 0.03)

    def test_what_was_cancelled_takes_no_memory(self):
        kept = [self.loop.call_later(1e6, self.called.append, number)
                for number in range(100)]
        self.loop.call_later(0, self.called.append, 'due')
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before, _ = tracemalloc.get_traced_memory()
        for _each in range(20000):
            self.loop.call_later(1e6, self.fail).cancel()
        after, _ = tracemalloc.get_traced_memory()
        self.assertLess(after - before, 1 << 17)
        self.loop.turn()
        self.assertEqual(['due'], self.called)
        self.assertFalse(any(each.is_cancelled for each in kept))

    def test_soon_is_after_what_is_called_now(self):
        def first():
            self.loop.call_soon(self.called.append, 'soon')
            self.called.append('now')
        self.loop.call_later(0, first)
        self.loop.turn()
        self.assertEqual(['now'], self.called)
        self.loop.turn()
        self.assertEqual(['now', 'soon'], self.called)

    def test_an_exception_leaves_it(self):
        self.loop.call_later(0, {}.__getitem__, 'x')
        self.assertRaises(KeyError, self.loop.turn)

    def test_signals(self):
        def run():
            this, called = loop.Loop(), []
            for number in (signal.SIGTERM, signal.SIGHUP):
                this.add_signal_handler(
                    number, lambda number=number: called.append(int(number)))
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            this.turn()
            return sorted(called)
        self.assertEqual([signal.SIGHUP, signal.SIGTERM],
                         ast.literal_eval(in_child.outcome(run)))
