# SPDX-License-Identifier: Apache-2.0
"""Records of the stream INPUT0_IN: keys and pointer of the console.

A record is ``wire.INPUT_RECORD_SIZE`` bytes, so that an offset of the stream
is the number of an event, and an event is taken or not as a whole.
"""

import dataclasses
import struct
from typing import TypeAlias

from nova_dmore.channel import errors
from nova_dmore import wire

_RECORD = struct.Struct('<BBHHH')
assert _RECORD.size == wire.INPUT_RECORD_SIZE

#: Position of the pointer at the right or lower edge (QEMU's
#: INPUT_EVENT_ABS_MAX).
POINTER_MAX = 0x7fff
#: Buttons of the pointer, by their bit in RFB's mask (RFC 6143, 7.5.5, and
#: QEMU's extension of it).
BUTTONS = ('left', 'middle', 'right', 'wheel-up', 'wheel-down', 'wheel-left',
           'wheel-right', 'side', 'extra')


@dataclasses.dataclass(frozen=True)
class Key:
    """A key went down or up.

    :ivar number: QEMU's number: the scan code of set 1, with 0x80 for those
        that have the prefix 0xe0
    """

    number: int
    down: bool


@dataclasses.dataclass(frozen=True)
class Pointer:
    """The pointer moved, or a button changed.

    :ivar buttons: which are down, by BUTTONS
    :ivar x: 0 to POINTER_MAX
    :ivar y: likewise
    """

    buttons: int
    x: int
    y: int


Event: TypeAlias = Key | Pointer


def pack(event: Event) -> bytes:
    """The record of an event."""
    if isinstance(event, Key):
        return _RECORD.pack(wire.InputKind.KEY, event.down, event.number, 0, 0)
    return _RECORD.pack(wire.InputKind.POINTER, event.buttons & 0xff, event.x,
                        event.y, event.buttons >> 8)


def unpack(record: bytes) -> Event:
    """The event of a record that Domain R wrote.

    :raises InputEventError: there is no such event
    """
    kind, flags, first, second, rest = _RECORD.unpack(record)
    if kind == wire.InputKind.KEY:
        if flags <= 1 and 0 < first <= 0xff and not second and not rest:
            return Key(first, bool(flags))
    elif kind == wire.InputKind.POINTER:
        buttons = flags | rest << 8
        if (buttons < 1 << len(BUTTONS) and first <= POINTER_MAX
                and second <= POINTER_MAX):
            return Pointer(buttons, first, second)
    raise errors.InputEventError(f'no input event: {record.hex()}')
