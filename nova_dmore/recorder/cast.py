# SPDX-License-Identifier: Apache-2.0
"""asciinema's file format, version 2: pure functions.

A file begins with an object, and has an event in each further line: seconds
since it began, a code, and a text. ``o`` is output, ``m`` a mark. Output that
is no UTF-8 has an ``x`` after it, which players ignore: the bytes themselves,
in base64. So all bytes of a file are known, and the offset in the stream of
each, for the first one's stands in the header.
"""

import base64
import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any

#: Of the field in the header that is this program's.
_OWN = 'nova_dmore'
#: A serial line has no size; full-screen programs take this for granted.
_WIDTH, _HEIGHT = 80, 24


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file begins with.

    :ivar began: seconds since 1970
    :ivar instance: its uuid
    :ivar host: where it was recorded
    :ivar offset: in the stream of output, of the first byte
    """

    began: float
    instance: str
    host: str
    offset: int

    def line(self) -> str:
        """As it stands in the file."""
        return json.dumps({
            'version': 2, 'width': _WIDTH, 'height': _HEIGHT,
            'timestamp': int(self.began),
            'title': f'Serial console of {self.instance}',
            _OWN: {'began': self.began, 'instance': self.instance,
                   'host': self.host, 'offset': self.offset}}) + '\n'


@dataclasses.dataclass(frozen=True)
class Event:
    """One line after the header.

    :ivar at: seconds since the file began
    :ivar data: bytes of output; None: a mark
    :ivar mark: its text
    """

    at: float
    data: bytes | None
    mark: str = ''


def output(at: float, data: bytes) -> str:
    """Lines for output."""
    text = data.decode('utf-8', 'replace')
    lines = _line(at, 'o', text)
    if text.encode() != data:
        lines += _line(at, 'x', base64.b64encode(data).decode())
    return lines


def mark(at: float, text: str) -> str:
    """A line for a mark."""
    return _line(at, 'm', text)


def _line(at: float, code: str, text: str) -> str:
    return json.dumps([round(at, 3), code, text]) + '\n'


def unfinished(data: bytes) -> int:
    """How many bytes at the end are the beginning of a character."""
    for count in range(1, min(3, len(data)) + 1):
        byte = data[-count]
        if byte & 0xc0 == 0x80:
            continue
        wanted = 2 if 0xc2 <= byte < 0xe0 else (
            3 if 0xe0 <= byte < 0xf0 else 4 if 0xf0 <= byte < 0xf5 else 1)
        return count if wanted > count else 0
    return 0


def header(line: str) -> Header:
    """Read the first line of a file.

    :raises ValueError: it is none that this program wrote
    """
    try:
        value = json.loads(line)
        return Header(**value[_OWN])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'no recording: {error}') from error


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Read the other lines.

    A last one without its end is left out: it is being written.

    :raises ValueError: one is no event
    """
    last: Event | None = None
    for line in lines:
        if not line.endswith('\n'):
            break
        at, code, text = _parsed(line)
        if code == 'x' and last is not None and last.data is not None:
            last = dataclasses.replace(last, data=base64.b64decode(text))
            continue
        if last is not None:
            yield last
        last = Event(at, text.encode() if code == 'o' else None,
                     text if code == 'm' else '')
    if last is not None:
        yield last


def _parsed(line: str) -> tuple[float, str, str]:
    value: Any = json.loads(line)
    if not isinstance(value, list) or len(value) != 3 or not (
            type(value[0]) in (int, float) and isinstance(value[1], str)
            and isinstance(value[2], str)):
        raise ValueError(f'no event: {line[:80]!a}')
    return value[0], value[1], value[2]
