# SPDX-License-Identifier: Apache-2.0
"""How fast the input's shadow device hands events to QEMU."""

from nova_dmore.channel import input_event
from nova_dmore.worker.devices.keyboard import pacing
from tests.unit.worker.devices.keyboard import input_case

Key = input_event.Key
Pointer = input_event.Pointer


class PacingTest(input_case.InputCase):

    def times(self, count):
        """When each of so many events that wait is sent, in seconds."""
        begun = self.loop.now
        self.sends(*(Key(n % 250 + 1, True) for n in range(count)))
        times = []
        for _ in range(count):
            while self.commands.last['answer'] is not None:
                self.loop.run(0.0005)
            times.append(self.loop.now - begun)
            self.commands.answer()
        return times

    def recover(self):
        self.loop.run(pacing.RECOVERY_S + 0.1)

    def test_two_events_every_5_ms_are_not_delayed(self):
        self.recover()
        for n in range(100):
            self.sends(Key(30, True), Key(30, False))
            self.commands.answer()
            self.commands.answer()
            self.assertEqual(16 * (n + 1), self.device.taken)
            self.loop.run(0.005)

    def test_somebody_who_types_after_an_arrival_is_not_delayed(self):
        for n in range(30):
            self.sends(Key(30, True), Key(30, False))
            self.commands.answer()
            self.commands.answer()
            self.assertEqual(16 * (n + 1), self.device.taken)
            self.loop.run(0.03)

    def most_within(self, times, seconds):
        return max(sum(start <= each < start + seconds for each in times)
                   for start in times)

    def test_backlog(self):
        for recovered in (True, False):
            self.begin()
            if recovered:
                self.recover()
            times = self.times(400)
            # A guest that reads nothing for so long loses nothing: events
            # have one or two bytes, and half of them is a key's release.
            self.assertLessEqual(self.most_within(times, 0.09), 16)
            self.assertLess(times[-1], 400 * pacing.BACKLOG_S + 0.1)

    def test_backlog_with_a_qemu_that_answers_late(self):
        # So late that one after the other would take 17 ms an event.
        self.commands.keyboard = None
        begun = self.loop.now
        self.sends(*(Key(n % 250 + 1, True) for n in range(200)))
        while self.device.taken < 200 * 8:
            self.loop.run(0.006)
            if self.commands.asked:
                self.commands.tell(input_case.HAS_ROOM)
            elif self.commands.last['answer'] is None:
                self.commands.answer()
        self.assertLess(self.loop.now - begun, 200 * pacing.BACKLOG_S + 0.1)

    def test_after_a_rollback(self):
        self.recover()
        self.machine.input_flows = False
        self.device.thaw()
        self.machine.input_flows = True
        self.pump()
        times = self.times(pacing.BACKLOG_EVENTS)
        self.assertGreater(times[-1], (pacing.BACKLOG_EVENTS
                                       - pacing.BURST - 1)
                           * pacing.BACKLOG_S)

    def test_moves_are_not_delayed(self):
        self.recover()
        for n in range(50):
            self.sends(Pointer(0, n, n))
            self.assertEqual(n + 1, len(self.commands.sent))
            self.commands.answer()
