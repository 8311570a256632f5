# SPDX-License-Identifier: Apache-2.0
"""What a Domain R that ends held down is lifted."""

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import input_event
from tests.unit.worker.devices.keyboard import input_case

Key = input_event.Key
Pointer = input_event.Pointer
NOT_RUNNING = input_case.NOT_RUNNING


class HeldTest(input_case.InputCase):

    def test_what_it_held_down_is_lifted(self):
        self.sends(Key(29, True), Key(30, True), Key(30, False),
                   Pointer(1, 5, 5))
        self.served(4)
        before = len(self.commands.sent)
        self.device.domain_r_lost()
        self.served(2)
        self.assertEqual(
            [('key', False), ('btn', False)],
            [(each['type'], each['data']['down'])
             for events, _ in self.commands.sent[before:] for each in events])
        self.assertEqual(29, self.commands.sent[before][0][0]['data'][
            'key']['data'])
        # Once, and nothing of the stream was taken with it.
        self.device.domain_r_lost()
        self.assertEqual(before + 2, len(self.commands.sent))
        self.assertEqual(32, self.device.taken)

    def test_what_is_lifted_waits_for_an_answer_and_a_running_instance(self):
        self.sends(Key(29, True), Key(30, True))
        self.served()
        self.machine.instance_running = False
        self.device.domain_r_lost()
        self.served()
        self.assertEqual(2, len(self.commands.sent))
        self.machine.instance_running = True
        self.device.pump()
        self.commands.answer(NOT_RUNNING)
        self.loop.run(0.1)
        self.served(2)
        self.assertEqual(
            [(29, True), (30, True), (29, False), (29, False), (30, False)],
            self.commands.keys())
        self.assertEqual([], self.gaps)

    def test_what_is_on_its_way_is_lifted(self):
        for event in (Key(29, True), Pointer(1, 5, 5)):
            self.begin()
            self.sends(event)
            self.device.domain_r_lost()
            self.assertEqual(1, len(self.commands.sent))
            self.served()
            ((each,), _note) = self.commands.sent[-1]
            self.assertEqual((2, False), (len(self.commands.sent),
                                          each['data']['down']))
            self.served()
            self.loop.run(1)
            self.assertEqual(2, len(self.commands.sent))

    def test_as_many_as_there_are_are_lifted(self):
        keys = [Key(number, True) for number in range(30, 60)]
        self.sends(*keys)
        self.served(len(keys))
        self.device.domain_r_lost()
        self.served(len(keys))
        self.assertEqual([(each.number, False) for each in keys],
                         self.commands.keys()[len(keys):])

    def test_buttons_that_are_refused_are_lifted_later(self):
        self.sends(Pointer(1, 5, 5))
        self.served()
        self.device.domain_r_lost()
        self.commands.answer(NOT_RUNNING)
        self.loop.run(0.1)
        self.served()
        self.assertEqual(3, len(self.commands.sent))
        self.assertEqual(self.events(1), self.events(2))

    def test_what_is_down_outlives_the_worker(self):
        self.sends(Key(29, True), Key(30, True))
        self.served()
        for kill_before_the_answer in (True, False):
            self.new_worker()
            if kill_before_the_answer:
                self.served()
        self.device.domain_r_lost()
        self.served(2)
        self.assertEqual([(29, False), (30, False)],
                         self.commands.keys()[-2:])

    def test_an_answer_that_comes_later_counts_for_no_key_of_the_next(self):
        self.sends(Key(30, True))
        self.device.domain_r_lost()
        self.domr = domr_end.DomainREnd(self.area, lambda vector: None)
        self.new_worker()
        self.sends(Key(31, True))
        self.served(3)
        self.assertEqual([(30, True), (30, False), (31, True)],
                         self.commands.keys())
