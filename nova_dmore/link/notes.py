# SPDX-License-Identifier: Apache-2.0
"""A worker's notes to its successor: one JSON object in shared memory.

The keeper owns the memory and does not read it. Two copies take turns, so a
worker that is killed while it writes leaves the older one.
"""

import json
import mmap
import zlib
from typing import Any

NOTES_SIZE = 1 << 21

_HEADER = 4096
_W_ACTIVE, _W_LENGTH, _W_CHECKSUM = 0, 8, 16    # the latter two: per copy


class NoRoomError(ValueError):
    """The object is too long; the one before it stands."""


class Notes:
    """The two copies.

    :param buffer: NOTES_SIZE writable bytes, zero at first.
    """

    def __init__(self, buffer: mmap.mmap | bytearray | memoryview) -> None:
        view = memoryview(buffer).cast('B')
        self._words = view[:_HEADER].cast('Q')
        self._data = view[_HEADER:]
        self._room = len(self._data) // 2

    def close(self) -> None:
        """Give the buffer up, so that its mmap can be closed."""
        self._words.release()
        self._data.release()

    def read(self) -> Any:
        """-> the last object written whole, or None."""
        copy = self._words[_W_ACTIVE]
        if copy not in (1, 2):
            return None
        length = self._words[_W_LENGTH + copy]
        start = (copy - 1) * self._room
        data = bytes(self._data[start:start + min(length, self._room)])
        if zlib.crc32(data) != self._words[_W_CHECKSUM + copy]:
            return None
        return json.loads(data)

    def write(self, value: Any) -> None:
        """Replace the object.

        :raises NoRoomError: it is too long.
        """
        data = json.dumps(value).encode()
        if len(data) > self._room:
            raise NoRoomError(f'notes of {len(data)} bytes')
        copy = 2 if self._words[_W_ACTIVE] == 1 else 1
        start = (copy - 1) * self._room
        self._data[start:start + len(data)] = data
        self._words[_W_LENGTH + copy] = len(data)
        self._words[_W_CHECKSUM + copy] = zlib.crc32(data)
        self._words[_W_ACTIVE] = copy
