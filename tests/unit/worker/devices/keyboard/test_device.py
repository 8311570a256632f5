# SPDX-License-Identifier: Apache-2.0
"""The keyboard's and pointer's shadow device."""

from unittest import mock

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import carry_over
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.link import messages
from nova_dmore import wire
from tests import examples
from tests.unit.worker.devices.keyboard import input_case

IN = wire.Stream.INPUT0_IN
State = wire.PairState
Key = input_event.Key
Pointer = input_event.Pointer
OK = input_case.OK
NOT_RUNNING = input_case.NOT_RUNNING


class InputTest(input_case.InputCase):

    # -- what is sent

    def test_key(self):
        self.sends(Key(30, True), Key(30, False))
        self.assertEqual(1, len(self.commands.sent))
        self.assertEqual(0, self.device.taken)
        self.assertTrue(self.device.awaits_answer())
        self.served()
        self.assertEqual(8, self.device.taken)
        self.served()
        self.assertEqual(16, self.device.taken)
        self.assertFalse(self.device.awaits_answer())
        self.assertEqual([(30, True), (30, False)], self.commands.keys())

    def test_tells_those_who_want_to_know(self):
        told = []
        self.context.input_taken.append(lambda: told.append(True))
        self.sends(Key(30, True))
        self.assertEqual([], told)
        self.served()
        self.assertEqual([True], told)

    def test_pointer_and_buttons(self):
        self.sends(Pointer(0b101, 10, 20))
        self.assertEqual([('abs', 'x', 10), ('abs', 'y', 20),
                          ('btn', 'left', True), ('btn', 'right', True)],
                         self.events())
        self.served()
        self.sends(Pointer(0b1100, 10, 21))
        self.assertEqual(
            [('abs', 'x', 10), ('abs', 'y', 21), ('btn', 'left', False),
             ('btn', 'wheel-up', True)], self.events())

    def test_moves_that_wait_are_one(self):
        self.sends(Key(30, True))
        self.sends(Pointer(0, 1, 1), Pointer(0, 2, 2), Pointer(0, 3, 3),
                   Pointer(1, 3, 3), Key(30, False))
        self.served()
        self.assertEqual([('abs', 'x', 3), ('abs', 'y', 3)], self.events())
        self.served()
        self.assertEqual(32, self.device.taken)
        self.assertEqual(('btn', 'left', True), self.events()[-1])

    def test_no_tablet(self):
        self.area.words[region.DISPLAY_MODE] = (
            64 | 48 << 16 | 640 << 32 | 480 << 48)
        self.sends(Pointer(0, 0x4000, 0x4000))
        self.commands.answer({
            'error': 'Input handler not found for event type abs',
            'failure': messages.Failure.REFUSED})
        self.loop.run(0.1)
        self.assertEqual(8, self.device.taken)  # its first place
        self.sends(Pointer(1, 0x6000, 0x2000))
        self.assertEqual([('rel', 'x', 160), ('rel', 'y', -120),
                          ('btn', 'left', True)], self.events())

    # -- what does not work

    def test_guest_that_does_not_run(self):
        self.sends(Key(30, True))
        for _ in range(3):
            self.commands.answer(NOT_RUNNING)
            self.loop.run(0.06)
        self.assertEqual(0, self.device.taken)
        self.assertEqual(4, len(self.commands.sent))
        self.machine.input_flows = False
        self.commands.answer(NOT_RUNNING)
        self.loop.run(1)
        self.assertEqual(4, len(self.commands.sent))
        self.machine.input_flows = True
        self.pump()
        self.served()
        self.assertEqual(8, self.device.taken)
        self.assertEqual([], self.gaps)

    def test_refused_ones_are_dropped(self):
        for n in range(20):
            self.sends(Key(30, True))
            self.commands.answer({'error': 'no', 'failure':
                                  messages.Failure.REFUSED})
            self.loop.run(0.05)
        self.assertEqual(160, self.device.taken)
        self.assertEqual({'dropped': 20}, self.device.status())

    def test_nonsense_is_dropped(self):
        self.domr.send(IN, bytes(16) + input_event.pack(Key(5, True)))
        self.pump()
        self.served()
        self.assertEqual(24, self.device.taken)
        self.assertEqual([(5, True)], self.commands.keys())
        self.assertEqual({'dropped': 2}, self.device.status())

    def test_part_of_a_record_waits(self):
        record = input_event.pack(Key(5, True))
        self.domr.send(IN, record[:5])
        self.pump()
        self.assertEqual([], self.commands.sent)
        self.domr.send(IN, record[5:])
        self.pump()
        self.assertEqual([(5, True)], self.commands.keys())

    def test_qemu_that_is_not_there(self):
        self.sends(Key(30, True))
        self.commands.answer({'error': '', 'failure':
                              messages.Failure.NOT_SENT})
        self.assertEqual([], self.gaps)
        self.loop.run(0.1)
        self.commands.answer({'error': '', 'failure': messages.Failure.LOST})
        self.assertEqual([(IN, wire.GapKind.AMBIGUOUS, mock.ANY, 0, 8)],
                         self.gaps)
        self.loop.run(0.1)
        self.served()
        self.assertEqual(8, self.device.taken)

    def test_more_buttons(self):
        self.sends(Pointer(0x181, 1, 1))
        self.served()
        self.assertEqual([('btn', name, True)
                          for name in ('left', 'side', 'extra')],
                         self.events()[-3:])
        self.assertEqual(0x181, self.device.carry_over()['buttons'])
        # They are let go on another host.
        self.begin()
        self.device.arrived(None)
        self.device.arrived(carry_over.CarryOver(1, True, {}, {}, None,
                                                 0x181))
        self.sends(Pointer(0, 1, 1))
        self.assertEqual([('btn', name, False)
                          for name in ('left', 'side', 'extra')],
                         self.events()[-3:])

    # -- the stop

    def test_no_answer_at_the_stop(self):
        self.sends(Key(30, True), Key(30, False))
        self.machine.input_flows = False
        self.machine.state = State.FREEZING
        self.device.stop(0.0)
        self.device.frozen()
        self.assertEqual([(IN, wire.GapKind.AMBIGUOUS, mock.ANY, 0, 8)],
                         self.gaps)
        self.commands.answer()
        self.assertEqual(1, len(self.gaps))
        self.assertEqual(8, self.device.taken)
        self.loop.run(1)
        self.assertEqual(1, len(self.commands.sent))

    def test_refused_at_the_stop(self):
        self.sends(Key(30, True))
        self.machine.input_flows = False
        self.machine.state = State.FREEZING
        self.commands.answer(NOT_RUNNING)
        self.device.frozen()
        self.assertFalse(self.device.awaits_answer())
        self.assertEqual(0, self.device.taken)
        self.assertEqual([], self.gaps)

    def test_buttons_are_carried_over(self):
        self.sends(Pointer(1, 1, 1))
        self.assertEqual(0, self.device.carry_over()['buttons'])
        self.served()
        self.assertEqual(1, self.device.carry_over()['buttons'])
        self.begin()
        self.device.arrived(None)
        self.device.arrived(carry_over.CarryOver(1, True, {}, {}, None, 1))
        self.sends(Pointer(0, 1, 1))
        self.assertEqual(('btn', 'left', False), self.events()[-1])
        # Too late: the pointer has been here.
        self.device.arrived(carry_over.CarryOver(1, True, {}, {}, None, 4))
        self.served()
        self.assertEqual(0, self.device.carry_over()['buttons'])

    def test_keys_are_carried_over(self):
        self.sends(Key(29, True), Key(30, True), Key(30, False))
        self.served()
        self.assertEqual({29}, self.device.carry_over()['keys'])
        carried = carry_over.CarryOver(1, True, {}, {}, keys=frozenset([29]))
        self.begin()
        self.device.arrived(None)
        self.device.arrived(carried)
        self.new_worker()
        self.device.arrived(None)
        self.sends(Key(29, False))
        self.served()
        # Too late: the key has been let go here.
        self.device.arrived(carried)
        self.assertEqual(set(), self.device.carry_over()['keys'])

    def test_buttons_that_came_outlive_the_worker(self):
        carried = carry_over.CarryOver(1, True, {}, {}, None, 1)
        self.device.arrived(None)
        self.device.arrived(carried)
        self.new_worker()
        self.assertEqual(1, self.device.carry_over()['buttons'])
        self.sends(Pointer(0, 1, 1))
        self.assertEqual(('btn', 'left', False), self.events()[-1])
        self.served()
        # The same Domain R is found to have arrived once more.
        self.new_worker()
        self.device.arrived(None)
        self.device.arrived(carried)
        self.assertEqual(0, self.device.carry_over()['buttons'])

    # -- killed workers

    def test_answer_after_the_worker_was_killed(self):
        self.sends(Key(30, True), Key(30, False))
        self.new_worker()
        self.assertTrue(self.device.awaits_answer())
        self.assertEqual(1, len(self.commands.sent))
        self.served()
        self.assertEqual(8, self.device.taken)
        self.served()
        self.assertEqual([(30, True), (30, False)], self.commands.keys())

    def test_answer_while_no_worker_was_there(self):
        for reply, again in ((OK, 0), (NOT_RUNNING, 1)):
            self.begin()
            self.sends(Key(30, True), Key(31, True))
            self.commands.callbacks.clear()
            self.commands.answer(reply)
            self.new_worker()
            self.loop.run(0.1)
            self.served(2 + again)
            self.assertEqual(16, self.device.taken)
            self.assertEqual([(30, True)] * (1 + again) + [(31, True)],
                             self.commands.keys())

    def test_qemu_went_away_while_no_worker_was_there(self):
        self.sends(Key(30, True))
        self.commands.callbacks.clear()
        self.commands.answer({'failure': messages.Failure.LOST})
        self.new_worker()
        self.assertEqual(1, len(self.gaps))

    @examples.settings(60)
    @hypothesis.given(strategies.lists(strategies.sampled_from(
        ['send', 'answer', 'no', 'lose', 'kill', 'kill', 'time', 'epoch']),
        max_size=40))
    def test_each_key_once_in_order(self, script):
        self.begin()
        sent = 0
        got = []

        def answer(reply):
            if self.commands.last and self.commands.last['answer'] is None:
                if reply is OK:
                    got.append(self.commands.sent[-1][0][0]['data']['key'][
                        'data'])
                self.commands.answer(reply)
        for step in script:
            if step == 'send':
                sent += 1
                self.sends(Key(sent, True))
            elif step == 'answer':
                answer(OK)
            elif step == 'no':
                answer(NOT_RUNNING)
            elif step == 'lose':    # the answer comes while there is nobody
                self.commands.callbacks.clear()
                answer(OK)
                self.new_worker()
            elif step == 'kill':
                self.new_worker()
            elif step == 'epoch':
                self.host_end.open()
            self.loop.run(0.01)
            self.pump()
        for _ in range(sent * 2 + 4):
            self.loop.run(0.06)
            self.pump()
            answer(OK)
        self.assertEqual(list(range(1, sent + 1)), got)
        self.assertEqual(sent * 8, self.device.taken)
        self.assertEqual([], self.gaps)
