# SPDX-License-Identifier: Apache-2.0
"""The shadow device of the instance's keyboard and pointer.

An event is taken when QEMU's ``input-send-event`` has succeeded; a QEMU whose
guest does not run refuses it, so that nothing is lost at a stop, and a key is
sent when the guest has read those before it (:mod:`.room`). One command is on
its way at a time. The keeper remembers the last one by its offset in the
stream: a worker that follows a killed one learns from it what became of that.
What is held down, and what of it is to be let go, is in :mod:`.held`; how the
guest's pointer is moved, in :mod:`.pointer`.
"""

import logging
import time
from typing import Any

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel.host import end as host_end_module
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.channel import text
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.keyboard import held as held_module
from nova_dmore.worker.devices.keyboard import pacing
from nova_dmore.worker.devices.keyboard import pointer
from nova_dmore.worker.devices.keyboard import qemu_events
from nova_dmore.worker.devices.keyboard import room
from nova_dmore.worker.devices.keyboard import standstill

LOG = logging.getLogger(__name__)

_STREAM = wire.Stream.INPUT0_IN
_SIZE = wire.INPUT_RECORD_SIZE

#: QEMU's words for a guest that does not run (qmp_input_send_event).
_NOT_RUNNING = 'VM not running'

#: An event that QEMU did not want yet is offered again so much later.
_RETRY_S = 0.05

#: A keyboard that has no room is asked again so much later: a guest that reads
#: has made some.
_NO_ROOM_S = 0.01


