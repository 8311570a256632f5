# SPDX-License-Identifier: Apache-2.0
"""A serial break that Domain R asked for, until the instance's device has it.

It has a place among the bytes that are typed: it waits until all before it
are taken, and none after it goes before it. The line of the control stream
that asks for it counts as taken when QEMU has answered, so one that has not
answered at the stop of a migration is asked for again at the destination. For
that alone it counts when the answer came: QEMU answers in order, so what it
answers before it says that it saves its state is in that state, and what it
answers later is not. The keeper says which of the two it was, and remembers
the last break for a worker that follows a killed one.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from nova_dmore.channel.host import end as host_end_module
from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices.serial import input as serial_in

LOG = logging.getLogger(__name__)

_IN = wire.Stream.CONTROL_TO_HOST

#: A break waits this long for the input before it, in seconds.
BREAK_LIMIT_S = 30.0

#: Called with the number of a command, before the keeper is given that.
Announce: TypeAlias = Callable[[int], None]
#: The fields of the notes.
_Sent: TypeAlias = dict[str, Any]


class SerialBreak:
    """The break that is next, if there is one.

    :param serial_input: it has to wait for that.
    :param send: has the keeper give one to QEMU; :meth:`answered` is to be
        called with the answer.
    :param is_leaving: called with the REPLY of a break that is not in the
        state that QEMU saves; whether the instance is about to leave with that
        state.
    :param kept: :meth:`to_notes` of an earlier worker, or None.
    :param last: the keeper's memory of the last break, see
        :attr:`messages.ToWorker.START`.
    :param note: leaves everything to a successor.
    """

    def __init__(self, host_end: host_end_module.HostEnd,
                 serial_input: serial_in.SerialInput,
                 send: Callable[[Announce], None],
                 is_leaving: Callable[[messages.Message], bool],
                 kept: _Sent | None = None,
                 last: messages.Message | None = None,
                 note: Callable[[], None] = lambda: None) -> None:
        self._host_end = host_end
        self._input = serial_input
        self._send = send
        self._is_leaving = is_leaving
        self._note = note
        #: Offset, length of its line, deadline.
        self._asked: tuple[int, int, float] | None = None
        #: What was sent and has yet to be counted: of the line that is read
        #: now, or of an earlier worker's.
        self._sent = (
            kept if kept is not None and last is not None
            and last['id'] == kept['number'] else None)
        #: It is: QEMU has taken it, or refused it.
        self._is_done = False
        #: QEMU has answered when it had saved its state.
        self._is_late = False
        if self._sent is not None and last is not None and (
                last['answer'] is not None):
            self._take_answer(last['answer'])

    @property
    def is_there(self) -> bool:
        """Whether one has been asked for, and nothing after it is read."""
        return self._asked is not None

    @property
    def number(self) -> int | None:
        """Of the command that QEMU has not answered; None: there is none."""
        return (None if self._sent is None or self._is_done or self._is_late
                else self._sent['number'])

    def to_notes(self) -> _Sent | None:
        """-> a JSON object for :class:`nova_dmore.link.notes.Notes`."""
        return self._sent

    def ask(self, offset: int, length: int) -> None:
        """Domain R asks for one.

        :param offset: of the input that it comes before.
        :param length: of the line that says so, which is the next one.
        """
        self._asked = offset, length, time.monotonic() + BREAK_LIMIT_S
        self._input.limit = offset

    def give_up(self, why: str) -> None:
        """Forget one that waits for the input before it."""
        if self._asked is not None and self._sent is None:
            LOG.info(why)
            self._end()

    def blocks(self) -> bool:
        """Whether one must be sent, or answered, before more is read; sends
        it if its turn has come."""
        if self._asked is None:
            return False
        offset, length, deadline = self._asked
        if self._sent is not None:
            return True
        if self._input.taken >= offset:
            self._send(self._announce)
        elif time.monotonic() > deadline:
            LOG.warning('A break was given up: the input before it was not '
                        'taken')
            self._end()
        return self._asked is not None

    def _announce(self, number: int) -> None:
        assert self._asked is not None      # the caller has checked
        offset, length, _ = self._asked
        self._sent = {'number': number, 'at': offset, 'length': length,
                      'position': self._position,
                      'incarnation': self._host_end.incarnation}
        self._is_done = self._is_late = False
        # Before it is sent: then a successor finds whether it was.
        self._note()

    def answered(self, reply: messages.Message) -> None:
        """QEMU has answered, or the keeper for it."""
        if self._sent is None or reply['id'] != self._sent['number']:
            return
        self._take_answer(reply)
        if self._is_late and not self._is_leaving(reply):
            self._is_late, self._is_done = False, True
        if self._is_done and self._asked is not None:
            self._end()

    def _take_answer(self, reply: messages.Message) -> None:
        self._is_late = reply.get('late') is not None
        self._is_done = not self._is_late
        if 'error' in reply:
            LOG.warning('The device did not take a break')

    def opened(self) -> None:
        """Domain R joined an epoch; the migration in which QEMU answered late,
        if it did, came to nothing."""
        self._input.limit = None
        asked, self._asked = self._asked, None
        if self._sent is None or not self._is_next() or (
                # Only what this process has read outlives a Domain R.
                asked is None and
                self._sent['incarnation'] != self._host_end.incarnation):
            self._sent = None
            return
        self._asked = self._sent['at'], self._sent['length'], 0.0
        if self._is_done or self._is_late:
            self._end()
        else:
            self._input.limit = self._sent['at']

    def frozen(self) -> None:
        """What is taken by now is carried over: one that an earlier worker has
        sent, too."""
        if self._sent is not None and self._is_done:
            if self._is_next():
                self._host_end.take(_IN, self._sent['length'])
            self._sent = None

    def _is_next(self) -> bool:
        """Whether the line that asked for what was sent is the next one."""
        return self._sent is not None and (
            self._sent['position'] == self._position)

    @property
    def _position(self) -> int:
        return self._host_end.positions()[_IN][0]

    def _end(self) -> None:
        assert self._asked is not None      # callers have checked
        length = self._asked[1]
        self._asked = self._sent = None
        self._input.limit = None
        self._host_end.take(_IN, length)
