# SPDX-License-Identifier: Apache-2.0
"""A serial port whose QEMU and worker are the test."""

import os
import tempfile
import unittest
from unittest import mock

from nova_dmore.keeper import line
from nova_dmore.keeper import pace
from nova_dmore.link import messages
from nova_dmore.posix import fifos
from nova_dmore.posix import pipes
from tests.unit.keeper import poll_loop


class LineCase(unittest.TestCase):

    #: After so many seconds output goes on to pass.
    rest_s = 0.0

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = folder.name
        fifos.make(self.directory, 0o600, None)
        self.loop = poll_loop.PollLoop()
        patch = mock.patch('time.monotonic', self.loop.time)
        patch.start()
        self.addCleanup(patch.stop)
        # Whoever asks for what has come need not let time pass.
        patch = mock.patch.object(pace, 'REST_S', self.rest_s)
        patch.start()
        self.addCleanup(patch.stop)
        self.said = []          # what QEMU has said, and nobody heard
        self.counts = []
        self.moves_to = []      # what tells how much is unread
        self.line = line.Line(self.loop, self.directory, self.hear, self.tell)
        self.input, self.output = fifos.open_both(self.directory)
        self.addCleanup(os.close, self.input)
        self.addCleanup(os.close, self.output)

    def tell(self, message, descriptors=()):
        if message['type'] == messages.ToWorker.COUNT:
            self.counts.append(message)
        else:
            self.moves_to += descriptors

    def hear(self):
        while self.said:
            self.line.event(self.said.pop(0), self.loop.time())

    def types(self, data):
        os.write(self.line.descriptors[0], data)
        for _ in range(5):
            self.loop.turn()

    def received(self):
        """What has come to the worker's pipe."""
        for _ in range(5):
            self.loop.turn()
        try:
            return os.read(self.line.descriptors[1], 1 << 16)
        except BlockingIOError:
            return b''

    def unread(self):
        return pipes.unread(self.input)

    def printed(self):
        return pipes.unread(self.output)

    def runs(self):
        self.line.status(True, 'running', False)

    def stops(self):
        self.line.leaving(True)
        self.line.event('STOP', self.loop.time())
        self.line.status(True, 'paused', False)

    def saves(self, name=messages.SAVING):
        self.line.event(name, self.loop.time())
        self.loop.run(0.01)

    def last(self, *names):
        return tuple(self.counts[-1][name] for name in names)
