# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The display's shadow device, with a source and a Domain R of the test."""

import socket
from unittest import mock

from oslotest import base

from nova_dmore.channel import carry_over
from nova_dmore.channel import display
from nova_dmore.channel import domr_end
from nova_dmore.channel import host_end
from nova_dmore.channel import journal
from nova_dmore.channel import region
from nova_dmore.shadow.devices import base as device_base
from nova_dmore.shadow.devices import display as display_device
from nova_dmore.shadow.devices import source
from nova_dmore import wire
from tests.unit.shadow import fake_loop
from tests.unit.shadow import fakes

State = wire.PairState
SIZE = wire.FRAMEBUFFER_START + (1 << 18)


class FakeSource(source.Source):

    def __init__(self, loop, sock, sink):
        sock.close()
        self.sink = sink
        self.log = []
        self.listening = True
        self.closed = False

    def listen(self, on):
        self.listening = on

    def request(self, everything):
        self.asked = True
        self.log.append('all' if everything else 'changes')

    def hurry(self):
        self.log.append('hurry')

    def close(self):
        self.closed = True

    def sends(self, value, *rectangles):
        """Pixels, as far as anybody wants them."""
        for x, y, width, height in rectangles:
            buffer, wide, high = self.sink.target(y, height)
            for row in range(y, y + height):
                start = (row * wide + x) * 4
                buffer[start:start + width * 4] = bytes([value]) * width * 4
        self.asked = False
        self.sink.updated(list(rectangles))

    def requests(self):
        found, self.log = [
            each for each in self.log if each != 'hurry'], []
        return found


class Machine:
    """Of the pair's machine what the device asks for."""

    state = State.LIVE
    output_flows = True
    region_writable = True
    instance_running = True

    def set(self, state):
        self.state = state
        self.output_flows = state not in (
            State.GATED, State.FREEZING, State.FROZEN)


class DisplayDeviceTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.loop = fake_loop.FakeLoop()
        self.patch_time()
        self.machine = Machine()
        self.area = region.Region(bytearray(SIZE))
        self.sources = []
        self.wishes = []
        self.rings = []
        self.domr = domr_end.DomainREnd(self.area, lambda vector: None)
        self.viewer = fakes.Viewer(self.domr, self.area)
        self.new_host()

    def patch_time(self):
        patch = mock.patch('time.monotonic', self.loop.time)
        patch.start()
        self.addCleanup(patch.stop)

    def new_host(self):
        """A worker, or the one of a destination."""
        self.host_end = host_end.HostEnd(
            self.area, lambda vector: None,
            journal.Journal(bytearray(journal.journal_size())))
        commands = mock.Mock()
        commands.open_display = self.wishes.append
        self.context = device_base.DeviceContext(
            loop=self.loop, region=self.area, ring=self.rings.append,
            host_end=self.host_end, journal=None, ledger=None,
            machine=self.machine, report_gap=None, close_connection=None,
            commands=commands, last_input=None, input_limit_reached=None,
            config={})
        self.device = display_device.DisplayDevice(
            self.context, self.make_source)

    def make_source(self, *arguments):
        self.sources.append(FakeSource(*arguments))
        return self.sources[-1]

    @property
    def source(self):
        return self.sources[-1]

    def raise_epoch(self):
        self.host_end.open()
        self.device.look()
        self.domr.poll()
        self.host_end.poll()
        self.device.opened()

    def connect(self):
        """The keeper does what it was asked for."""
        sock, other = socket.socketpair()
        other.close()
        self.wishes.pop(0)(sock.detach(), None)

    def viewing(self):
        self.raise_epoch()
        self.viewer.display.set_viewers(1)
        self.device.look()
        self.connect()
        self.source.sink.resized(64, 48)
        self.loop.run()
        return self

    def shown(self, value=1):
        self.viewing()
        self.source.sends(value, (0, 0, 64, 48))
        self.viewer.look()
        self.device.look()
        self.source.requests()
        return self

    def status(self):
        return {**self.device.status(), 'viewers': None}

    # -- when there is a connection

    def test_none_without_a_viewer(self):
        self.raise_epoch()
        self.loop.run(5)
        self.assertEqual([], self.wishes)
        self.assertEqual([], [each for each in self.loop.timers
                              if each.callback])

    def test_any_number_of_viewers(self):
        self.raise_epoch()
        self.viewer.display.set_viewers((1 << 64) - 1)
        self.device.look()
        self.assertEqual(1, len(self.wishes))
        self.assertEqual(0xffff, self.device.status()['viewers'])

    def test_ends_after_the_last_viewer(self):
        self.shown()
        self.viewer.display.set_viewers(0)
        self.loop.run(1)
        self.device.look()
        self.assertFalse(self.source.closed)
        self.viewer.display.set_viewers(1)
        self.device.look()
        self.viewer.display.set_viewers(0)
        self.loop.run(1.4)
        self.device.look()
        self.assertFalse(self.source.closed)
        self.loop.run(0.2)
        self.device.look()
        self.assertTrue(self.source.closed)
        self.viewer.look()
        self.assertFalse(self.viewer.display.good)

    def test_back_in_the_same_epoch(self):
        self.shown(1)
        self.viewer.display.set_viewers(0)
        self.loop.run(2)
        self.device.look()
        self.viewer.display.set_viewers(1)
        self.device.look()
        self.connect()
        self.source.sink.resized(64, 48)
        self.loop.run()
        self.source.sends(2, (0, 0, 64, 48))
        self.viewer.look()
        self.assertEqual(bytes([2]) * 64 * 48 * 4, bytes(self.viewer.pixels))

    def test_tries_again_ever_more_slowly(self):
        self.raise_epoch()
        self.viewer.display.set_viewers(1)
        self.device.look()
        tries = 0
        for _ in range(100):
            if self.wishes:
                tries += 1
                self.wishes.pop(0)(None, 'nobody listens')
            self.loop.run(0.1)
            self.device.look()
        self.assertIn(tries, range(6, 13))

    def test_qemu_that_ends_is_connected_again(self):
        self.shown()
        self.source.sink.ended('QEMU closed the connection')
        self.viewer.look()
        self.assertFalse(self.viewer.display.good)
        self.loop.run(0.2)
        self.connect()
        self.assertEqual(2, len(self.sources))

    # -- the picture

    def test_opens_when_all_of_it_is_there(self):
        self.viewing()
        self.assertEqual(['hurry', 'all'], self.source.log)
        self.source.sends(1, (0, 0, 64, 40))
        self.viewer.look()
        self.assertFalse(self.viewer.display.good)
        self.source.sends(1, (0, 40, 64, 8))
        self.viewer.look()
        self.assertEqual([48], self.viewer.opened)
        self.assertEqual(bytes([1]) * 64 * 48 * 4, bytes(self.viewer.pixels))
        self.assertEqual({wire.Vector.DISPLAY}, set(self.rings))

    def test_asks_when_domain_r_has_seen_it(self):
        self.shown()
        self.viewer.acknowledges = False
        for n in range(3):
            self.source.sends(2 + n, (0, n, 5, 1))
            self.viewer.look()
            self.device.look()
            self.assertEqual([], self.source.requests())
            self.loop.run(0.4)
            self.assertEqual([], self.source.requests())
            self.loop.run(0.2)
            self.assertEqual(['changes'], self.source.requests())
        self.viewer.acknowledges = True
        self.source.sends(9, (0, 0, 64, 48))
        self.viewer.look()
        self.device.look()
        self.assertEqual(['changes'], self.source.requests())

    def test_reminds_qemu(self):
        self.viewing()
        self.source.log.clear()
        self.loop.run(1.2)
        self.assertEqual(['hurry', 'all'] * 2, self.source.log)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.look()
        self.device.look()
        self.source.log.clear()
        self.loop.run(1.2)
        self.assertEqual(['hurry', 'changes'] * 2, self.source.log)

    def test_hurries_after_input(self):
        self.shown()
        self.source.log.clear()
        for each in self.context.input_taken:
            each()
        self.loop.run(0.01)
        self.assertEqual(['hurry'], self.source.log)
        self.loop.run(0.2)
        self.assertEqual(['hurry'] * 4, self.source.log)
        for each in self.context.input_taken:
            each()
        self.source.sends(2, (0, 0, 1, 1))
        self.source.log.clear()
        self.loop.run(0.2)
        self.assertNotIn('hurry', self.source.log)

    def test_another_mode(self):
        self.shown(1)
        self.source.sink.resized(32, 20)
        self.loop.run()
        self.viewer.look()
        self.assertFalse(self.viewer.display.good)
        self.loop.run(display_device.REFRESH_INTERVAL_S)
        self.assertEqual(['all'], self.source.requests())
        self.source.sends(2, (0, 0, 32, 20))
        self.viewer.look()
        self.assertEqual((32, 20), self.viewer.size)
        self.assertEqual(bytes([2]) * 32 * 20 * 4, bytes(self.viewer.pixels))

    def test_modes_in_a_loop(self):
        self.shown()
        self.source.log.clear()
        for n in range(1000):
            self.source.sink.resized(32 + n % 2, 20)
            self.loop.run(0.001)
        self.assertLess(len(self.source.requests()), 15)
        self.assertLess(len(self.loop.timers), 20)

    def test_old_pixels_after_another_mode(self):
        """What comes before the device has dealt with it is not shown."""
        self.shown()
        self.source.sink.resized(32, 20)
        self.assertIsNone(self.source.sink.target(0, 20))
        self.source.sink.updated([(0, 0, 32, 20)])
        self.viewer.look()
        self.assertEqual([48], self.viewer.opened)

    def test_many_rectangles_become_few(self):
        self.shown()
        before = self.viewer.updates
        self.source.sends(3, *((n, n, 1, 1) for n in range(48)))
        self.viewer.look()
        self.assertEqual(before + 1, self.viewer.updates)
        self.assertTrue(self.device._display.seen)

    def test_cursor(self):
        self.viewing()
        cursor = display.Cursor(1, 1, 0, 0, b'\1\2\3\xff')
        self.source.sink.cursor(cursor)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.look()
        self.assertEqual(cursor, self.viewer.cursor)

    # -- epochs and migrations

    def test_new_epoch_takes_all_of_it_again(self):
        self.shown(1)
        self.loop.run(1)
        self.source.requests()
        self.raise_epoch()
        self.viewer.look()
        self.assertFalse(self.viewer.display.good)
        self.assertEqual(['all'], self.source.requests())
        self.source.sends(2, (0, 0, 3, 3))      # asked for before
        self.viewer.look()
        self.assertFalse(self.viewer.display.good)
        self.source.sends(2, (0, 0, 64, 48))
        self.viewer.look()
        self.assertEqual(bytes([2]) * 64 * 48 * 4, bytes(self.viewer.pixels))

    def test_nothing_moves_at_a_stop(self):
        self.shown()
        for state in (State.GATED, State.FREEZING, State.FROZEN):
            self.machine.set(state)
            self.device.gate()
            self.assertFalse(self.source.listening)
            self.loop.run(3)
            self.assertEqual([], self.source.requests())
        self.assertFalse(self.source.closed)
        self.machine.set(State.STARTING)
        self.device.look()
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

    def arrive(self, carried, picture_first=True):
        """Be the destination -> what the source carries over."""
        self.sources.clear()
        self.wishes.clear()
        self.area.data[wire.FRAMEBUFFER_START:] = bytes(
            len(self.area.data) - wire.FRAMEBUFFER_START)
        self.machine.state = State.INCOMING
        self.machine.region_writable = False
        self.machine.instance_running = False
        self.new_host()
        self.device.look()
        self.connect()
        self.source.sink.resized(64, 48)
        self.source.sink.cursor(None)
        self.loop.run(0.1)
        self.device.look()
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
        self.device.look()
        self.assertEqual(['hurry', 'all'], self.source.log)

    def test_destination_shows_what_is_new(self):
        self.shown(1)
        carried = self.carried()
        self.arrive(carried)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.look()
        self.assertEqual([48, 0], self.viewer.opened)
        self.assertEqual(bytes([1]) * 64 * 48 * 4, bytes(self.viewer.pixels))

    def test_destination_shows_what_had_not_been_seen(self):
        self.shown(1)
        self.source.sends(2, (0, 20, 1, 1))
        carried = self.carried()
        self.arrive(carried)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.look()
        self.assertEqual([48, 16], self.viewer.opened)

    def test_destination_waits_for_what_was_seen(self):
        self.shown(1)
        carried = self.carried()
        self.arrive(None)
        self.source.sends(1, (0, 0, 64, 47))
        self.source.sends(2, (0, 47, 64, 1))
        self.loop.run(0.2)
        self.viewer.look()
        self.assertEqual([48], self.viewer.opened)
        self.device.arrived(carried)
        self.viewer.look()
        self.assertEqual([48, 16], self.viewer.opened)

    def test_destination_does_not_wait_for_ever(self):
        self.shown(1)
        carried = self.carried()
        self.arrive(None)
        self.source.sends(1, (0, 0, 64, 48))
        self.loop.run(0.3)
        self.viewer.look()
        self.assertEqual([48, 48], self.viewer.opened)
        self.device.arrived(carried)    # too late
        self.loop.run(0.3)
        self.viewer.look()
        self.assertEqual([48, 48], self.viewer.opened)

    def test_without_a_viewer_at_the_destination(self):
        self.shown(1)
        self.viewer.display.set_viewers(0)
        self.arrive(self.carried())
        self.assertTrue(self.source.closed)
