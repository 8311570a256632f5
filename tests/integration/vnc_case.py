# SPDX-License-Identifier: Apache-2.0
"""The VNC server with the real library, on a region in this process."""

import asyncio
import random
import socket
import struct
import unittest
from typing import Any

from nova_dmore.channel import display
from nova_dmore.channel.host import end as host_end
from nova_dmore.domr.servers.vnc import desktop
from nova_dmore import wire
from tests.integration import rfb
from tests.integration import vnc_process
from tests.unit.domr import pair

#: Where struct tcp_info has tcpi_data_segs_in (linux/tcp.h).
_DATA_SEGMENTS = struct.Struct('152x I')
SERVERS = {'vnc': 'nova_dmore.domr.servers.vnc.server'}


def data_segments(client: rfb.Client) -> int:
    """How many segments with data have come to a client."""
    info = client.writer.get_extra_info('socket').getsockopt(
        socket.IPPROTO_TCP, socket.TCP_INFO, _DATA_SEGMENTS.size)
    return _DATA_SEGMENTS.unpack(info)[0]


class Painter:
    """The host's shadow device: paints when there is a viewer.

    :ivar pixels: what the picture is to be
    """

    def __init__(self, running: pair.Pair, width: int, height: int) -> None:
        self._pair = running
        self.display: display.HostDisplay = running.display
        self.paints = True
        self.random = random.Random(0)
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        """Begin a picture of another size, of few colours in places."""
        self.width, self.height = width, height
        pixels = bytearray()
        for row in range(height):
            colours = self.random.randbytes(4 * (1 + row % 3))
            pixels += (colours * width)[:width * 4]
        self.pixels = pixels
        self.display.shut()

    async def run(self) -> None:
        """Paint whenever the picture is to be good and is not."""
        while True:
            await asyncio.sleep(0.002)
            if (self.paints and self.display.viewers
                    and not self.display.is_open
                    and self._pair.host.state is host_end.HostState.OPEN):
                self.paint()

    def paint(self, damage: list[display.Rectangle] | None = None) -> None:
        """Write the picture, all anew; the records say so, or what is said.
        """
        if (self.display.width, self.display.height) != (self.width,
                                                         self.height):
            self.display.set_mode(self.width, self.height)
        self.display.framebuffer[:len(self.pixels)] = self.pixels
        self.display.open(self._pair.host.epoch, [
            (0, 0, self.width, self.height)] if damage is None else damage)
        self._pair.ring(wire.Vector.DISPLAY)

    def scribble(self) -> None:
        """Change a random rectangle: noise, one colour, or two."""
        width = self.random.randint(1, self.width)
        height = self.random.randint(1, self.height)
        x = self.random.randint(0, self.width - width)
        y = self.random.randint(0, self.height - height)
        colours = self.random.choice((1, 2, 300))
        palette = [self.random.randbytes(4) for _ in range(colours)]
        for row in range(y, y + height):
            start = (row * self.width + x) * 4
            data = b''.join(self.random.choices(palette, k=width))
            self.pixels[start:start + width * 4] = data
            self.display.framebuffer[start:start + width * 4] = data
        self.display.damage([(x, y, width, height)])
        self._pair.ring(wire.Vector.DISPLAY)


class Case(unittest.IsolatedAsyncioTestCase):
    """Tests with a running pair that has a VNC server.

    :ivar pair: the pair
    :ivar painter: its picture
    :ivar port: of the VNC server
    :ivar servers: of the pair
    :ivar processes: those that serve the sessions
    """

    #: What the process is built with to find its own faults; none: it is
    #: built as the image has it.
    SANITIZERS = ''

    #: Of the region, in bytes.
    REGION_SIZE = wire.REGION_SIZE

    servers = SERVERS

    @classmethod
    def setUpClass(cls) -> None:
        cls.vnc_program = vnc_process.program(cls.SANITIZERS)

    async def serve(self, width: int = 64, height: int = 48,
                    **changes: Any) -> None:
        """Start a pair; ``changes`` are those of the ``vnc`` field."""
        vnc = pair.vnc(**changes)
        self.port = vnc['port']
        self.processes = vnc_process.Processes(self.vnc_program)
        self.addCleanup(self.processes.finish)
        self.pair = pair.Pair(pair.config(vnc=vnc), self.servers,
                              self.processes.start, self.REGION_SIZE)
        await self.enterAsyncContext(self.pair)
        self.desktop = self.pair.agent._screen.viewer
        assert isinstance(self.desktop, desktop.Desktop)
        self.addAsyncCleanup(self.desktop.close)
        self.painter = Painter(self.pair, width, height)
        task = asyncio.create_task(self.painter.run())
        self.addCleanup(task.cancel)

    async def connect(self, **options: Any) -> rfb.Client:
        """A client that is cut off at the end of the test."""
        client = await rfb.connect(self.port, **options)
        self.addAsyncCleanup(client.close)
        return client

    async def view(self, **options: Any) -> rfb.Client:
        """A client that has the whole picture."""
        client = await self.connect(**options)
        client.request(incremental=False)
        await client.update()
        await client.update_to(self.painter.pixels)
        return client

    def warnings(self) -> list[str]:
        """What was logged, but for information."""
        return [each['text'] for each in self.pair.said('log')
                if each['level'] != 'info']
