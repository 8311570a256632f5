# SPDX-License-Identifier: Apache-2.0
"""The shadow device of the instance's keyboard and pointer.

An event is taken when QEMU's ``input-send-event`` has succeeded; a QEMU whose
guest does not run refuses it, so that nothing is lost at a stop. One command
is on its way at a time. The keeper remembers the last one by its offset in the
stream: a worker that follows a killed one learns from it what became of that.
"""

import logging
import time
from collections.abc import Collection
from typing import Any, TypeAlias

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import errors
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.channel import text
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.keyboard import pacing
from nova_dmore.worker.devices.keyboard import standstill

LOG = logging.getLogger(__name__)

_STREAM = wire.Stream.INPUT0_IN
_SIZE = wire.INPUT_RECORD_SIZE

#: QEMU's words for a guest that does not run (qmp_input_send_event).
_NOT_RUNNING = 'VM not running'
#: Its words if the guest has no tablet.
_NO_TABLET = 'event type abs'

#: An event that QEMU did not want yet is offered again so much later.
_RETRY_S = 0.05

#: Those that every release knows: the first seven of input_event.BUTTONS.
_CARRIED_BUTTONS = 0x7f

#: Keys that are released with one command, which has a limit.
_LIFTED_MAX = 8

#: What a pointer without a position has moved over, if nothing is known.
_DEFAULT_SIZE = (1024, 768)

#: An InputEvent of QEMU's QMP.
_QemuEvent: TypeAlias = dict[str, Any]
#: x and y in pixels.
_Place: TypeAlias = tuple[int, int]


