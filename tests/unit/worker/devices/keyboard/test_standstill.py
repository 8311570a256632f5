# SPDX-License-Identifier: Apache-2.0
"""Input for an instance that stands still."""

from nova_dmore.channel import input_event
from nova_dmore.link import messages
from nova_dmore import wire
from tests.unit.worker.devices.keyboard import input_case

State = wire.PairState
Key = input_event.Key
NOT_RUNNING = {'error': 'VM not running',
               'failure': messages.Failure.REFUSED}


class StandstillTest(input_case.InputCase):

    def stand(self, on=True):
        self.machine.input_flows = self.machine.instance_running = not on
        self.pump()

    def test_nothing_is_kept_for_an_instance_that_is_paused(self):
        self.sends(Key(29, True))
        self.served()
        self.stand()
        self.sends(Key(30, True), Key(30, False), Key(29, False))
        self.loop.run(1.1)
        self.sends(Key(31, True), Key(31, False))
        self.assertEqual(48, self.device.taken)
        self.assertEqual({'dropped': 5}, self.device.status())
        self.stand(False)
        self.loop.run(0.1)
        # What was held then, and is no more, is let go.
        self.commands.answer(NOT_RUNNING)
        self.loop.run(0.1)
        self.served(2)
        self.sends(Key(32, True))
        self.served()
        self.assertEqual([(29, True), (29, False), (29, False), (32, True)],
                         self.commands.keys())
        self.assertEqual([], self.gaps)

    def test_event_that_was_on_its_way_when_it_was_paused(self):
        self.sends(Key(30, True), Key(30, False))
        self.stand()
        self.loop.run(1.1)
        self.assertEqual(0, self.device.taken)
        self.commands.answer(NOT_RUNNING)
        self.loop.run(1.1)
        self.assertEqual(16, self.device.taken)

    def test_a_moment_is_no_pause(self):
        self.stand()
        self.sends(Key(30, True))
        self.loop.run(0.9)
        self.stand(False)
        self.loop.run(1)
        self.served()
        self.assertEqual([(30, True)], self.commands.keys())

    def test_what_is_typed_in_a_migration_is_kept(self):
        for name, value in (('role', wire.Role.SOURCE),
                            ('state', State.INCOMING),
                            ('output_flows', False)):
            self.begin()
            setattr(self.machine, name, value)
            self.stand()
            self.sends(Key(30, True))
            self.loop.run(5)
            self.assertEqual(0, self.device.taken)

    def test_key_that_came_with_the_guest_is_let_go(self):
        """It was pressed before the instance moved here."""
        self.stand()
        self.sends(Key(29, False), Key(30, True), Key(30, False))
        self.loop.run(1.1)
        self.stand(False)
        self.loop.run(0.1)
        self.served()
        self.loop.run(1)
        # The other one never was down.
        self.assertEqual([(29, False)], self.commands.keys())

    def test_key_pressed_in_vain_and_again(self):
        self.stand()
        self.sends(Key(30, True))
        self.loop.run(1.1)
        self.stand(False)
        self.loop.run(0.1)
        self.sends(Key(30, True))
        self.served()
        self.stand()
        self.sends(Key(30, False))
        self.loop.run(1.1)
        self.stand(False)
        self.loop.run(0.1)
        self.served()
        self.assertEqual([(30, True), (30, False)], self.commands.keys())

    def _type_at_a_guest_that_hangs(self):
        """It takes some."""
        self.commands.keyboard = input_case.HAS_NONE
        self.sends(*(Key(number, down) for number in range(30, 36)
                     for down in (True, False)))
        for _ in range(30):
            if self.commands.callbacks:
                self.commands.answer()
            self.loop.run(0.1)
        self.commands.keyboard = input_case.HAS_ROOM
        return len(self.commands.sent)

    def _presses_since(self, count):
        for _ in range(30):
            if self.commands.callbacks:
                self.commands.answer()
            self.loop.run(0.1)
        return [key for key in self.commands.keys()[count:] if key[1]]

    def test_what_waits_is_not_for_what_runs_after_a_reset(self):
        count = self._type_at_a_guest_that_hangs()
        self.device.was_reset()
        self.assertEqual([], self._presses_since(count))
        self.assertEqual(96, self.device.taken)
        self.sends(Key(50, True))
        self.assertEqual([(50, True)], self._presses_since(count))

    def test_what_is_on_its_way_at_a_reset(self):
        self.sends(Key(30, True), Key(30, False))
        self.device.was_reset()
        self.served()
        self.assertEqual(16, self.device.taken)

    def test_what_waits_is_not_for_the_next_qemu(self):
        count = self._type_at_a_guest_that_hangs()
        self.is_off = True
        self.stand()
        self.loop.run(0.1)
        self.is_off = False
        self.stand(False)
        self.assertEqual([], self._presses_since(count))
