# SPDX-License-Identifier: Apache-2.0
"""Whether QEMU's PS/2 keyboard has room for an event.

It keeps 16 bytes that the guest has not read (PS2_QUEUE_SIZE in
hw/input/ps2.c), and drops what comes then without a word, so a guest that
starves would lose keys that QEMU has acknowledged. As long as it keeps one,
the controller's status has a bit set (kbd_update_irq in hw/input/pckbd.c).
So the status is read before there could be more bytes than that: a key waits
until the guest has read those before it, however long it takes.
"""

import enum
import logging
import re

from nova_dmore.channel import input_event
from nova_dmore.link import messages

LOG = logging.getLogger(__name__)

#: Bytes that the keyboard keeps.
_ROOM = 16
#: The most that an event has in any of the three sets of scan codes: up has
#: the prefixes 0xe0 and 0xf0.
_BYTES = 3
#: The same of *Print* and *Pause*, which are sequences (ps2_keyboard_event).
_SEQUENCES = frozenset({0x54, 0xb7, 0xc6})
_SEQUENCE_BYTES = 8

#: The status' bit: something waits for the guest (KBD_STAT_OBF).
_FULL = 0x01
#: What is read where there is no controller.
_NOTHING = 0xff

#: How long the guest may read nothing before it is taken for one that does
#: not listen to this keyboard, in seconds. More than it took a guest to answer
#: a key in any migration beside eight busy loops: 4 to 11 s.
PATIENCE_S = 15.0


class State(enum.Enum):
    """What is known of the room."""

    #: How much of it is taken is not known, so it has to be asked for.
    UNKNOWN = 'unknown'
    #: So many bytes at most wait for the guest.
    COUNTED = 'counted'
    #: The guest has read nothing for long. Keys are given as in QEMU's own
    #: console, until it reads.
    UNREAD = 'unread'
    #: There is no such keyboard, or nobody who says so (a keeper of an
    #: earlier release).
    NONE = 'none'


class Room:
    """Of one QEMU's keyboard."""

    def __init__(self) -> None:
        self.state = State.UNKNOWN
        self._bytes = 0
        self._full_since: float | None = None
        self._gave_up = False       # since it was seen to read

    def forget(self) -> None:
        """It may be another QEMU, or more may have been sent."""
        self.state = State.UNKNOWN
        self._full_since = None

    def has_to_be_asked(self, key: input_event.Key, one_by_one: bool) -> bool:
        """Whether a key may be sent only after :meth:`told`.

        :param one_by_one: the guest is to have read all before it
        """
        if self.state is State.COUNTED:
            return (self._bytes > 0 if one_by_one
                    else self._bytes + _bytes(key) > _ROOM)
        return self.state is State.UNKNOWN

    def sent(self, key: input_event.Key) -> None:
        """It is on its way."""
        self._bytes += _bytes(key)
        if self.state is State.UNREAD:
            # It may have begun to read.
            self.state = State.UNKNOWN

    def told(self, reply: messages.Message, now: float) -> bool:
        """Take the answer to ``messages.KEYBOARD_STATUS``.

        :param now: of a monotonic clock, in seconds
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
        elif not status & _FULL:
            self.state = State.COUNTED
            self._bytes = 0
            self._full_since = None
            self._gave_up = False
        elif self._has_patience(now):
            self.state = State.UNKNOWN
            return False
        else:
            self._give_up()
        return True

    def _has_patience(self, now: float) -> bool:
        """Whether to wait on for a guest that has not read."""
        if self._full_since is None:
            self._full_since = now
        return now - self._full_since < PATIENCE_S

    def _give_up(self) -> None:
        self.state = State.UNREAD
        if not self._gave_up:
            self._gave_up = True
            LOG.info('The guest does not read its keyboard')


def _bytes(key: input_event.Key) -> int:
    return _SEQUENCE_BYTES if key.number in _SEQUENCES else _BYTES


def _status(printed: object) -> int | None:
    """-> the register, None: there is none."""
    found = re.search(r'= 0x([0-9a-f]{2})\b', str(printed))
    status = int(found[1], 16) if found else _NOTHING
    return None if status == _NOTHING else status