class InputDevice(base.ShadowDevice):
    """Hands the stream INPUT0_IN to QEMU."""

    streams = (_STREAM,)

    def __init__(self, context: base.DeviceContext) -> None:
        self._context = context
        self._host_end = context.host_end
        self._journal = context.journal
        self._machine = context.machine
        self._pacer = pacing.Pacer()
        self._timer: loop_module.Handle | None = None
        self._flowed = False
        # The note of the event that is on its way; see ToKeeper.QMP.
        self._on_way: messages.Message | None = None
        self._reported = False      # as ambiguous
        self._buttons = 0
        self._down: frozenset[int] = frozenset()    # numbers of keys
        self._lifting = False
        # Keys that are down in the guest, and whose release was dropped.
        self._released: set[int] = set()
        self._standstill = standstill.Standstill(
            self._machine, context.loop, self.pump)
        # Where a pointer without position is.
        self._place: _Place | None = None
        self._arrival_open = False  # the source's buttons may come yet
        self._relative = False
        self._known: set[str] = set()   # troubles that were logged
        self.dropped = 0
        last = context.last_input
        if last is not None:
            self._recover(last)

    @property
    def taken(self) -> int:
        """Offset up to which QEMU has the input."""
        return self._journal.position(_STREAM)

    # -- base.ShadowDevice

    def pump(self) -> None:
        """See :class:`base.ShadowDevice`."""
        now = time.monotonic()
        flows = self._machine.input_flows
        if flows and not self._flowed:
            self._pacer.resumed(now)
            # It may be another QEMU.
            self._relative = False
            self._place = None
        self._flowed = flows
        if self._standstill.has_lasted(now) and self._on_way is None:
            self._drop_waiting()
        if flows and self._released and self._on_way is None and (
                self._timer is None):
            part = sorted(self._released)[:_LIFTED_MAX]
            self._released.difference_update(part)
            self._execute_lift(part, self._buttons)
        if self._lifting and self._on_way is None and self._timer is None:
            self._lift()
        while (flows and self._on_way is None and self._timer is None and
                self._send(now)):
            pass

    def is_settling(self) -> bool:
        """See :class:`base.ShadowDevice`: QEMU refuses what comes after the
        stop, so what it has accepted is in its state."""
        return self._on_way is not None

    def settle(self) -> None:
        """See :class:`base.ShadowDevice`."""
        if self._on_way is not None:
            self._ambiguous(self._on_way, 'QEMU had not answered when it '
                            'stopped; it is sent again')

    def thaw(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._flowed = False

    def carry_over(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        # A host of release 0.2 refuses a carry-over with more.
        return {'buttons': self._buttons & _CARRIED_BUTTONS}

    def arrived(self, carried: carry_over_module.CarryOver | None) -> None:
        """See :class:`base.ShadowDevice`."""
        if carried is None:
            self._arrival_open = True
        elif self._arrival_open:
            self._arrival_open = False
            self._buttons = carried.buttons

    def domain_r_lost(self) -> None:
        """See :class:`base.ShadowDevice`: what its clients held down would
        stay so."""
        if self._on_way is not None:
            # Nobody can send it again, and the next Domain R begins after it:
            # a late answer counts for no event of that one, whichever worker
            # hears it.
            self._take(self._on_way['offset'], self._on_way['size'])
        self._lifting = bool(self._down or self._buttons)
        self.pump()

    def status(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        return {'dropped': self.dropped}

    # -- sending

    def _send(self, now: float) -> bool:
        """Send what comes next -> whether to go on at once."""
        data = self._host_end.readable(_STREAM)
        waiting = len(data) // _SIZE
        self._pacer.waiting(waiting, now)
        if not waiting:
            return False
        count, event = _next(data)
        if event is None:
            self._drop('Domain R sent what is no event')
            self._take(self.taken, _SIZE)
            return True
        moved_only = (isinstance(event, input_event.Pointer) and
                      event.buttons == self._buttons)
        delay = 0 if moved_only else self._pacer.delay(now)
        if delay > 0:
            self._wait(delay)
            return False
        if not moved_only:
            self._pacer.sent(now)
        note = self._note(count * _SIZE,
                          getattr(event, 'buttons', self._buttons),
                          self._down_after(event))
        place = self._pixels(event)
        events = self._qemu_events(event, place)
        if not events:      # the first place of a pointer without one
            self._place = place
            self._take(note['offset'], note['size'])
            return True
        self._on_way = note
        if isinstance(event, input_event.Pointer):
            self._arrival_open = False
        self._context.commands.execute(
            'input-send-event', {'events': events},
            lambda reply: self._replied(reply, place), note)
        return False

    def _note(self, size: int, buttons: int, down: Collection[int]
              ) -> messages.Message:
        return {'offset': self.taken, 'size': size,
                'before': self._buttons, 'buttons': buttons,
                'down_before': sorted(self._down), 'down': sorted(down)}

    def _down_after(self, event: input_event.Event) -> frozenset[int]:
        if not isinstance(event, input_event.Key):
            return self._down
        return (self._down | {event.number} if event.down
                else self._down - {event.number})

    def _lift(self) -> None:
        """Release everything that is down."""
        if not self._machine.instance_running or not (
                self._machine.output_flows):
            return      # it does not run here now: try again later
        self._lifting = False
        self._execute_lift(self._down, 0)

    def _execute_lift(self, numbers: Collection[int], buttons: int) -> None:
        """Release keys, and the buttons that are others then."""
        events = [_key(number, False) for number in sorted(numbers)]
        events += _button_events(self._buttons, buttons)
        self._on_way = note = self._note(0, buttons,
                                         self._down.difference(numbers))
        self._context.commands.execute(
            'input-send-event', {'events': events}, self._replied, note)

    def _drop_waiting(self) -> None:
        """Drop what waits for an instance that is paused or off."""
        count = self._standstill.drop(self._host_end.readable(_STREAM),
                                      self._down, self._released)
        if count:
            self.dropped += count
            self._take(self.taken, count * _SIZE)

    def _wait(self, seconds: float) -> None:
        self._timer = self._context.loop.call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    def _qemu_events(self, event: input_event.Event, place: _Place | None
                     ) -> list[_QemuEvent]:
        """-> InputEvents of QEMU's QMP."""
        if isinstance(event, input_event.Key):
            return [_key(event.number, event.down)]
        if self._relative:
            assert place is not None    # only that of a key is None
            old = self._place or place
            events = [{'type': 'rel', 'data': {'axis': axis, 'value': by}}
                      for axis, by in (('x', place[0] - old[0]),
                                       ('y', place[1] - old[1])) if by]
        else:
            events = [{'type': 'abs', 'data': {'axis': axis, 'value': value}}
                      for axis, value in (('x', event.x), ('y', event.y))]
        return events + _button_events(self._buttons, event.buttons)

    def _pixels(self, event: input_event.Event) -> _Place | None:
        """-> where a pointer is, in pixels, or None for a key."""
        if isinstance(event, input_event.Key):
            return None
        mode = self._context.region.words[region.DISPLAY_MODE]
        mode = mode >> 32 or mode   # that of the whole picture, if it is said
        width, height = ((mode & 0xffff, mode >> 16) if mode
                         else _DEFAULT_SIZE)
        return (event.x * width // (input_event.POINTER_MAX + 1),
                event.y * height // (input_event.POINTER_MAX + 1))

    # -- answers

    def _replied(self, reply: messages.Message, place: _Place | None = None
                 ) -> None:
        """QEMU, or the keeper for it, has answered."""
        note, self._on_way = self._on_way, None
        assert note is not None     # only what is on its way is answered
        failure = reply.get('failure')
        error = str(reply.get('error'))
        if failure is None:
            if self._machine.state is wire.PairState.FROZEN:
                self._ambiguous(note, 'QEMU answered when its state had been '
                                'saved, or nearly so')
            if place is not None:
                self._place = place
            self._settled(note)
            for each in self._context.input_taken:
                each()
        elif failure == messages.Failure.LOST:
            self._ambiguous(note, 'QEMU went away while it took this event; '
                            'it is sent again')
            self._later(note)
        elif failure == messages.Failure.NOT_SENT or _NOT_RUNNING in error:
            self._later(note)
        elif _NO_TABLET in error and not self._relative:
            LOG.info('The guest has no tablet: its pointer is moved')
            self._relative = True
        else:
            self._drop(f'QEMU does not take an event: {error}')
            self._settled(note)
        self._reported = False
        self.pump()

    def _later(self, note: messages.Message) -> None:
        """Have it sent again."""
        if not note['size']:
            if note['down'] or note['buttons']:
                self._released |= set(note['down_before']).difference(
                    note['down'])
            else:
                self._lifting = True
        if self._timer is None:
            self._wait(_RETRY_S)

    def _settled(self, note: messages.Message) -> None:
        """QEMU has, or will never have, what was on its way."""
        self._buttons = note['buttons']
        self._down = frozenset(note['down'])
        self._take(note['offset'], note['size'])

    def _take(self, offset: int, size: int) -> None:
        """Record that QEMU has what begins at ``offset``."""
        if offset != self.taken:
            return      # the offsets are those of another Domain R by now
        self._host_end.take(_STREAM, size)

    def _recover(self, last: messages.Message) -> None:
        """Settle what the last worker had sent."""
        if last['offset'] != self.taken:
            self._buttons = last['buttons']
            self._down = frozenset(last.get('down', ()))
            return
        self._buttons = last['before']
        self._down = frozenset(last.get('down_before', ()))
        self._on_way = last
        if last['answer'] is None:
            self._context.commands.expect(last['id'], self._replied)
        else:
            # Not at once: the pair, to which a gap is reported, is not
            # complete yet.
            self._context.loop.call_soon(self._replied, last['answer'])

    def _ambiguous(self, note: messages.Message, reason: str) -> None:
        if not self._reported and note['size']:
            self._reported = True
            self._context.report_gap(
                _STREAM, wire.GapKind.AMBIGUOUS, reason,
                note['offset'], note['size'])

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        if reason not in self._known and len(self._known) < 16:
            self._known.add(reason)
            LOG.warning('%s', text.printable(reason))


def _key(number: int, down: bool) -> _QemuEvent:
    return {'type': 'key', 'data': {
        'key': {'type': 'number', 'data': number}, 'down': down}}


def _button_events(before: int, after: int) -> list[_QemuEvent]:
    """What changes between two states of all buttons."""
    return [{'type': 'btn', 'data': {
                'button': name, 'down': bool(after >> bit & 1)}}
            for bit, name in enumerate(input_event.BUTTONS)
            if (before ^ after) >> bit & 1]


def _next(data: bytes) -> tuple[int, input_event.Event | None]:
    """-> (records, event): the next one, and how many it stands for.

    Of a pointer that moves with the same buttons only the last place counts.
    The event is None if the first record is none.
    """
    event: input_event.Event | None = None
    count = 0
    for start in range(0, len(data) - _SIZE + 1, _SIZE):
        try:
            found = input_event.unpack(data[start:start + _SIZE])
        except errors.InputEventError:
            break
        if event is not None and not (
                isinstance(event, input_event.Pointer) and
                isinstance(found, input_event.Pointer) and
                event.buttons == found.buttons):
            break
        event, count = found, count + 1
        if isinstance(event, input_event.Key):
            break
    return count, event
