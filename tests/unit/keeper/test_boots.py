# SPDX-License-Identifier: Apache-2.0
"""What a worker has written before it heard of a boot is for nobody."""

import os

from nova_dmore.keeper import line
from nova_dmore.link import messages
from tests.unit.keeper import line_case

BOOT, TELLS = messages.BOOT, messages.TELLS_BOOTS


class BootsTest(line_case.LineCase):

    def setUp(self):
        super().setUp()
        self.events = []
        self.wrote = 0
        self.runs()
        self.line.has_worker(True)

    def tell(self, message, descriptors=()):
        if message['type'] == messages.ToWorker.EVENT:
            self.events.append(message['event'])
        else:
            super().tell(message, descriptors)

    def types(self, data):
        self.wrote += len(data)
        super().types(data)

    def hears(self):
        """The worker does, and says so."""
        self.line.heard(self.wrote)

    def resets(self):
        self.line.event(messages.RESET, self.loop.time())

    def another(self, status='running', arriving=False):
        """Its QEMU ends, and another one is connected."""
        self.line.status(False, None, False)
        self.line.status(True, status, arriving)

    def test_a_worker_says_that_it_will_answer(self):
        self.hears()
        self.types(b'a')
        self.assertEqual(([TELLS], 1), (self.events, self.unread()))

    def test_nothing_passes_until_it_has_heard(self):
        self.hears()
        for begin in self.resets, self.another:
            begin()
            self.types(b'before')
            self.assertEqual(0, self.unread())
            written = self.line.totals()['written']
            self.hears()
            self.assertEqual(written, self.line.totals()['written'])
            self.types(b'after')
            self.assertEqual(b'after', os.read(self.input, 100))
        self.assertEqual([TELLS, BOOT, BOOT], self.events)

    def test_what_it_writes_before_its_answer_is_heard(self):
        self.line.heard(0)
        self.resets()
        self.types(b'before')
        wrote = self.wrote
        self.types(b'after')
        self.line.heard(wrote)
        self.types(b'')
        self.assertEqual(b'after', os.read(self.input, 100))

    def test_paused_and_reset(self):
        self.hears()
        self.line.event('STOP', self.loop.time())
        self.line.status(True, 'paused', False)
        self.types(b'before')
        self.resets()
        self.runs()
        self.hears()
        self.types(b'after')
        self.assertEqual(b'after', os.read(self.input, 100))

    def test_paused_and_resumed(self):
        """It is none: all of it arrives, as from a socket."""
        self.hears()
        self.line.event('STOP', self.loop.time())
        self.line.status(True, 'paused', False)
        self.types(b'typed')
        self.runs()
        self.types(b'')
        self.assertEqual(b'typed', os.read(self.input, 100))

    def test_many_at_once_are_told_one_by_one(self):
        self.hears()
        for _ in range(5):
            self.resets()
        self.assertEqual([TELLS, BOOT], self.events)
        self.hears()
        self.assertEqual([TELLS, BOOT, BOOT], self.events)
        self.types(b'before')
        self.assertEqual(0, self.unread())
        self.hears()
        self.types(b'after')
        self.assertEqual(([TELLS, BOOT, BOOT], b'after'),
                         (self.events, os.read(self.input, 100)))

    def test_before_it_has_said_that_it_will_answer(self):
        self.resets()
        self.hears()
        self.types(b'before')
        self.assertEqual(0, self.unread())
        self.hears()
        self.types(b'after')
        self.assertEqual(b'after', os.read(self.input, 100))

    def test_one_of_an_earlier_release_is_not_waited_for(self):
        for _ in range(5):
            self.resets()
        self.types(b'a')
        self.assertEqual(([TELLS, BOOT], 1), (self.events, self.unread()))

    def test_no_worker_has_heard(self):
        """The next one is told before it can write."""
        self.hears()
        self.resets()
        self.types(b'before')
        self.line.has_worker(False)
        self.types(b'')
        self.assertEqual(0, self.unread())
        self.resets()
        self.line.has_worker(True)
        self.assertEqual([TELLS, BOOT, BOOT], self.events)
        self.hears()
        self.types(b'after')
        self.assertEqual(b'after', os.read(self.input, 100))
        self.line.has_worker(False)
        self.line.has_worker(True)
        self.assertEqual(TELLS, self.events[-1])

    def test_a_migration_is_no_boot(self):
        self.hears()
        self.another('inmigrate', arriving=True)
        self.line.status(True, 'running', True)
        self.stops()
        self.saves()
        self.resets()
        self.assertIs(line.Gate.HELD, self.line.gate)
        self.line.event(messages.SAVED, self.loop.time())
        self.line.status(False, None, False)
        self.assertEqual([TELLS], self.events)
