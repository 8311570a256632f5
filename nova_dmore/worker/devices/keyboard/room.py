# SPDX-License-Identifier: Apache-2.0
"""Whether QEMU's PS/2 keyboard has room for an event.

It keeps 16 bytes that the guest has not read (PS2_QUEUE_SIZE in
hw/input/ps2.c), and drops what comes then without a word, so a guest that
starves would lose keys that QEMU has acknowledged. As long as it keeps one,
the controller's status has a bit set (kbd_update_irq in hw/input/pckbd.c).
So the status is read before there could be more bytes than that: a key waits
until the guest has read those before it, however long it takes.

The bit is not set while the guest has the keyboard switched off, which it does
for a moment when it probes for one. What is typed then can be lost, as in
QEMU's own console.
"""

import enum
import logging
import re

from nova_dmore.channel import input_event
from nova_dmore.link import messages

LOG = logging.getLogger(__name__)

#: Bytes of keys that the keyboard keeps: beside them there may be the three
#: with which it answers a command of the guest (GET_ID).
_QUEUE_BYTES = 16 - 3
#: The most that an event has in any of the three sets of scan codes: up has
#: the prefixes 0xe0 and 0xf0.
_KEY_BYTES = 3
#: The same of *Print*, *SysRq* and *Pause*, which are sequences
#: (ps2_keyboard_event).
_SEQUENCES = frozenset({0x54, 0xb7, 0xc6})
_SEQUENCE_BYTES = 8

#: The status' bit: something waits for the guest (KBD_STAT_OBF).
_UNREAD_BIT = 0x01
#: What is read where there is no controller.
_NO_CONTROLLER = 0xff

#: For so long the guest may not be seen to have read everything before it is
#: taken for one that does not listen to this keyboard, in seconds. More than
#: it took a guest to answer a key in any migration beside eight busy loops: 4
#: to 11 s.
PATIENCE_S = 15.0
#: An answer counts for so many of these seconds at most: while nobody answers,
#: the guest cannot read either.
_ANSWER_S = 0.1
#: After a pause of so many seconds the count begins anew: another key waits.
_PAUSE_S = 1.0


class State(enum.Enum):
    """What is known of the room."""

    #: How much of it is taken is not known, so it has to be asked for.
    UNKNOWN = 'unknown'
    #: So many bytes at most wait for the guest.
    COUNTED = 'counted'
    #: The guest does not listen: one key may go, as in QEMU's own console, and
    #: then it is UNKNOWN whether it has begun to.
    UNREAD = 'unread'
    #: There is no such keyboard, or nobody who says so (a keeper of an
    #: earlier release).
    NONE = 'none'


class Room:
    """The room in one QEMU's keyboard. Times are seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self.state = State.UNKNOWN
        self._bytes = 0
        self._told_at = 0.0         # last, that something is unread
        self._unread_s = 0.0
        self._does_not_listen = False   # since it was seen to read

    def forget(self) -> None:
        """It may be another QEMU, or more may have been sent."""
        self.state = State.UNKNOWN

    def has_to_be_asked(self, key: input_event.Key, one_by_one: bool) -> bool:
        """Whether a key may be sent only after :meth:`told`.

        :param one_by_one: the guest is to have read all before it
        """
        if self.state is State.COUNTED:
            return (self._bytes > 0 if one_by_one
                    else self._bytes + _bytes(key) > _QUEUE_BYTES)
        return self.state is State.UNKNOWN

    def sent(self, key: input_event.Key) -> None:
        """It is on its way."""
        self._bytes += _bytes(key)
        if self.state is State.UNREAD:
            self.state = State.UNKNOWN

    def told(self, reply: messages.Message, now: float) -> bool:
        """Take the answer to ``messages.KEYBOARD_STATUS``.

        :returns: whether the next key may be sent
        """
        if reply.get('failure') in (messages.Failure.LOST,
                                    messages.Failure.NOT_SENT):
            self.forget()
            return False
        status = _status(reply.get('result'))
        if status is None:
            if self.state is not State.NONE:
                LOG.info('Nobody says what the guest has read of its '
                         'keyboard: %s', reply.get('error', 'there is none'))
            self.state = State.NONE
        elif not status & _UNREAD_BIT:
            self.state = State.COUNTED
            self._bytes = 0
            self._unread_s = 0.0
            self._does_not_listen = False
        else:
            self._is_unread(now)
            return self.state is State.UNREAD
        return True

    def _is_unread(self, now: float) -> None:
        since = now - self._told_at
        self._told_at = now
        if since > _PAUSE_S:
            self._unread_s = 0.0
        else:
            self._unread_s += min(since, _ANSWER_S)
        if self._unread_s >= PATIENCE_S and not self._does_not_listen:
            self._does_not_listen = True
            LOG.info('The guest does not read its keyboard')
        self.state = (State.UNREAD if self._does_not_listen
                      else State.UNKNOWN)


def _bytes(key: input_event.Key) -> int:
    return _SEQUENCE_BYTES if key.number in _SEQUENCES else _KEY_BYTES


def _status(printed: object) -> int | None:
    """-> the register, None: there is none."""
    found = re.search(r'= 0x([0-9a-f]{2})\b', str(printed))
    status = int(found[1], 16) if found else _NO_CONTROLLER
    return None if status == _NO_CONTROLLER else status
