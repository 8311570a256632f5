# SPDX-License-Identifier: Apache-2.0
"""Bytes of a session, by number instead of as they happen to come."""

from collections.abc import Callable


class Ended(OSError):
    """The session has ended."""


class Stream:
    """:param receive: waits for some bytes; none when the session has ended
    :ivar received: how many bytes have come
    """

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._buffer = b''
        self._at = 0
        self.received = 0

    def read(self, count: int) -> bytes:
        """Exactly so many bytes.

        :raises Ended: the session has ended
        """
        if self._at + count <= len(self._buffer):
            data = self._buffer[self._at:self._at + count]
            self._at += count
            return data
        parts = [self._buffer[self._at:]]
        have = len(parts[0])
        while have < count:
            data = self._receive()
            if not data:
                raise Ended('the session has ended')
            self.received += len(data)
            parts.append(data)
            have += len(data)
        self._buffer = b''.join(parts)
        self._at = count
        return self._buffer[:count]

    def number(self, size: int) -> int:
        """An unsigned number of so many bytes."""
        return int.from_bytes(self.read(size), 'big')
