# SPDX-License-Identifier: Apache-2.0
"""What the console says itself to one client, between the output."""

import bisect
import operator
import time
from collections.abc import Callable
from typing import Any

from nova_dmore.domr.terminal import stream as stream_module
from nova_dmore import wire

#: So long a notice waits for the end of a control function or a character, in
#: seconds.
WAIT_S = 1.0
#: How many notices may wait like that; what is more is not shown.
_WAITING_MAX = 16
#: How many notices are kept for a client that takes no output. The oldest give
#: way to newer ones.
_KEPT_MAX = 64

#: What everybody is told whose console is recorded.
RECORDED = 'what this console shows is recorded'

#: What somebody is told whose input was not sent when the instance booted.
TYPED_BEFORE = ('the instance boots anew: what was typed before is not sent, '
                'nor kept')

#: What somebody is told whose break is not sent.
NO_BREAK = ('the instance does not take what was typed before: a break is not '
            'sent')
#: What a person is told of the streams that a GAP message may name.
_MISSING = {
    wire.Stream.SERIAL0_OUT.name.lower(): (
        '{} bytes of output are missing', 'output may be missing'),
    wire.Stream.SERIAL0_IN.name.lower(): (
        '{} bytes of input did not arrive', 'input may not have arrived')}

_State = wire.InstanceState
#: What a person is told when the instance does this, and when it does it no
#: more.
_STATES = {
    _State.OFF: ('the instance is off', 'the instance is on'),
    _State.PAUSED: ('the instance is paused', 'the instance goes on'),
    _State.CRASHED: ('the instance has crashed', 'the instance is on'),
    _State.REBOOTING: ('the instance is rebooting', None),
    _State.MIGRATING: ('the instance is migrating to another host',
                       'the migration is over')}


def of_state(state: _State | None, before: _State | None = None
             ) -> str | None:
    """What a person is told of what the instance does; None: nothing."""
    if state in _STATES:
        return _STATES[state][0]
    return _STATES[before][1] if before in _STATES else None


def of_gap(message: dict[str, Any]) -> str | None:
    """What a GAP message says to the clients, in their stream of bytes.

    None when they are told nothing: of bytes that perhaps arrived nothing is
    known to be lost (a byte of input that was not taken is sent again), so
    that is left to the host's log and notifications.
    """
    known, unknown = _MISSING.get(str(message.get('stream')), (None, None))
    count = message.get('bytes')
    match message.get('kind'):
        case wire.GapKind.EXACT if known and type(count) is int:
            return known.format(count)
        case wire.GapKind.UNKNOWN | wire.GapKind.EXACT:
            return unknown
        case _:
            return None


def of_evacuation(at: int) -> str:
    """What a person is told in the place of what a host had that is lost.

    :param at: seconds since the epoch
    """
    when = time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(at))
    return (f'the host of the instance was lost; on {when} it was built anew '
            'on another one, where this console begins')


class Notices:
    """The notices for one client, each at its place in the output.

    :param stream: what parses the output for the client's terminal; None:
        it has none, and notices go another way
    :param tell: shows a notice
    :param write: gives the client output
    """

    def __init__(self, stream: stream_module.TerminalStream | None,
                 tell: Callable[[str], None], write: Callable[[bytes], None]
                 ) -> None:
        self._stream = stream
        self._tell = tell
        self._write = write
        #: Offset before which it is shown, and text of each, in that order.
        self._waiting: list[tuple[int, str]] = []
        self._since: float | None = None    # since when the first one waits

    def next_after(self, cursor: int) -> int | None:
        """Offset of the first one, if it is to come later."""
        if self._waiting and self._waiting[0][0] > cursor:
            return self._waiting[0][0]
        return None

    def put(self, text: str, offset: int, cursor: int) -> None:
        """Show a notice when the client has all output before an offset."""
        if self._stream is None:
            self._tell(text)
            return
        bisect.insort(self._waiting, (offset, text),
                      key=operator.itemgetter(0))
        self.show(cursor, len(self._waiting) > _WAITING_MAX)
        del self._waiting[:-_KEPT_MAX]

    def show(self, cursor: int, now: bool = False) -> None:
        """Show those whose turn it is: not inside a character or a control
        function, unless it has to be now.

        :param cursor: offset up to which the client has the output
        """
        while self._waiting and self._waiting[0][0] <= cursor:
            if self._stream is not None and self._stream.is_inside:
                if not now:
                    return
                self._write(self._stream.interrupt())
            self._tell(self._waiting.pop(0)[1])
            self._since = None

    def tick(self, cursor: int, now: float) -> None:
        """Show those that have waited for too long.

        :param now: monotonic seconds
        """
        if not self._waiting or self._waiting[0][0] > cursor:
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= WAIT_S:
            self.show(cursor, now=True)
