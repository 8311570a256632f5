# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to it: at rest a viewer has what QEMU shows."""

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore import wire
from tests import examples
from tests.unit.worker.devices.display import display_case

State = wire.PairState
SIZES = ((16, 12), (8, 5), (16, 5))
_SMALL = strategies.integers(0, 63)


class Qemu:
    """A display as QEMU's VNC server tells it: what has changed when it is
    asked, all the rest by itself.

    :ivar source: its client, if there is one
    """

    def __init__(self) -> None:
        self.size = SIZES[0]
        self.pixels = bytearray(16 * 12)    # the first byte of each
        self.cursor: display.Cursor | None = None
        self.leds = 0
        self.source = None
        self.dirty: set[tuple[int, int]] = set()
        self.wanted = False

    def connected(self, source) -> None:
        self.source, self.wanted = source, False
        source.qemu = self
        source.sink.resized(*self.size)
        source.sink.cursor(self.cursor)
        source.sink.leds(self.leds)

    def asked(self, everything: bool) -> None:
        self.wanted = True
        if everything:
            self.dirty = {(x, y) for x in range(self.size[0])
                          for y in range(self.size[1])}

    def draw(self, x: int, y: int, value: int) -> None:
        x, y = x % self.size[0], y % self.size[1]
        self.pixels[y * self.size[0] + x] = value
        self.dirty.add((x, y))

    def resize(self, size: tuple[int, int], value: int, forgets: bool
               ) -> None:
        self.size = size
        self.pixels = bytearray([value]) * (size[0] * size[1])
        self.asked(True)
        self.wanted = not forgets
        if self.listens:
            self.source.sink.resized(*size)

    @property
    def listens(self) -> bool:
        return (self.source is not None and not self.source.closed
                and self.source.listening)

    def answer(self) -> None:
        """Send what was asked for, row by row."""
        if not (self.wanted and self.listens and self.dirty):
            return
        self.wanted = False
        rows: dict[int, list[int]] = {}
        for x, y in self.dirty:
            rows.setdefault(y, []).append(x)
        self.dirty = set()
        written = []
        for y, places in rows.items():
            x, wide = min(places), max(places) - min(places) + 1
            target = self.source.sink.target(y, 1)
            if target is None:
                continue
            buffer, width, height = target
            if y >= height:
                continue
            wide = min(wide, width - x)
            for at in range(x, x + wide):
                buffer[(y * width + at) * 4] = self.pixels[
                    y * self.size[0] + at]
            written.append((x, y, wide, 1))
        self.source.asked = False
        self.source.sink.updated(written)


class Source(display_case.FakeSource):

    qemu: Qemu | None = None

    def request(self, everything):
        super().request(everything)
        if self.qemu is not None:
            self.qemu.asked(everything)


class AtRestTest(display_case.DisplayCase):

    def make_source(self, *arguments):
        self.sources.append(Source(*arguments))
        return self.sources[-1]

    def step(self, qemu: Qemu, what: str, number: int, value: int) -> None:
        live = self.machine.state is State.LIVE
        if what == 'draw':
            qemu.draw(number, value, value + 1)
        elif what == 'resize':
            if qemu.listens or qemu.source is None or qemu.source.closed:
                qemu.resize(SIZES[number % 3], value, bool(number & 4))
        elif what == 'cursor':
            qemu.cursor = None if number % 5 == 0 else display.Cursor(
                1, 1, 0, 0, bytes([value, number, 0, 0xff]))
            if qemu.listens:
                qemu.source.sink.cursor(qemu.cursor)
        elif what == 'leds':
            qemu.leds = number & 7
            if qemu.listens:
                qemu.source.sink.leds(qemu.leds)
        elif what == 'answer':
            qemu.answer()
        elif what == 'redraw':
            self.viewer.redraw()
            self.device.update()
        elif what == 'time':
            self.loop.run(number / 20)
        elif what == 'viewers':
            self.viewer.display.set_viewers(number & 1)
            self.device.update()
        elif what == 'ended' and qemu.source is not None:
            if not qemu.source.closed:
                qemu.source.closed = True
                qemu.source.sink.ended('gone')
            qemu.source = None
        elif what == 'connect' and self.wishes:
            self.connect()
            qemu.connected(self.source)
        elif what == 'epoch' and live:
            self.raise_epoch()
        elif what == 'stop':
            self.machine.set(State.FROZEN if live else State.LIVE)
            self.device.update()
            if not live:
                self.raise_epoch()

    def settle(self, qemu: Qemu) -> None:
        if self.machine.state is not State.LIVE:
            self.step(qemu, 'stop', 0, 0)
        self.step(qemu, 'viewers', 1, 0)
        for _ in range(12):
            for each in ('connect', 'answer', 'redraw', 'time'):
                self.step(qemu, each, 8, 0)

    @examples.settings(60)
    @hypothesis.given(strategies.lists(strategies.tuples(
        strategies.sampled_from((
            'draw', 'resize', 'cursor', 'leds', 'answer', 'redraw', 'time',
            'viewers', 'ended', 'connect', 'epoch', 'stop', 'answer',
            'redraw', 'draw')), _SMALL, _SMALL), max_size=40))
    def test_a_viewer_has_what_qemu_shows(self, steps):
        self.sources.clear()
        self.wishes.clear()
        self.machine.set(State.LIVE)
        self.begin()
        qemu = Qemu()
        self.raise_epoch()
        self.viewer.display.set_viewers(1)
        self.device.update()
        for each in steps:
            self.step(qemu, *each)
        self.settle(qemu)
        self.assertEqual(qemu.size, self.viewer.size)
        self.assertEqual(bytes(qemu.pixels), bytes(self.viewer.pixels[::4]))
        self.assertEqual(qemu.cursor, self.viewer.cursor)
        self.assertEqual(qemu.leds, self.viewer.display.leds())

    def begin(self):
        """Another pair."""
        self.loop.timers.clear()
        self.area.data[:] = bytes(len(self.area.data))
        self.domr = display_case.domr_end.DomainREnd(
            self.area, lambda vector: None)
        self.viewer = display_case.viewer.Viewer(self.domr, self.area)
        self.new_host()
