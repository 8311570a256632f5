# SPDX-License-Identifier: Apache-2.0
"""The gateway's ``/etc/hosts``: the addresses of instances, by uuid.

``ssh -J console@gateway console@UUID`` has the gateway's sshd look up the
uuid. Its unit shows it this file as ``/etc/hosts``, and nobody else.

A reader must never see half a line, nor an address beside another's name; and
a mounted file cannot be replaced by another one. So our lines are all of one
length, and are appended, or made comments by one byte. One that has been a
comment for longer than a reader takes is used again: as long as its first byte
makes it a comment, the rest of it may be anything. The file begins anew, with
what the host's own has, when the service starts.
"""

import dataclasses
import errno
import fcntl
import heapq
import io
import os
import pathlib
import re
import time
from collections.abc import Mapping

PATH = pathlib.Path('/run/nova-dmore-gateway/hosts')
#: So many instances it gives at most; the ones told of longest ago go.
LIVE_MAX = 1 << 14
#: So many lines of ours there are at most, with those that are comments.
LINES_MAX = 2 * LIVE_MAX
#: No reader takes so long to read it, in seconds.
READ_S = 300
#: A line that gives an address has the time at which it was told last, in
#: seconds since 1970, to this accuracy.
_TOLD_S = 60
#: Address, uuid, blanks and, as the comment of the line, that time; or of a
#: line that is a comment as a whole, when it became one. Earlier releases
#: wrote none.
_OURS = re.compile(rb'([0-9a-f.:]+|#[0-9a-f.:]*) ([0-9a-f]{8}(?:-[0-9a-f]{4})'
                   rb'{3}-[0-9a-f]{12}) *(?:#([0-9]{10}))?\n')
_NAMED = 76
_TIME_AT = _NAMED + 1
_LENGTH = _TIME_AT + len('#0123456789\n')


@dataclasses.dataclass(frozen=True)
class _Line:
    """One of ours.

    :ivar place: in the file
    :ivar address: None if it is a comment
    :ivar at: the time; None if it is of an earlier release
    """

    place: int
    address: str | None
    name: str
    at: int | None


def tell(where: Mapping[str, str], path: pathlib.Path = PATH) -> None:
    """Have the file give these addresses, by instance; others that it gives
    stay, but for those of the same instance or the same address, and for the
    oldest if there are very many.

    :raises OSError: it is not there, cannot be written or is full; it is not
        made, for then nobody would read it
    """
    now = int(time.time())
    with open(path, 'rb+', buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        lines = _lines(text)
        missing, stays, ends = dict(where), [], []
        for line in lines:
            if line.address is None:
                continue
            if where.get(line.name) == line.address:
                missing.pop(line.name, None)
                if line.at is not None and not 0 <= now - line.at < _TOLD_S:
                    _write_time(file, line, now)
            elif line.name in where or line.address in where.values():
                ends.append(line)
            else:
                stays.append(line)
        too_many = len(stays) + len(where) - LIVE_MAX
        ends += heapq.nsmallest(
            max(too_many, 0), stays, key=lambda line: line.at or 0)
        for line in ends:
            if line.at is not None:
                _write_time(file, line, now)
            os.pwrite(file.fileno(), b'#', line.place)
        _add(file, text, lines, missing, now)


def _lines(text: bytes) -> list[_Line]:
    """The lines that are ours, in their order."""
    found, place = [], 0
    for each in text.splitlines(keepends=True):
        match = _OURS.fullmatch(each)
        if match is not None:
            address = match[1].decode()
            found.append(_Line(
                place, None if address.startswith('#') else address,
                match[2].decode(),
                int(match[3]) if match[3] and len(each) == _LENGTH else None))
        place += len(each)
    return found


def _write_time(file: io.FileIO, line: _Line, now: int) -> None:
    """Where it is a comment, whatever else the line is."""
    os.pwrite(file.fileno(), b'#%010d' % now, line.place + _TIME_AT)


def _add(file: io.FileIO, text: bytes, lines: list[_Line],
         missing: Mapping[str, str], now: int) -> None:
    """Write lines over comments that nobody reads any more, or append them.

    :param text: what the file has had, of which the lines were made
    """
    free = [line.place for line in lines if line.address is None
            and line.at is not None and abs(now - line.at) >= READ_S]
    if len(lines) + len(missing) - len(free) > LINES_MAX:
        raise OSError(errno.ENOSPC, 'too many instances at a time', file.name)
    appended = [b'\n'] if missing and text[-1:] not in (b'', b'\n') else []
    for name, address in sorted(missing.items()):
        line = b'%s #%010d\n' % (
            f'{address} {name}'.ljust(_NAMED).encode('ascii'), now)
        if free and len(line) == _LENGTH:
            place = free.pop()
            os.pwrite(file.fileno(), line[1:], place + 1)
            os.pwrite(file.fileno(), line[:1], place)
        else:
            appended.append(line)
    os.pwrite(file.fileno(), b''.join(appended), len(text))
