# SPDX-License-Identifier: Apache-2.0
"""What the tests of the display's shadow device share: a source, a viewer."""

import socket
from unittest import mock

from oslotest import base

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire
from nova_dmore.worker.devices import base as device_base
from nova_dmore.worker.devices.display import device as display_device
from nova_dmore.worker.devices.display import source
from tests.unit.worker import fake_loop
from tests.unit.worker.devices.display import viewer

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

    def set_size(self, width, height):
        self.log.append((width, height))

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
    """What the device asks for of the pair's machine."""

    state = State.LIVE
    output_flows = True
    region_writable = True
    instance_running = True

    def set(self, state):
        self.state = state
        self.output_flows = state not in (State.FREEZING, State.FROZEN)


class DisplayCase(base.BaseTestCase):

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
        self.viewer = viewer.Viewer(self.domr, self.area)
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
            host_end=self.host_end, journal=None, serial=None,
            machine=self.machine, report_gap=None,
            commands=commands, last_input=None, input_limit_reached=None,
            check_freeze=None, config={})
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
        self.device.update()
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
        self.device.update()
        self.connect()
        self.source.sink.resized(64, 48)
        self.loop.run()
        return self

    def shown(self, value=1):
        self.viewing()
        self.source.sends(value, (0, 0, 64, 48))
        self.viewer.redraw()
        self.device.update()
        self.source.requests()
        return self

    def status(self):
        return {**self.device.status(), 'viewers': None}