class InputDevice(base.ShadowDevice):
    """Hands the stream INPUT0_IN to QEMU."""

    streams = (_STREAM,)

    def __init__(self, context: base.DeviceContext) -> None:
        self._context = context
        self._host_end = context.host_end
        self._journal = context.journal
        self._machine = context.machine
        self._pacer = pacing.Pacer()
        self._room = room.Room()
        self._is_asking = False     # the keyboard for its room
        self._timer: loop_module.Handle | None = None
        self._flowed = False
        # The note of the event that is on its way; see ToKeeper.QMP.
        self._on_way: messages.Message | None = None
        self._reported = False      # as ambiguous
        self._held = held_module.Held(context.kept.get('input'),
                                      context.note)
        self._standstill = standstill.Standstill(
            self._machine, context.loop, self.pump, context.instance_is_off)
        # And what waited is not dropped yet.
        self._was_reset: bool = context.kept.get('input', {}).get(
            'was_reset', False)
        self._pointer = pointer.Pointer()
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
            self._room.forget()
            self._pointer.forget()
        self._flowed = flows
        if self._on_way is None:
            self._drop_old(now)
        if self._may_send() and self._lift():
            return      # first, for what comes may press it anew
        while flows and self._may_send() and self._send(now):
            pass

    def _may_send(self) -> bool:
        return (self._on_way is None and self._timer is None
                and not self._is_asking)

    def awaits_answer(self) -> bool:
        """See :class:`base.ShadowDevice`: QEMU refuses what comes after the
        stop, so what it has accepted is in its state."""
        return self._on_way is not None

    def frozen(self) -> None:
        """See :class:`base.ShadowDevice`."""
        if self._was_reset:
            # It would be typed at the destination. No key is down there.
            self.dropped += self._host_end.discard(_STREAM) // _SIZE
            self._was_reset = False
        if self._on_way is not None:
            self._ambiguous(self._on_way, 'QEMU had not answered when it '
                            'stopped; it is sent again')

    def thaw(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._flowed = False

    def carry_over(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        held = self._held
        return {'buttons': held.buttons, 'keys': held.keys,
                'owed_keys': held.owed_keys,
                'owed_buttons': held.owed_buttons}

    def arrived(self, carried: carry_over_module.CarryOver | None) -> None:
        """See :class:`base.ShadowDevice`."""
        if carried is None:
            # A worker that is gone may have sent some already.
            self._held.may_come(self._context.last_input is None)
        else:
            self._held.carried(carried)

    def was_reset(self) -> None:
        """See :class:`base.ShadowDevice`: what waits was typed at what ran
        before, and QEMU has forgotten what its keyboard held."""
        self._was_reset = True
        # Noted for a successor: it is done when the command that is on its way
        # was answered, and Domain R has joined.
        self._context.note()
        self._room.forget()
        self.pump()

    def opened(self) -> None:
        """See :class:`base.ShadowDevice`: it may have started anew while there
        was no worker."""
        self._held.is_held_by(self._journal.incarnation, self._on_way)

    def domain_r_lost(self) -> None:
        """See :class:`base.ShadowDevice`: what its clients held down would
        stay so."""
        if self._on_way is not None:
            # Nobody can send it again, and the next Domain R begins after it:
            # a late answer counts for no event of that one, whichever worker
            # hears it.
            self._take(self._on_way)
        # What waits would press keys that nobody lets go, and it is all that
        # came before a reset.
        self._was_reset = False
        self.dropped += self._host_end.discard(_STREAM) // _SIZE
        self._held.owe_all(self._on_way)
        self.pump()

    def to_notes(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        return {**self._held.to_notes(), 'was_reset': self._was_reset}

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
        count, event = qemu_events.following(data)
        if event is None:
            self._drop('Domain R sent what is no event')
            self._host_end.take(_STREAM, _SIZE)
            return True
        moved_only = (isinstance(event, input_event.Pointer) and
                      event.buttons == self._held.buttons)
        key = event if isinstance(event, input_event.Key) else None
        # First, so that QEMU answers while the time goes by.
        if key is not None and not self._has_room(key):
            return False
        delay = 0 if moved_only else self._pacer.delay(now)
        if delay > 0:
            self._wait(delay)
            return False
        if not moved_only:
            self._pacer.sent(now)
        if key is not None:
            self._room.sent(key)
        note = self._held.note(
            self.taken, count * _SIZE,
            getattr(event, 'buttons', self._held.buttons),
            self._held.keys_after(event))
        place: qemu_events.Place | None = None
        if isinstance(event, input_event.Key):
            events = [qemu_events.key(event.number, event.down)]
        else:
            place = qemu_events.pixels(
                event, self._context.region.words[region.DISPLAY_MODE])
            events = self._pointer.told(event, place, self._held.buttons)
        if not events:      # the first place of a pointer without one
            self._pointer.is_at(place)
            self._host_end.take(_STREAM, note['size'])
            return True
        self._held.sends(event)
        self._execute(events, note, place)
        return False

    def _has_room(self, key: input_event.Key) -> bool:
        """Whether there is room for a key; if not, it is tried again."""
        if not self._room.has_to_be_asked(key, self._pacer.is_slow):
            return True
        self._ask_for_room()
        return False

    def _ask_for_room(self) -> None:
        """Ask QEMU; what waits for it is tried again then."""
        def told(reply: messages.Message) -> None:
            self._is_asking = False
            if not self._room.told(reply, time.monotonic()) and (
                    self._timer is None):
                self._wait(_NO_ROOM_S)
            self.pump()
        self._is_asking = True
        self._context.commands.execute(
            'human-monitor-command', messages.KEYBOARD_STATUS, told)

    def _lift(self) -> bool:
        """Let go what is owed, a key at a time, then the buttons.

        :returns: whether something is not yet let go
        """
        held = self._held
        keys, buttons = held.owed_keys, held.owed_buttons
        if not keys and not buttons:
            held.owes_nothing()
            return False
        if not self._machine.instance_running or not (
                self._machine.output_flows):
            return True     # it does not run here now: later
        if not keys:
            left = held.buttons & ~buttons
            self._execute(qemu_events.buttons(held.buttons, left),
                          held.note(self.taken, 0, left, held.keys))
        elif self._has_room(key := input_event.Key(min(keys), False)):
            self._room.sent(key)
            self._execute(
                [qemu_events.key(key.number, False)],
                held.note(self.taken, 0, held.buttons, held.keys_after(key)))
        return True

    def _execute(self, events: list[qemu_events.QemuEvent],
                 note: messages.Message,
                 place: qemu_events.Place | None = None) -> None:
        self._on_way = on_way = dict(note)
        on_way['id'] = self._context.commands.execute(
            'input-send-event', {'events': events},
            lambda reply: self._replied(reply, place), note)

    def _drop_old(self, now: float) -> None:
        if self._standstill.has_lasted(now):
            self._drop_waiting()
        # Before an epoch is open nobody knows what waits.
        if (self._was_reset and self._host_end.state is
                host_end_module.HostState.OPEN):
            self._drop_waiting()
            self._was_reset = False
            self._context.note()

    def _drop_waiting(self) -> None:
        """Drop what waits for an instance that is paused or off."""
        data = self._host_end.readable(_STREAM)
        count = len(data) // _SIZE
        if count:
            self._standstill.drops(count)
            self._held.dropped(data)
            self.dropped += count
            self._host_end.take(_STREAM, count * _SIZE)

    def _wait(self, seconds: float) -> None:
        self._timer = self._context.loop.call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    # -- answers

    def _replied(self, reply: messages.Message,
                 place: qemu_events.Place | None = None) -> None:
        """QEMU, or the keeper for it, has answered."""
        note, self._on_way = self._on_way, None
        assert note is not None     # only what is on its way is answered
        failure = reply.get('failure')
        error = str(reply.get('error'))
        if failure is None:
            if self._machine.state is wire.PairState.FROZEN:
                self._ambiguous(note, 'QEMU answered when its state had been '
                                'saved, or nearly so')
            self._pointer.is_at(place)
            self._completed(note)
            for each in self._context.input_taken:
                each()
        elif failure == messages.Failure.LOST:
            self._ambiguous(note, 'QEMU went away while it took this event; '
                            'it is sent again')
            self._later(note)
        elif failure == messages.Failure.NOT_SENT or _NOT_RUNNING in error:
            self._later(note)
        elif not self._pointer.is_refused(error):
            self._drop(f'QEMU does not take an event: {error}')
            self._completed(note)
        self._reported = False
        self.pump()

    def _later(self, note: messages.Message) -> None:
        """Have it sent again."""
        if not note['size']:
            self._held.owe(
                set(note['down_before']).difference(note['down']),
                note['before'] & ~note['buttons'])
        if self._timer is None:
            self._wait(_RETRY_S)

    def _completed(self, note: messages.Message) -> None:
        """QEMU has, or will never have, what was on its way."""
        self._held.is_after(note)
        self._take(note)

    def _take(self, note: messages.Message) -> None:
        """Record that QEMU has what was sent with a note."""
        if self._counts(note):
            self._host_end.take(_STREAM, note['size'])

    def _counts(self, note: messages.Message) -> bool:
        """Whether it is the next event; it may be one of another Domain R."""
        return note['offset'] == self.taken and self._held.counts(note)

    def _recover(self, last: messages.Message) -> None:
        """Complete what the last worker had sent."""
        last = {'down_before': (), 'down': (), **last}  # release 0.2
        self._held.is_before(last)
        if last['answer'] is None:
            self._on_way = last
            self._context.commands.expect(last['id'], self._replied)
        elif self._counts(last):
            self._on_way = last
            # Not at once: the pair, to which a gap is reported, is not
            # complete yet.
            self._context.loop.call_soon(self._replied, last['answer'])
        elif last['answer'].get('failure') is None:
            self._held.is_after(last)

    def _ambiguous(self, note: messages.Message, reason: str) -> None:
        if not self._reported and note['size'] and self._counts(note):
            self._reported = True
            self._context.report_gap(
                _STREAM, wire.GapKind.AMBIGUOUS, reason,
                note['offset'], note['size'])

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        if reason not in self._known and len(self._known) < 16:
            self._known.add(reason)
            LOG.warning('%s', text.printable(reason))
