# SPDX-License-Identifier: Apache-2.0
"""One recording of what lies in several files, perhaps of several hosts."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable

from nova_dmore.recorder import cast
from nova_dmore.recorder import files


@dataclasses.dataclass(frozen=True)
class Part:
    """A file, read.

    :ivar end: offset after its last byte
    :ivar size: of the file, in bytes
    """

    path: pathlib.Path
    header: cast.Header
    events: tuple[cast.Event, ...]
    end: int
    size: int


def read(path: pathlib.Path) -> Part:
    """Read a file.

    :raises ValueError: it is no recording
    :raises OSError: it cannot be read
    """
    with path.open(encoding='utf-8') as lines:
        try:
            header = cast.header(lines.readline())
            events = tuple(cast.events(lines))
            size = os.fstat(lines.fileno()).st_size
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
    return Part(path, header, events, header.offset + sum(
        len(event.data) for event in events if event.data is not None), size)


def joined(parts: Iterable[Part]) -> tuple[str, int]:
    """-> (one recording, at how many places something is missing in it).

    The order is that in which they were begun. A stream that begins anew, as
    after the instance was shelved, is no such place.

    :param parts: at least one
    """
    found = sorted(parts, key=lambda part: part.header.began)
    first = found[0].header
    lines = [first.line()]
    end, at, holes = first.offset, 0.0, 0
    for part in found:
        begins = max(at, part.header.began - first.began)
        events = part.events
        if part is not found[0]:
            lines.append(cast.mark(
                begins, f'nova-dmore: recorded on {part.header.host}'))
        if part.header.offset not in (0, end):
            holes += 1
            said = cast.Event(0.0, None, files.missing(
                end, part.header.offset))
            if events[:1] != (said,):   # else its file says it
                events = (said, *events)
        for event in events:
            at = max(at, begins + event.at)
            lines.append(cast.mark(at, event.mark) if event.data is None
                         else cast.output(at, event.data))
        end = part.end
    return ''.join(lines), holes
