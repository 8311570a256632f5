# SPDX-License-Identifier: Apache-2.0
"""The display device, with a hostile QEMU and a hostile Domain R."""

import socket
import types
from unittest import mock

from laboratory.fuzz import loop as loop_module
from laboratory.fuzz import memory, oracle, reader as reader_module
from laboratory.fuzz import rfb_messages
from nova_dmore.channel import display
from nova_dmore.channel.host import end as host_end
from nova_dmore import wire
from nova_dmore.worker.devices.display import device as device_module

#: Used again each time: clearing it takes longer than all the rest.
_BUFFER = bytearray(wire.REGION_SIZE)
_PAGES = bytes(wire.DATA_START)
_DOMAIN_R = [wire.DOMAIN_R_PAGE + each >> 3 for each in (
    wire.DOMAIN_R_VIEWERS, wire.DOMAIN_R_DAMAGE_SEEN,
    wire.DOMAIN_R_PICTURE_MAX, wire.DOMAIN_R_INCARNATION,
    wire.DOMAIN_R_SIZE_WANTED)]
#: Bytes of pictures that Domain R says it shows, of its incarnation 1.
_ROOMS = [1 << 32 | size for size in (
    0, 3, 1 << 12, wire.REGION_SIZE - wire.FRAMEBUFFER_START, 0xffffffff)]

SEEDS = [bytes(range(256)), bytes(range(0, 256, 3)) * 3,
         bytes([40, 30, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 40, 30, 1, 0, 0] * 8)]


class _World:
    """A device, the connection that it has, and what it depends on."""

    def __init__(self, reader: reader_module.Reader,
                 loop: loop_module.Loop) -> None:
        self.reader = reader
        self.loop = loop
        _BUFFER[:wire.DATA_START] = _PAGES
        self.region = memory.HostileRegion(_BUFFER, wire.HOST_PAGE)
        self.connection: loop_module.Connection | None = None
        self.opened = None
        self.host = types.SimpleNamespace(
            state=host_end.HostState.OPEN, epoch=7)
        self.machine = types.SimpleNamespace(
            state=wire.PairState.LIVE, output_flows=True,
            region_writable=True, instance_running=True)
        self.device = device_module.DisplayDevice(types.SimpleNamespace(
            loop=loop, region=self.region, host_end=self.host,
            machine=self.machine, input_taken=[], ring=lambda vector: None,
            commands=types.SimpleNamespace(open_display=self._open)),
            self._source)
        self.region.true_words[_DOMAIN_R[0]] = 1
        self.look()

    def _open(self, answer):
        self.opened = answer

    def _source(self, loop, sock, sink):
        sock.close()
        self.connection = loop_module.Connection()
        return device_module.rfb.RfbSource(loop, self.connection, sink)

    def look(self) -> None:
        """The worker calls; the keeper answers what was asked for."""
        self.device.update()
        answer, self.opened = self.opened, None
        if answer is None:
            return
        if self.reader.byte() > 240:
            answer(None, 'no such file')
            return
        answer(socket.socket().detach(), None)
        self.connection.feed(rfb_messages.GREETING
                             + rfb_messages.init(self.reader))

    def step(self) -> None:
        """One thing happens."""
        kind = self.reader.byte() % 16
        if kind < 8 and self.connection is not None:
            self.connection.feed(rfb_messages.message(self.reader))
            loop_module.deliver(self.loop, self.connection)
        elif kind == 8:
            self.region.spoil(self.reader, _DOMAIN_R, (
                1, self.host.epoch << 32, self.host.epoch << 32 | 1,
                *_ROOMS, *(display.SizeWanted(
                    rfb_messages.side(self.reader),
                    rfb_messages.side(self.reader),
                    self.reader.byte()).word(self.host.epoch)
                    for _ in range(2))))
        elif kind == 9:
            self.host.state = self.reader.pick(tuple(host_end.HostState))
            self.host.epoch += self.reader.byte() & 1
        elif kind == 10:
            self.machine.state = self.reader.pick(tuple(wire.PairState))
            self.machine.output_flows = self.reader.byte() < 200
            self.machine.region_writable = self.reader.byte() < 200
        elif kind == 11:
            self.device.armed()
            picture = self.device.carry_over()['picture']
            oracle.check(picture is None or len(picture.bands)
                         == display.band_count(picture.height),
                         'a picture with other bands')
            if picture is not None and self.reader.byte() & 1:
                self.device.arrived(types.SimpleNamespace(picture=picture))
        elif kind == 12:
            self.device.arrived(None)
        elif kind == 13 and self.connection is not None:
            self.connection.over = self.reader.byte() > 128
            loop_module.deliver(self.loop, self.connection)
        elif kind == 14:
            self.machine.state = wire.PairState.LIVE
            self.machine.output_flows = self.machine.region_writable = True
            self.host.state = host_end.HostState.OPEN
            self.region.true_words[_DOMAIN_R[0]] = 1
        self.loop.run(self.reader.byte() / 200)
        self.look()
        self.device.status()


def run(data: bytes) -> None:
    """Both peers send and write what they like."""
    loop = loop_module.Loop()
    with mock.patch.object(device_module, 'time', types.SimpleNamespace(
            monotonic=loop.time)):
        world = _World(reader_module.Reader(data), loop)
        for _ in world.reader.steps(30):
            world.step()
        # The tests of one process share the buffer.
        world.device.ended('the end of this input')
