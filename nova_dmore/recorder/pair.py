# SPDX-License-Identifier: Apache-2.0
"""One pair of this host, as the recorder sees it.

A worker reads what guests and Domain Rs wrote, and writes the journal: what is
found there is no more believed than that. It costs this pair's recording.
"""

import logging
import mmap
import os
import socket
import time

from nova_dmore.channel import errors
from nova_dmore.channel.host import tail as tail_module
from nova_dmore.channel import text
from nova_dmore.posix import unix_connect
from nova_dmore.recorder import cast
from nova_dmore.recorder import files as files_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Bytes that are dealt with at once, so that others have their turn.
PIECE = 1 << 16
#: How long the rest of a character is waited for, in seconds.
_CHARACTER_S = 1.0
#: How long a disk that takes nothing is left alone, in seconds.
_TROUBLE_S = 5.0
#: How long a keeper may take to give its journal, in seconds.
_ANSWER_S = 1.0


def _boot_id() -> str:
    with open('/proc/sys/kernel/random/boot_id') as file:
        return file.read().strip()


def map_journal(folder: str, keeper: int) -> tuple[mmap.mmap, str]:
    """-> the memory of a pair's journal, to be read, and its name: there is no
    other journal of that name, ever.

    :param folder: the keeper's own.
    :param keeper: its process id; nobody else is believed.
    :raises OSError: it is of an earlier release, or about to end.
    """
    with unix_connect.connect_to(
            os.path.join(folder, wire.JOURNAL_SOCKET), keeper) as sock:
        sock.settimeout(_ANSWER_S)
        _, descriptors, _, _ = socket.recv_fds(sock, 16, 1)
    if not descriptors:
        raise OSError('the keeper gave nothing')
    try:
        found = os.fstat(descriptors[0])
        return (mmap.mmap(descriptors[0], 0, access=mmap.ACCESS_READ),
                f'{_boot_id()}:{found.st_dev}:{found.st_ino}')
    finally:
        os.close(descriptors[0])


class Pair:
    """The journal of a pair, and the files that it goes into.

    :param memory: of the journal.
    :param name: of the journal.
    :param files: taken over, as the memory is.
    :raises errors.JournalError: it cannot be read, or not yet.
    """

    def __init__(self, memory: mmap.mmap, name: str,
                 files: files_module.Files) -> None:
        self._memory = memory
        self._tail = tail_module.Tail(memory)
        self._name = name
        self._files = files
        #: As the worker says; None: nothing may be recorded (any more).
        self.recording: wire.Recording | None = None
        #: Of a character whose rest may come: (moved, since when).
        self._partial = -1, 0.0
        self._not_before = 0.0

    def close(self) -> None:
        """Read and write no more."""
        self._tail.close()
        self._memory.close()
        self._files.close()

    def record(self, is_last: bool = False) -> bool:
        """Write what has come since the last time -> whether there may be
        more at once.

        :param is_last: nothing more will come
        """
        if self.recording is None or time.monotonic() < self._not_before:
            return False
        try:
            return self._record(self.recording, is_last)
        except OSError as e:
            self._say_not_recorded(e)
            self._not_before = time.monotonic() + _TROUBLE_S
        except errors.JournalError as e:
            self._say_not_recorded(e)
        return False

    def _say_not_recorded(self, why: Exception) -> None:
        LOG.warning('Nothing can be recorded in %s now: %s',
                    self._files.folder, text.printable(why))

    def _record(self, recording: wire.Recording, is_last: bool) -> bool:
        files = self._files
        seen = self._tail.read_position()
        if seen.offset is None:
            return False
        if files.journal != self._name:
            files.follow(self._name, recording.start)
        start = max(files.moved, recording.start,
                    seen.moved - tail_module.WINDOW)
        end = min(seen.moved, start + PIECE)
        data = self._tail.read(start, end)
        after = self._tail.read_position()
        if (after.moved - tail_module.WINDOW > start or after.offset is None
                or after.offset - after.moved != seen.offset - seen.moved):
            return True     # it was written over, or has other offsets by now
        data = data[:len(data) - self._unfinished(data, start, is_last)]
        if data:
            files.append(seen.offset - seen.moved + start, data,
                         start + len(data))
        for gap in recording.gaps:
            if gap.number > files.told:
                files.mark(gap.number, _described(gap))
        return end < after.moved

    def _unfinished(self, data: bytes, start: int, is_last: bool) -> int:
        """How many bytes wait for the rest of their character."""
        count = cast.unfinished(data)
        if not count or is_last:
            return 0
        at, now = start + len(data) - count, time.monotonic()
        if self._partial[0] != at:
            self._partial = at, now
        return count if now - self._partial[1] < _CHARACTER_S else 0


def _described(gap: wire.GapReport) -> str:
    count = 'some' if gap.bytes is None else gap.bytes
    where = '' if gap.at is None else f' at offset {gap.at}'
    return (f'nova-dmore: {gap.kind} gap of {count} bytes in the console'
            f'{where}: {gap.reason}')
