# SPDX-License-Identifier: Apache-2.0
"""The display's shadow device: epochs, stops and arrivals."""

from nova_dmore.channel import carry_over
from nova_dmore import wire
from tests.unit.worker.devices.display import display_case

State = wire.PairState


class DisplayMigrationTest(display_case.DisplayCase):

    def test_new_epoch_takes_all_of_it_again(self):
        self.shown(1)
        self.loop.run(1)
        self.source.requests()
        self.raise_epoch()
        self.viewer.redraw()
        self.assertFalse(self.viewer.display.good)
        self.assertEqual(['all'], self.source.requests())
        self.source.sends(2, (0, 0, 3, 3))      # asked for before
        self.viewer.redraw()
        self.assertFalse(self.viewer.display.good)
        self.source.sends(2, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertEqual(bytes([2]) * 64 * 48 * 4, bytes(self.viewer.pixels))

    def test_nothing_moves_at_a_stop(self):
        self.shown()
        for state in (State.FREEZING, State.FROZEN):
            self.machine.set(state)
            self.device.update()
            self.assertFalse(self.source.listening)
            self.loop.run(3)
            self.assertEqual([], self.source.requests())
        self.assertFalse(self.source.closed)
        self.machine.set(State.STARTING)
        self.device.update()
        self.assertTrue(self.source.listening)

    def carried(self):
        fields = self.device.carry_over()
        value = carry_over.CarryOver(
            self.host_end.epoch, True,
            {each: 0 for each in (wire.Stream.CONTROL_TO_HOST,
                                  wire.Stream.SERIAL0_IN,
                                  wire.Stream.INPUT0_IN)},
            {each: carry_over.Unstored(0, b'')
             for each in (wire.Stream.CONTROL_TO_DOMAIN_R,
                          wire.Stream.SERIAL0_OUT)}, **fields)
        return carry_over.CarryOver.from_json(value.to_json())

    def arrive(self, carried, leds=0):
        """Be the destination -> what the source carries over."""
        self.sources.clear()
        self.wishes.clear()
        self.area.data[wire.FRAMEBUFFER_START:] = bytes(
            len(self.area.data) - wire.FRAMEBUFFER_START)
        self.machine.state = State.INCOMING
        self.machine.region_writable = False
        self.machine.instance_running = False
        self.new_host()
        self.device.update()
        self.connect()
        self.source.sink.resized(64, 48)
        self.source.sink.cursor(None)
        self.source.sink.leds(leds)
        self.loop.run(0.1)
        self.device.update()
        self.assertTrue(self.source.listening)
        self.assertIsNone(self.source.sink.target(0, 1))
        self.assertEqual([], self.source.log)
        self.machine.instance_running = True
        self.machine.region_writable = True
        self.device.arrived(None)
        if carried is not None:
            self.device.arrived(carried)
        self.raise_epoch()
        self.machine.state = State.LIVE
        self.device.update()
        self.assertEqual(['hurry', 'all'], self.source.log)

    def test_destination_shows_what_is_new(self):
        self.shown(1)
        carried = self.carried()
        self.arrive(carried)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertEqual([48, 0], self.viewer.opened)
        self.assertEqual(bytes([1]) * 64 * 48 * 4, bytes(self.viewer.pixels))

    def test_destination_shows_what_had_not_been_seen(self):
        self.shown(1)
        self.source.sends(2, (0, 20, 1, 1))
        carried = self.carried()
        self.arrive(carried)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertEqual([48, 16], self.viewer.opened)

    def test_destination_waits_for_what_was_seen(self):
        self.shown(1)
        carried = self.carried()
        self.arrive(None)
        self.source.sends(1, (0, 0, 64, 47))
        self.source.sends(2, (0, 47, 64, 1))
        self.loop.run(0.2)
        self.viewer.redraw()
        self.assertEqual([48], self.viewer.opened)
        self.device.arrived(carried)
        self.viewer.redraw()
        self.assertEqual([48, 16], self.viewer.opened)

    def test_destination_does_not_wait_for_ever(self):
        self.shown(1)
        carried = self.carried()
        self.arrive(None)
        self.source.sends(1, (0, 0, 64, 48))
        self.loop.run(0.3)
        self.viewer.redraw()
        self.assertEqual([48, 48], self.viewer.opened)
        self.device.arrived(carried)    # too late
        self.loop.run(0.3)
        self.viewer.redraw()
        self.assertEqual([48, 48], self.viewer.opened)

    def test_lights_that_qemu_does_not_migrate(self):
        """Domain R goes on with what it knows, until there is news."""
        self.shown(1)
        self.arrive(self.carried())
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertIsNone(self.viewer.display.leds())
        self.source.sink.leds(2)
        self.source.sink.leds(0)
        self.viewer.redraw()
        self.assertEqual(0, self.viewer.display.leds())

    def test_lights_that_it_does(self):
        self.shown(1)
        self.arrive(self.carried(), leds=4)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertEqual(4, self.viewer.display.leds())

    def test_without_a_viewer_at_the_destination(self):
        self.shown(1)
        self.viewer.display.set_viewers(0)
        self.arrive(self.carried())
        self.assertTrue(self.source.closed)
