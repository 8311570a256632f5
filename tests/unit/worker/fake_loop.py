# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time the test makes pass."""

import functools
import socket


class Timer:

    def __init__(self, at, callback):
        self.at = at
        self.callback = callback

    def cancel(self):
        self.callback = None


class FakeLoop:
    """What devices use of nova_dmore.posix.loop's.

    :ivar now: its time; patch ``time.monotonic`` with ``time``.
    """

    def __init__(self):
        self.now = 1000.0
        self.timers = []
        self.readers = {}
        self.writers = {}

    def time(self):
        return self.now

    def call_later(self, delay, callback, *args):
        timer = Timer(self.now + delay, lambda: callback(*args))
        self.timers.append(timer)
        return timer

    def call_soon(self, callback, *args):
        return self.call_later(0, callback, *args)

    def add_reader(self, sock, callback, *args):
        self.readers[sock] = functools.partial(callback, *args)

    def remove_reader(self, sock):
        self.readers.pop(sock, None)

    def add_writer(self, sock, callback):
        self.writers[sock] = callback

    def remove_writer(self, sock):
        self.writers.pop(sock, None)

    def run(self, seconds=0.0):
        """Let time pass."""
        end = self.now + seconds
        while True:
            self.timers = [each for each in self.timers if each.callback]
            due = min((each for each in self.timers if each.at <= end),
                      key=lambda each: each.at, default=None)
            if due is None:
                self.now = end
                return
            self.timers.remove(due)
            self.now = max(self.now, due.at)
            due.callback()

    def read(self):
        """Call whoever listens, until nothing is left to be received."""
        for sock, callback in list(self.readers.items()):
            while self.readers.get(sock) is callback and sock.fileno() >= 0:
                try:
                    sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
                except BlockingIOError:
                    break
                callback()
