# SPDX-License-Identifier: Apache-2.0
"""Keys wait until the guest has read those before them."""

import collections

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import input_event
from nova_dmore.link import messages
from nova_dmore.worker.devices.keyboard import pacing
from nova_dmore.worker.devices.keyboard import room
from tests import examples
from tests.unit.worker.devices.keyboard import input_case

Key = input_event.Key
Pointer = input_event.Pointer
REFUSED = {'error': 'human-monitor-command is not allowed',
           'failure': messages.Failure.REFUSED}


def some(count):
    return [Key(n // 2 % 40 + 2, not n % 2) for n in range(count)]


class RoomTest(input_case.InputCase):

    def serve(self, seconds):
        """QEMU takes what comes meanwhile."""
        until = self.loop.now + seconds
        while self.loop.now < until:
            if self.commands.last and self.commands.last['answer'] is None:
                self.commands.answer()
            self.loop.run(0.005)

    def reads_nothing_for_a_while(self, events, sent):
        self.sends(*events[:2])
        self.serve(0.1)
        self.commands.keyboard = input_case.HAS_NONE
        self.sends(*events[2:])
        self.serve(5)
        self.assertEqual(sent, len(self.commands.sent))
        self.assertEqual(8 * sent, self.device.taken)
        self.commands.keyboard = input_case.HAS_ROOM
        self.serve(4)
        self.assertEqual([(each.number, each.down) for each in events],
                         self.commands.keys())

    def test_guest_that_reads_nothing_for_a_while(self):
        self.serve(pacing.RECOVERY_S)
        # Not one too much for 13 bytes, wherever they come from.
        self.reads_nothing_for_a_while(some(16), 4)

    def test_the_same_with_a_backlog(self):
        self.reads_nothing_for_a_while(some(100), 2)

    def test_the_longest_sequences(self):
        for number in (0x54, 0xb7, 0xc6):
            self.begin()
            self.serve(pacing.RECOVERY_S)
            self.sends(*some(2))
            self.serve(0.1)
            self.commands.keyboard = input_case.HAS_NONE
            # Six bytes of two keys are there, and eight are too much.
            self.sends(Key(number, True))
            self.serve(1)
            self.assertEqual(2, len(self.commands.sent))

    def test_guest_that_does_not_listen(self):
        self.commands.keyboard = input_case.HAS_NONE
        self.sends(*some(100))
        self.serve(room.PATIENCE_S - 0.1)
        self.assertEqual(0, len(self.commands.sent))
        self.serve(0.5 + 100 * pacing.BACKLOG_S)
        self.assertEqual(100, len(self.commands.sent))
        # Nor when it was stopped for a while.
        self.machine.input_flows = False
        self.pump()
        self.machine.input_flows = True
        self.sends(*some(2))
        self.serve(0.1)
        self.assertEqual(102, len(self.commands.sent))
        # Once it reads it is waited for again.
        self.commands.keyboard = input_case.HAS_ROOM
        self.sends(*some(20))
        self.serve(1)
        self.commands.keyboard = input_case.HAS_NONE
        self.sends(*some(20))
        self.serve(1)
        self.assertLessEqual(len(self.commands.sent), 126)

    def test_qemu_that_does_not_answer_for_long(self):
        """The guest stands still as long."""
        self.commands.keyboard = None
        self.sends(*some(2))
        for _ in range(3):
            self.loop.run(room.PATIENCE_S)
            self.commands.tell(input_case.HAS_NONE)
            self.loop.run(0.05)
        self.assertEqual([], self.commands.sent)

    def test_another_key_that_waits_later(self):
        self.commands.keyboard = input_case.HAS_NONE
        self.sends(*some(2))
        self.serve(room.PATIENCE_S - 1)
        self.machine.input_flows = False
        self.serve(2)
        self.machine.input_flows = True
        self.pump()
        self.serve(2)
        self.assertEqual([], self.commands.sent)

    def test_nobody_can_tell(self):
        for reply in (REFUSED, {'result': None}, {'result': 'nonsense'},
                      {'result': 'portb[0x0064] = 0xff\\r\\n'}):
            self.begin()
            self.commands.keyboard = reply
            self.sends(*some(10))
            self.serve(1)
            self.assertEqual(10, len(self.commands.sent))
            self.assertEqual([], self.commands.asked)

    def test_qemu_goes_away(self):
        for failure in (messages.Failure.LOST, messages.Failure.NOT_SENT):
            self.begin()
            self.commands.keyboard = {'error': 'away', 'failure': failure}
            self.sends(*some(2))
            self.serve(0.1)
            self.assertEqual([], self.commands.sent)
            self.commands.keyboard = input_case.HAS_ROOM
            self.serve(0.1)
            self.assertEqual(2, len(self.commands.sent))

    def test_one_question_at_a_time(self):
        self.commands.keyboard = None
        self.sends(*some(2))
        self.pump()
        self.serve(1)
        self.assertEqual(1, len(self.commands.asked))
        self.assertEqual([], self.commands.sent)
        self.commands.tell(input_case.HAS_ROOM)
        self.serve(0.1)
        self.assertEqual(1, len(self.commands.sent))
        self.assertEqual(1, len(self.commands.asked))

    def test_the_instance_stops_before_the_answer(self):
        self.commands.keyboard = None
        self.sends(*some(2))
        self.machine.input_flows = False
        self.commands.tell(input_case.HAS_ROOM)
        self.serve(0.1)
        self.assertEqual([], self.commands.sent)
        # Where it goes on may be another QEMU.
        self.machine.input_flows = True
        self.pump()
        self.assertEqual(1, len(self.commands.asked))

    def questions(self, events, seconds):
        """How often it is asked when these come one by one."""
        asked = []
        execute = self.commands.execute

        def count(command, arguments, replied, note=None):
            asked.append(note is None)
            execute(command, arguments, replied, note)
        self.commands.execute = count
        for event in events:
            self.sends(event)
            self.serve(seconds)
        self.commands.execute = execute
        return sum(asked)

    def test_how_often_it_is_asked(self):
        # After a stop each key waits for the one before it.
        self.assertEqual(10, self.questions(some(10), 0.02))
        self.serve(pacing.RECOVERY_S)
        self.assertEqual(12, self.questions(some(50), 0.02))

    def test_what_is_lifted_waits(self):
        arrows = [Key(0x80 + number, True) for number in (0x48, 0x4b, 0x50)]
        self.sends(*arrows)
        self.serve(0.1)
        self.commands.keyboard = input_case.HAS_NONE
        self.device.domain_r_lost()
        self.serve(1)
        self.assertEqual(3, len(self.commands.sent))
        self.commands.keyboard = input_case.HAS_ROOM
        self.serve(0.2)
        self.assertEqual(6, len(self.commands.sent))

    def test_pointer_does_not_wait(self):
        self.commands.keyboard = input_case.HAS_NONE
        self.sends(Pointer(1, 2, 3))
        self.assertEqual(1, len(self.commands.sent))

    @hypothesis.settings(examples.settings(60))
    @hypothesis.given(strategies.lists(strategies.tuples(
        strategies.sampled_from((0x1e, 0x9d, 0x54, 0xb7, 0xc6)),
        strategies.booleans(), strategies.floats(0, 0.5)), max_size=60))
    def test_any_guest(self, typed):
        """A model of the keyboard, and of a guest that reads in fits."""
        self.begin()
        model = Keyboard()
        execute = self.commands.execute

        def run(command, arguments, replied, note=None):
            if arguments == messages.KEYBOARD_STATUS:
                self.loop.call_later(0.001, lambda: replied(model.status()))
                return
            execute(command, arguments, replied, note)
            model.take(arguments['events'])
            self.loop.call_later(0.001, self.commands.answer)
        self.commands.execute = run
        for number, down, seconds in typed:
            self.sends(Key(number, down))
            self.loop.run(seconds)
            if seconds > 0.25:
                model.read()
        for _ in range(len(typed)):
            self.loop.run(0.1)
            model.read()
        self.assertEqual([(number, down) for number, down, _ in typed],
                         model.got)


class Keyboard:
    """QEMU's: 16 bytes, and what comes then is dropped."""

    #: As in QEMU's ``ps2_keyboard_event``, of the set with the most.
    LENGTHS = {(0x1e, True): 1, (0x1e, False): 2, (0x9d, True): 2,
               (0x9d, False): 3, (0x54, True): 4, (0x54, False): 6,
               (0xb7, True): 4, (0xb7, False): 6, (0xc6, True): 8,
               (0xc6, False): 0}

    def __init__(self):
        self.queue = collections.deque()
        self.got = []

    def take(self, events):
        for event in events:
            key = event['data']['key']['data'], event['data']['down']
            if self.used() + self.LENGTHS[key] <= 16:
                self.queue.append(key)

    def used(self):
        return sum(map(self.LENGTHS.get, self.queue))

    def status(self):
        return input_case.HAS_NONE if self.used() else input_case.HAS_ROOM

    def read(self):
        self.got += self.queue
        self.queue.clear()
