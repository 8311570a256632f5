# SPDX-License-Identifier: Apache-2.0
"""The shadow device of the instance's display.

It reads QEMU's display only while Domain R's has viewers, and asks
for the next picture when Domain R has dealt with the last.
"""

import logging
import time
from typing import Any

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import display
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.display import connection
from nova_dmore.worker.devices.display import resizing
from nova_dmore.worker.devices.display import rfb
from nova_dmore.worker.devices.display import source as source_module
from nova_dmore.worker.devices.display import wanted as wanted_module

LOG = logging.getLogger(__name__)

#: All of the picture is asked for at most this often, whatever the guest
#: does with its video modes, in seconds.
REFRESH_INTERVAL_S = 0.1

#: QEMU is asked again this much later: it forgets a request when the guest
#: changes its video mode, and it refreshes an idle display as rarely as every
#: 3 s. In seconds.
REMIND_S = 0.5

#: QEMU is asked for the next changes although Domain R has not dealt with the
#: last ones, if these cover at most one part in so many of the picture.
AHEAD_SHARE = 16

#: When QEMU should refresh what an event of input has changed, in seconds
#: after it, until something is found. Refreshes are 30 ms apart at least: one
#: at once would find nothing, and delay the next.
HURRY_S = (0.01, 0.04, 0.07, 0.11)

#: A destination opens without knowing what the clients have been shown if
#: the source does not say so this much after the picture is there, seconds.
CARRIED_PATIENCE_S = 0.25

#: Rectangles of one update that are passed on as they are.
_RECTANGLES_MAX = 32


