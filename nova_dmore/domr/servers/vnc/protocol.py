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

VERSION = 5
SESSIONS_MAX = 16
NAME_SIZE = 128
CREDIT = 1024
CURSOR_SIDE_MAX = wire.CURSOR_SIDE_MAX
RECTANGLES_MAX = 1024
EVENTS_MAX = 128
TEXT_CHARACTERS = 4
TEXT_MAX = 10000

#: Bytes of the page of freezes, whose first word counts them, and of the
#: pictures behind it.
PAGE = 4096
BLANK_WIDTH = 640
BLANK_HEIGHT = 400
BLANK_SIZE = BLANK_WIDTH * BLANK_HEIGHT * 4
BANNER_ROWS = 24
BANNER_WIDTH_MAX = 8192
BANNER_SIZE = BANNER_WIDTH_MAX * BANNER_ROWS * 4
DRAWN_SIZE = PAGE + BLANK_SIZE + BANNER_SIZE

#: Bits of a record's state.
KEY_DOWN = 1
KEY_KNOWS_LOCKS = 2
TEXT_COUNT = 7
TEXT_GOES_ON = 8


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
    LEDS = 9
    DRAWN = 10
    SIZE_ANSWER = 11
    CONTROL = 12


class Kind(enum.IntEnum):
    """Records to the agent."""

    KEY = 1
    POINTER = 2
    GONE = 3
    TAKEN = 4
    TEXT = 5
    SIZE_WANTED = 6


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
    Type.ADD: struct.Struct(f'=IIII{NAME_SIZE}s'),
    Type.END: struct.Struct('=II'),
    Type.OPEN: struct.Struct('=III'),
    Type.SIZE: struct.Struct('=III'),
    Type.CURSOR: struct.Struct('=IIIII'),
    Type.DAMAGE: struct.Struct('=IIi'),
    Type.MORE: struct.Struct('=II'),
    Type.LEDS: struct.Struct('=II'),
    Type.DRAWN: struct.Struct('=III'),
    Type.SIZE_ANSWER: struct.Struct('=III'),
    Type.CONTROL: struct.Struct('=II')}

EVENT = struct.Struct('=IIIIIII')


class ProtocolError(Exception):
    """The process sent what it may not; printable."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A key went down or up.

    :ivar symbol: X11's key symbol
    :ivar number: QEMU's number, 0 if the client does not tell
    :ivar knows_locks: the client was told the lights of the keyboard
    """

    session: int
    down: bool
    symbol: int
    number: int
    knows_locks: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer moved, or a button changed.

    :ivar buttons: RFB's mask, the eighth button and those after it included
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
class Text:
    """A part of the text in a client's clipboard.

    :ivar goes_on: more of it follows
    """

    session: int
    characters: str
    goes_on: bool


@dataclasses.dataclass(frozen=True, slots=True)
class SizeWanted:
    """A client asks for another size of the desktop, in pixels; sides may be
    0, as it may say anything."""

    session: int
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


#: What needs credit, and Gone.
Input: TypeAlias = Key | Pointer | Text | SizeWanted | Gone
Event: TypeAlias = Input | Taken


def start(offset: int, length: int, first: int, size: int) -> bytes:
    """The first message; a file of DRAWN_SIZE goes with it.

    :param offset: to map the region at
    :param length: bytes to map
    :param first: of the frame buffer in these bytes
    :param size: of the frame buffer
    """
    return LAYOUTS[Type.START].pack(Type.START, VERSION, offset, length,
                                    first, size)


def add(session: int, name: str, view_only: bool, takes_text: bool
        ) -> bytes:
    """A new client; its socket goes with it.

    :param name: of the desktop, ASCII; cut if it is too long
    :param takes_text: whether to offer it the extended clipboard
    """
    return LAYOUTS[Type.ADD].pack(Type.ADD, session, view_only, takes_text,
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


def leds(lights: int) -> bytes:
    """The lights of the guest's keyboard."""
    return LAYOUTS[Type.LEDS].pack(Type.LEDS, lights)


def size_answer(session: int, answer: wire.SizeAnswer) -> bytes:
    """What has become of the size that a client wants."""
    return LAYOUTS[Type.SIZE_ANSWER].pack(Type.SIZE_ANSWER, session, answer)


def control(session: int | None) -> bytes:
    """Who has control; None: all have it."""
    return LAYOUTS[Type.CONTROL].pack(
        Type.CONTROL, SESSIONS_MAX if session is None else session)


def drawn(banner_width: int, banner_left: int) -> bytes:
    """The pictures in the file are others.

    :param banner_width: of the picture that the banner is for; 0: none
    :param banner_left: from where on its rows are to be shown
    """
    return LAYOUTS[Type.DRAWN].pack(Type.DRAWN, banner_width, banner_left)


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
            yield Key(session, bool(state & KEY_DOWN), first, second,
                      bool(state & KEY_KNOWS_LOCKS))
        elif kind == Kind.POINTER and width and height:
            yield Pointer(session, state & 0x7fff, first, second, width,
                          height)
        elif kind == Kind.GONE and state in Reason.__members__.values():
            yield Gone(session, Reason(state))
        elif (kind == Kind.TEXT and state & TEXT_COUNT <= TEXT_CHARACTERS
              and state != TEXT_GOES_ON):
            yield Text(session, _characters(record[3:][:state & TEXT_COUNT]),
                       bool(state & TEXT_GOES_ON))
        elif (kind == Kind.SIZE_WANTED
              and max(first, second) <= display_module.SIDE_MAX):
            yield SizeWanted(session, first, second)
        else:
            raise ProtocolError(f'a record {record}')


def _characters(codes: Sequence[int]) -> str:
    """:raises ProtocolError: one of them is none"""
    try:
        return ''.join(map(chr, codes))
    except (ValueError, OverflowError) as error:
        raise ProtocolError(f'the characters {codes}') from error
