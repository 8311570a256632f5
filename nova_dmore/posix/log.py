# SPDX-License-Identifier: Apache-2.0
"""The log of keeper and worker: no peer makes it long, or writes it.

The processes of all pairs of a host append to one log for as long as their
instances live, and much of what they log is caused by a guest, by QEMU or by
Domain R. So each place in the program may log so often, all of a process so
many bytes, and none writes into a file that is full; what is left out is
counted in one line. logrotate (etc/nova-dmore/logrotate.conf) makes room
again.
"""

import logging
import os
import sys
import time
import types
from collections.abc import Callable
from typing import TextIO, TypeAlias

from nova_dmore.channel import text

#: Messages that one place in the program may log at once, and per second.
SITE_BURST, SITE_RATE = 200, 1.0
#: Bytes that a process may log at once, and per second.
BYTES_BURST, BYTES_RATE = 1 << 20, 2048.0
#: Nothing is written into a file of this size. One process alone fills it in
#: nine hours.
FILE_MAX = 1 << 26
#: Of one message, and of one traceback, in characters.
MESSAGE_MAX = 2000
_TRACEBACK_MAX = 8000

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, types.TracebackType | None]
    | tuple[None, None, None])


class _Bucket:
    """Fills with time, up to a size; what is in it may be spent."""

    def __init__(self, size: float, rate: float, now: float) -> None:
        self._size, self._rate = size, rate
        self._left, self._at = size, now

    def has(self, amount: float, now: float) -> bool:
        self._left = min(self._size,
                         self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left >= amount

    def spend(self, amount: float) -> None:
        self._left -= amount


class PrintableFormatter(logging.Formatter):
    """Writes one line per message, and a traceback if there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Escape what is in the message."""
        record.message = text.printable(record.message, MESSAGE_MAX)
        return super().formatMessage(record)

    def formatException(self, ei: _ExcInfo) -> str:
        """Escape what is in the lines of a traceback."""
        lines = super().formatException(ei)[-_TRACEBACK_MAX:].split('\n')
        return '\n'.join(map(text.escaped, lines))


class BoundedHandler(logging.StreamHandler[TextIO]):
    """See the module.

    :param stream: standard error; its file's size is checked.
    :param clock: -> monotonic seconds.
    """

    def __init__(self, stream: TextIO | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self.begin('')

    def begin(self, name: str) -> None:
        """Log for a process, of which nothing was logged.

        :param name: stands in each line, for formatters that have it.
        """
        self._name = name
        # As many as the program has.
        self._sites: dict[tuple[str, int], _Bucket] = {}
        self._bytes = _Bucket(BYTES_BURST, BYTES_RATE, self._clock())
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        try:
            self._emit(record)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Say what was left out at last; the stream stays open."""
        self.acquire()
        try:
            if self._dropped and not self._is_full():
                self._write(self._more())
        finally:
            self.release()
        super().close()

    def _emit(self, record: logging.LogRecord) -> None:
        now = self._clock()
        site = self._sites.setdefault(
            (record.pathname, record.lineno),
            _Bucket(SITE_BURST, SITE_RATE, now))
        if not site.has(1, now) or self._is_full():
            self._dropped += 1
            return
        record.__dict__['of'] = self._name
        line = self.format(record)
        more = self._more() if self._dropped else ''
        size = len(line) + len(more) + 1
        if not self._bytes.has(size, now):
            self._dropped += 1
            return
        site.spend(1)
        self._bytes.spend(size)
        self._dropped = 0
        self._write(more + line + self.terminator)

    def _more(self) -> str:
        return f'{self._dropped} messages more' + self.terminator

    def _write(self, data: str) -> None:
        self.stream.write(data)
        self.flush()

    def _is_full(self) -> bool:
        try:
            # Whoever writes appends: the position is nobody's.
            size = os.lseek(self.stream.fileno(), 0, os.SEEK_END)
        except (OSError, ValueError):       # it is no file
            return False
        return size >= FILE_MAX


def set_up(name: str, debug: bool) -> None:
    """Log to standard error alone; called once, when a process begins.

    :param name: of the process.
    :param debug: whether to log what is of interest to developers.
    """
    root = logging.getLogger()
    handler = root.handlers[0] if root.handlers else None
    if not isinstance(handler, BoundedHandler) or (
            handler.stream is not sys.stderr):
        handler = BoundedHandler()
        handler.setFormatter(PrintableFormatter(
            '%(asctime)s %(of)s[%(process)d] %(levelname)s %(message)s'))
        root.handlers = [handler]
    # That of the process which this one is forked from. Another one, or to
    # set the level again, would write 0.2 MiB of memory of each pair.
    handler.begin(name)
    level = logging.DEBUG if debug else logging.INFO
    if root.level != level:
        root.setLevel(level)