class DisplayDevice(base.ShadowDevice, source_module.Sink):
    """Keeps the picture in the region like the instance's."""

    def __init__(self, context: base.DeviceContext,
                 make_source: connection.MakeSource = rfb.RfbSource) -> None:
        self._context = context
        self._loop = context.loop
        self._machine = context.machine
        self._host_end = context.host_end
        self._display = display.HostDisplay(context.region)
        self._wanted = wanted_module.Wanted(context, self._display)
        self._resizing = resizing.Resizing(context, self._display)
        self._connection = connection.Connection(
            context, make_source, self, self.update)
        # Of QEMU's picture, while it is known.
        self._size: tuple[int, int] | None = None
        self._cursor: display.Cursor | None = None
        self._leds: int | None = None
        self._leds_told = False     # by this connection
        # Whether QEMU is new here: it may not know the lights of a guest that
        # came with them on.
        self._leds_moved = False
        self._applied = False       # size and cursor are in the region
        self._forgotten = 0         # the epoch in which they were last
        self._refreshed_at = 0.0
        self._reminded_at = 0.0
        self._told_at = 0.0         # when damage was published
        # Damaged pixels since Domain R had dealt with all damage.
        self._ahead = 0
        self._epoch = 0             # the one that is opened, or to be
        self._refresh = False       # all of the picture is (to be) asked for
        self._requested = False
        self._covered = 0           # pixels that came since
        self._complete_at: float | None = None
        # What the source host carried over.
        self._arrived: display.Picture | None = None
        self._arrival_open = False  # it is not used up
        self._hurries: list[float] = []
        self._timer: loop_module.Handle | None = None
        context.input_taken.append(self._input_taken)

    # -- base.ShadowDevice

    def pump(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self.update()

    def update(self) -> None:
        """See :class:`base.ShadowDevice`."""
        now = time.monotonic()
        self._wanted.see_viewers(now)
        wanted = self._wanted.is_wanted(now)
        if self._connection.source is None:
            if wanted:
                self._connection.open(now)
            elif self._wanted.flows():
                self._forget_pixels()
        elif not wanted and self._machine.output_flows:
            self._connection.close()
            self._lose()
            self._forgotten = 0
        if self._connection.source is not None:
            self._connection.source.listen(self._wanted.listens())
            if self._wanted.flows():
                self._follow(self._connection.source, now)
        self._set_timer(now)

    def armed(self) -> None:
        """See :class:`base.ShadowDevice`."""
        if self._display.is_open:
            # Now, for it takes milliseconds; only what changes until the
            # stop is left for then.
            self._display.picture()

    def opened(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self.update()

    def arrived(self, carried: carry_over_module.CarryOver | None) -> None:
        """See :class:`base.ShadowDevice`."""
        self._leds = self._leds or None
        self._leds_moved = self._leds is None
        if carried is None:
            self._arrival_open = True
        elif self._arrival_open:
            self._arrived = carried.picture
            self.update()

    def carry_over(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        return {'picture': self._display.seen_picture()}

    def status(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        return {'connected': self._connection.source is not None,
                'open': self._display.is_open,
                'width': self._display.width,
                'height': self._display.height,
                'viewers': min(self._display.viewers, 0xffff)}

    # -- source.Sink

    def resized(self, width: int, height: int) -> None:
        """See :class:`source.Sink`."""
        self._size = width, height
        self._applied = False
        self._begin_refresh()
        self._loop.call_soon(self.update)

    def target(self, y: int, height: int) -> source_module.Target | None:
        """See :class:`source.Sink`."""
        if not (self._applied and self._wanted.flows()):
            return None
        shown = max(0, min(height, self._display.height - y))
        if shown:
            self._display.writing(y, shown)
        return (self._display.framebuffer, self._display.width,
                self._display.height)

    def updated(self, rectangles: list[display.Rectangle]) -> None:
        """See :class:`source.Sink`."""
        if not self._applied:
            return
        now = time.monotonic()
        self._hurries.clear()
        if self._display.is_open:
            if rectangles:
                self._publish(rectangles, now)
        else:
            self._covered += sum(each[2] * each[3] for each in rectangles)
            if self._covered >= self._display.width * self._display.height:
                self._complete_at = self._complete_at or now
        self.update()

    def cursor(self, cursor: display.Cursor | None) -> None:
        """See :class:`source.Sink`."""
        self._cursor = cursor
        if self._applied and self._wanted.flows():
            self._display.set_cursor(cursor)
            self._context.ring(wire.Vector.DISPLAY)
        else:
            self._applied = False

    def leds(self, leds: int) -> None:
        """See :class:`source.Sink`."""
        if leds or self._leds_told:
            self._leds_moved = False
        self._leds_told = True
        # QEMU's USB and virtio keyboards migrate the lights and tell nobody.
        self._leds = None if self._leds_moved else leds
        if self._applied and self._wanted.flows():
            self._display.set_leds(self._leds)
            self._context.ring(wire.Vector.DISPLAY)
        else:
            self._applied = False

    def size_answered(self, status: int) -> None:
        """See :class:`source.Sink`."""
        self._resizing.answered(status)
        self._loop.call_soon(self.update)

    def ended(self, reason: str) -> None:
        """See :class:`source.Sink`."""
        self._connection.ended(reason)
        self._leds_moved = False    # the next one is another QEMU
        self._lose()
        self._loop.call_soon(self.update)

    def _lose(self) -> None:
        self._size = None
        self._resizing.lost()
        self._leds_told = False
        self._applied = False
        if self._display.is_open:
            self._display.shut()
        self._begin_refresh()

    # -- the picture

    def _forget_pixels(self) -> None:
        """No viewer is there: pixels take no memory meanwhile, neither those
        that were shown nor what a migration of Domain R has read of them.
        It takes about a millisecond for each MiB: so not while somebody does.
        """
        if self._forgotten != self._host_end.epoch:
            self._forgotten = self._host_end.epoch
            self._display.forget_pixels()

    def _begin_refresh(self) -> None:
        self._refresh = True
        self._requested = False
        self._covered = 0
        self._complete_at = None

    def _follow(self, source: source_module.Source, now: float) -> None:
        """Bring the region up to date."""
        if self._size is None:
            return      # still greeting
        if self._host_end.epoch != self._epoch:
            self._epoch = self._host_end.epoch
            self._display.shut()
            self._begin_refresh()
        size = self._display.room.crop(*self._size)
        # Another Domain R may have room for less, or for more.
        if not self._applied or size != (
                self._display.width, self._display.height):
            self._applied = True
            if (*size, self._size) != (
                    self._display.width, self._display.height,
                    self._display.whole):
                self._display.set_mode(*size, self._size)
                self._begin_refresh()
            elif self._display.is_open:
                # It is a part of a picture of another size now.
                self._display.shut()
            self._display.set_cursor(self._cursor)
            self._display.set_leds(self._leds)
        if self._complete_at is not None:
            self._open(self._complete_at, now)
        if self._wanted.is_open():
            self._resizing.follow(source, now)
        if self._display.is_open:
            self._request_changes(source, now)
        elif (not self._requested
                and now >= self._refreshed_at + REFRESH_INTERVAL_S):
            self._request_everything(source, now)
        if self._waits(source) and now >= self._reminded_at + REMIND_S:
            self._reminded_at = now
            source.hurry()
            source.request(self._refresh)
        elif self._hurries and now >= self._hurries[0]:
            self._hurries.pop(0)
            source.hurry()

    def _waits(self, source: source_module.Source) -> bool:
        """Whether QEMU owes an answer, or may do so."""
        if self._refresh:
            return self._requested and self._complete_at is None
        return source.asked

    def _request_everything(self, source: source_module.Source, now: float
                            ) -> None:
        self._requested = True
        self._refreshed_at = self._reminded_at = now
        self._covered = 0
        source.hurry()
        source.request(True)

    def _request_changes(self, source: source_module.Source, now: float
                         ) -> None:
        if self._display.seen:
            self._ahead = 0
        # The answer to a key is small, and does not wait for the one before.
        small = self._display.width * self._display.height // AHEAD_SHARE
        if not source.asked and (
                self._ahead <= small
                or now >= self._told_at + wire.DISPLAY_PATIENCE_S):
            self._reminded_at = now
            source.request(False)

    def _open(self, complete_at: float, now: float) -> None:
        """The picture is complete: show it as soon as Domain R can read it."""
        if not self._wanted.is_open():
            return
        if (self._arrival_open and self._arrived is None
                and now < complete_at + CARRIED_PATIENCE_S):
            return
        picture = self._arrived and self._display.picture()
        if picture is not None:
            damage = display.changed_bands(self._arrived, picture)
        else:
            damage = [(0, 0, self._display.width, self._display.height)]
        LOG.info('Picture of %dx%d after %.0f ms, %d of %d rows are new',
                 self._display.width, self._display.height,
                 (complete_at - self._refreshed_at) * 1000,
                 sum(each[3] for each in damage), self._display.height)
        self._arrived = None
        self._arrival_open = False
        self._refresh = False
        self._complete_at = None
        self._connection.works()
        self._display.open(self._epoch, damage)
        self._ahead = sum(each[2] * each[3] for each in damage)
        self._told_at = now
        self._context.ring(wire.Vector.DISPLAY)

    def _publish(self, rectangles: list[display.Rectangle], now: float
                 ) -> None:
        if len(rectangles) > _RECTANGLES_MAX:
            bands = {band for _, y, _, height in rectangles
                     for band in display.bands_of(y, height)}
            rectangles = display.bands_to_rectangles(
                bands, self._display.width, self._display.height)
        self._display.damage(rectangles)
        self._ahead += sum(each[2] * each[3] for each in rectangles)
        self._told_at = now
        self._context.ring(wire.Vector.DISPLAY)

    def _input_taken(self) -> None:
        """QEMU has an event: what it changes should be seen soon."""
        if self._connection.source is not None and self._display.is_open:
            now = time.monotonic()
            self._hurries = [now + each for each in HURRY_S]
            self.update()

    def _set_timer(self, now: float) -> None:
        """Be called again when time alone changes something."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = []
        source = self._connection.source
        if source is None:
            retry_at = self._connection.retry_at
            if self._wanted.is_wanted(now) and retry_at is not None:
                times.append(retry_at)
        elif self._wanted.flows() and self._size is not None:
            times += self._hurries[:1]
            if self._wanted.is_open() and self._resizing.due_at is not None:
                times.append(self._resizing.due_at)
            if self._waits(source):
                times.append(self._reminded_at + REMIND_S)
            elif self._display.is_open:
                times.append(self._told_at + wire.DISPLAY_PATIENCE_S)
            if self._complete_at is not None and self._wanted.is_open():
                times.append(self._complete_at + CARRIED_PATIENCE_S)
            elif not self._requested and self._complete_at is None:
                times.append(self._refreshed_at + REFRESH_INTERVAL_S)
        if times:
            self._timer = self._loop.call_later(
                max(0.001, min(times) - now), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.update()
