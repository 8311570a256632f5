# SPDX-License-Identifier: Apache-2.0
"""What the agent and nova-dmore-vnc say to each other.

``native/protocol.h`` states it, with what each message means; these are the
same numbers and layouts for Python. A test compares the two.
"""

import dataclasses
import enum
import struct
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from nova_dmore.channel import display as display_module
from nova_dmore import wire

VERSION = 1
SESSIONS_MAX = 16
NAME_SIZE = 128
CREDIT = 1024
CURSOR_SIDE_MAX = wire.CURSOR_SIDE_MAX
RECTANGLES_MAX = 1024
EVENTS_MAX = 128

#: Bytes of the page of freezes; its first word counts them.
FREEZES_SIZE = 4096


class Type(enum.IntEnum):
    """Messages to the process."""

    START = 1
    ADD = 2
    END = 3
    OPEN = 4
    SIZE = 5
    CURSOR = 6
    DAMAGE = 7
    MORE = 8


class Kind(enum.IntEnum):
    """Records to the agent."""

    KEY = 1
    POINTER = 2
    GONE = 3
    TAKEN = 4


class Reason(enum.IntEnum):
    """Why a session ended."""

    CLOSED = 0
    NONSENSE = 1
    CUT_TEXT = 2
    STALLED = 3
    PIXEL_FORMAT = 4
    TOO_MANY_ENCODINGS = 5
    NO_MEMORY = 6


#: Layouts of the messages by their type, without what may follow.
LAYOUTS = {
    Type.START: struct.Struct('=IIQQQQ'),
    Type.ADD: struct.Struct(f'=III{NAME_SIZE}s'),
    Type.END: struct.Struct('=II'),
    Type.OPEN: struct.Struct('=III'),
    Type.SIZE: struct.Struct('=III'),
    Type.CURSOR: struct.Struct('=IIIII'),
    Type.DAMAGE: struct.Struct('=IIi'),
    Type.MORE: struct.Struct('=II')}

EVENT = struct.Struct('=IIIIIII')


class ProtocolError(Exception):
    """The process sent what it may not; printable."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A key went down or up.

    :ivar symbol: X11's key symbol
    :ivar number: QEMU's number, 0 if the client does not tell
    """

    session: int
    down: bool
    symbol: int
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer moved, or a button changed.

    :ivar buttons: RFB's mask
    :ivar x: in a picture ``width`` wide; it may lie outside
    :ivar y: likewise
    """

    session: int
    buttons: int
    x: int
    y: int
    width: int
    height: int


@dataclasses.dataclass(frozen=True, slots=True)
class Gone:
    """A session has ended."""

    session: int
    reason: Reason


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """Some client was sent, or is being sent, damage up to a number."""

    serial: int


Event: TypeAlias = Key | Pointer | Gone | Taken


def start(offset: int, length: int, first: int, size: int) -> bytes:
    """The first message; the page of freezes goes with it.

    :param offset: to map the region at
    :param length: bytes to map
    :param first: of the frame buffer in these bytes
    :param size: of the frame buffer
    """
    return LAYOUTS[Type.START].pack(Type.START, VERSION, offset, length,
                                    first, size)


def add(session: int, name: str, view_only: bool) -> bytes:
    """A new client; its socket goes with it.

    :param name: of the desktop, ASCII; cut if it is too long
    """
    return LAYOUTS[Type.ADD].pack(Type.ADD, session, view_only,
                                  name.encode('ascii')[:NAME_SIZE - 1])


def end(session: int) -> bytes:
    """Cut a client."""
    return LAYOUTS[Type.END].pack(Type.END, session)


def open_(freezes: int, everything: bool) -> bytes:
    """Pixels are good, unless there were more freezes by now."""
    return LAYOUTS[Type.OPEN].pack(Type.OPEN, freezes, everything)


def size(width: int, height: int) -> bytes:
    """Size of the picture."""
    return LAYOUTS[Type.SIZE].pack(Type.SIZE, width, height)


def cursor(shape: display_module.Cursor | None) -> bytes:
    """Shape of the pointer."""
    layout = LAYOUTS[Type.CURSOR]
    if shape is None:
        return layout.pack(Type.CURSOR, 0, 0, 0, 0)
    return layout.pack(Type.CURSOR, shape.width, shape.height, shape.hot_x,
                       shape.hot_y) + shape.pixels


def damage(serial: int,
           rectangles: Sequence[display_module.Rectangle] | None) -> bytes:
    """What has changed.

    :param rectangles: at most RECTANGLES_MAX; None: everything
    """
    layout = LAYOUTS[Type.DAMAGE]
    if rectangles is None:
        return layout.pack(Type.DAMAGE, serial, -1)
    flat = [number for rectangle in rectangles for number in rectangle]
    return (layout.pack(Type.DAMAGE, serial, len(rectangles))
            + struct.pack(f'={len(flat)}H', *flat))


def more(credit: int) -> bytes:
    """More keys and motions may be sent."""
    return LAYOUTS[Type.MORE].pack(Type.MORE, credit)


def events(packet: bytes) -> Iterator[Event]:
    """The records of a packet from the process, each checked.

    :raises ProtocolError: it is none that may come
    """
    if not packet or len(packet) % EVENT.size:
        raise ProtocolError(f'a packet of {len(packet)} bytes')
    for record in EVENT.iter_unpack(packet):
        kind, session, state, first, second, width, height = record
        if kind == Kind.TAKEN:
            yield Taken(state)
            continue
        if session >= SESSIONS_MAX:
            raise ProtocolError(f'a session {session}')
        if kind == Kind.KEY:
            yield Key(session, bool(state), first, second)
        elif kind == Kind.POINTER and width and height:
            yield Pointer(session, state & 0xff, first, second, width, height)
        elif kind == Kind.GONE and state in Reason.__members__.values():
            yield Gone(session, Reason(state))
        else:
            raise ProtocolError(f'a record {record}')
