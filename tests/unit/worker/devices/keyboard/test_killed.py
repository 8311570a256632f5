# SPDX-License-Identifier: Apache-2.0
"""What is held down in the guest when a worker is killed, at any line."""

import hypothesis
from hypothesis import strategies

from tests import examples
from tests.unit.worker.devices.keyboard import killed_case

KEYS = (29, 30, 31)

PRESSED = strategies.tuples(
    strategies.just('press'), strategies.sampled_from(KEYS),
    strategies.booleans())
#: A key or a button changes; more often than anything else.
TYPED = strategies.one_of(
    PRESSED,
    strategies.tuples(strategies.just('click'), strategies.integers(0, 3)))
DOMAIN_R = strategies.sampled_from([('lose',), ('reboot',), ('connect',)])
OTHERS = strategies.sampled_from(
    [('obey',), ('obey',), ('quiesce',), ('wait',)])
_PAUSE = strategies.tuples(strategies.just('run_instance'),
                           strategies.booleans())
_RESET = strategies.just(('reset',))

#: After how many the worker is killed; None: it is not.
LINES = strategies.none() | strategies.integers(0, 1500)


def scripts(*steps):
    """Steps, and after how many lines of each the worker is killed."""
    return strategies.lists(strategies.tuples(
        strategies.one_of(*steps), LINES), max_size=25)


class KilledTest(killed_case.KilledCase):

    def perform(self, script):
        self.begin()
        for (name, *arguments), lines in script:
            if name == 'quiesce':
                self.quiesce()
                self.check()
            elif name == 'wait':
                self.turn(lines, seconds=1.2)
            else:
                getattr(self.qemu if name == 'obey' else self, name)(
                    *arguments)
                self.turn(lines)
        self.run_instance(True)
        self.quiesce()
        self.check()

    def held_in_guest(self):
        return self.qemu.keys | self.qemu.buttons

    def check(self):
        self.assertEqual(self.held, self.held_in_guest())

    def is_held(self, *which):
        self.quiesce()
        self.assertEqual(set(which), self.held_in_guest())

    def each_line(self, every, prepare, act):
        """Have the worker killed in what an act leads to, at every so many
        lines; a generator that yields when all that follows is done."""
        lines, is_killed = 0, True
        while is_killed:
            self.begin()
            prepare()
            act()
            is_killed = self.turn(lines)
            self.quiesce()
            yield
            lines += every
        self.assertGreater(lines, 100)

    def hold(self):
        self.press(29, True)
        self.click(1)
        self.is_held(29, 'left')

    def is_sent(self):
        """Have a key sent; QEMU was asked first whether it has room."""
        self.turn()
        self.qemu.obey()
        self.turn()
        self.assertTrue(self.pair.devices.awaits_answer())

    def test_what_a_domain_r_held_that_ended(self):
        for _ in self.each_line(5, self.hold, self.lose):
            self.is_held()

    def test_what_a_domain_r_held_that_started_anew(self):
        for _ in self.each_line(11, self.hold, self.reboot):
            self.is_held()

    def test_it_started_anew_while_there_was_no_worker(self):
        self.begin()
        self.hold()
        self.turn(0)
        self.reboot()
        self.is_held()
        self.press(29, True)
        self.new_worker()
        self.is_held(29)

    def test_what_another_one_presses_stays_down(self):
        def replace():
            self.hold()
            self.lose()
            self.quiesce()
            self.connect()
            self.quiesce()

        for _ in self.each_line(
                11, replace, lambda: self.press(29, True)):
            self.is_held(29)

    def test_what_waits_when_domain_r_ends_is_pressed_no_more(self):
        self.begin()
        for number in (29, 30, 31):
            self.press(number, True)
        self.turn()
        self.lose()
        self.connect()
        self.is_held()

    def test_it_ends_before_a_new_worker_has_heard_it(self):
        self.begin()
        self.press(29, True)
        self.turn(0)
        self.lose()
        self.quiesce()
        self.connect()
        self.is_held()

    def test_a_late_answer_is_none_to_the_next_ones_key(self):
        self.begin()
        self.press(30, True)
        self.is_sent()
        self.turn(0)
        self.reboot()
        for _ in range(3):
            self.turn()
        self.press(29, True)
        self.turn()
        self.new_worker()
        self.is_held(29)

    def test_what_is_let_go_while_the_instance_is_paused(self):
        def pause():
            self.hold()
            self.run_instance(False)
            self.turn()
            self.press(29, False)
            self.click(0)
            self.turn(seconds=1.2)

        for _ in self.each_line(
                11, pause, lambda: self.run_instance(True)):
            self.is_held()
            # It is let go no more than once.
            self.press(29, True)
            self.quiesce()
            self.new_worker()
            self.is_held(29)

    def test_a_release_that_was_refused_and_dropped(self):
        self.begin()
        self.hold()
        self.press(29, False)
        self.is_sent()
        self.run_instance(False)
        self.qemu.obey()
        self.turn(seconds=1.2)
        self.turn(seconds=1.2)
        self.new_worker()
        self.run_instance(True)
        self.is_held('left')

    def waits(self):
        """One key is on its way, and more wait that are typed at what runs."""
        self.begin()
        self.press(29, True)
        self.is_sent()
        for number in (30, 31):
            self.press(number, True)
        self.turn()

    def test_it_boots_anew_while_there_is_no_worker(self):
        self.waits()
        self.boots = True
        self.new_worker()
        self.quiesce()
        self.assertEqual([(29, True)], self.qemu.events)
        self.press(30, False)
        self.press(30, True)
        self.quiesce()
        self.assertEqual(
            [(29, True), (30, False), (30, True)], self.qemu.events)

    def test_killed_before_what_waited_at_a_reset_is_dropped(self):
        self.waits()
        self.reset()
        self.turn()
        self.new_worker()
        self.quiesce()
        self.assertEqual([(29, True)], self.qemu.events)

    @examples.settings(200)
    @hypothesis.given(scripts(TYPED, TYPED, DOMAIN_R, OTHERS))
    def test_the_guest_has_what_is_held(self, script):
        self.perform(script)

    @examples.settings(200)
    @hypothesis.given(scripts(TYPED, DOMAIN_R, OTHERS, _PAUSE, _RESET))
    def test_the_same_with_pauses_and_resets(self, script):
        # What is pressed in one, or waits at one, does not come. What is to
        # be let go is, when the instance runs on.
        self.check = lambda: self.qemu.runs and self.assertLessEqual(
            self.held_in_guest(), self.held)
        self.perform(script)
        self.connect()
        for number in KEYS:
            self.press(number, False)
        self.click(0)
        self.is_held()
        for number in KEYS:
            self.press(number, True)
        self.quiesce()
        self.new_worker()
        self.is_held(*KEYS)
