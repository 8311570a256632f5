# SPDX-License-Identifier: Apache-2.0
"""The files of one instance: a folder with some casts, of a bounded size.

Each file is of bytes that follow each other. Where some are missing another
file begins, and says so; another one begins, too, when the instance comes
back from another host. Beside them lies ``state.json``, which is written
after what it tells of: a recorder that was killed in between takes back what
the state does not know, and records it again.
"""

import contextlib
import json
import logging
import os
import pathlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nova_dmore.channel import text as channel_text
from nova_dmore.hostd import folders
from nova_dmore.recorder import cast

LOG = logging.getLogger(__name__)

#: How many files share the room of an instance, ...
_SHARES = 4
#: ... and how many files there may be. Usually one begins when the last one is
#: full; but one begins also where bytes are missing, however small the last
#: one is.
_FILES_MAX = 64
#: Their names sort by the time at which they were begun.
_NAME = re.compile(r'[0-9]{8}T[0-9]{6}\.[0-9]{3}Z\.cast')
_STATE = 'state.json'
#: Room for the state, in bytes: it is written in place, at once.
_STATE_SIZE = 1024


class Files:
    """Where the output of one instance goes.

    :param folder: its own; made if it is not there.
    :param most: bytes that all files may have together, about.
    :param host: the name of this host, for the headers.
    :param clock: seconds since 1970.
    :raises OSError: it cannot be used.

    :ivar folder: as given
    :ivar journal: which journal ``moved`` counts in; '' before the first
    :ivar moved: so many bytes of that have been dealt with
    :ivar told: number of the last gap report that was marked
    """

    def __init__(self, folder: pathlib.Path, most: int, host: str,
                 clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._most = most
        self._host = host
        self._clock = clock
        folder.mkdir(mode=0o700, exist_ok=True)
        self._state = os.open(folder / _STATE, os.O_RDWR | os.O_CREAT
                              | os.O_CLOEXEC, 0o600)
        self._file: int | None = None
        try:
            self._go_on()
        except BaseException:
            # It is tried again and again, for weeks perhaps.
            self.close()
            raise

    def _go_on(self) -> None:
        """Know what the state tells, and go on there."""
        kept = self._read_state()
        self.journal: str = kept.get('journal', '')
        self.moved: int = kept.get('moved', 0)
        self.told: int = kept.get('told', 0)
        self._name: str = kept.get('name', '')
        #: Bytes of the file, offset after its last one, when it began.
        self._size: int = kept.get('size', 0)
        self._offset: int | None = kept.get('offset')
        self._began: float = kept.get('began', 0.0)
        self._last = 0.0        # time of the last event
        if self._name:
            for path in casts(self.folder):
                if path.name > self._name:
                    path.unlink()   # begun, and not known to the state
        self._open_again()

    def close(self) -> None:
        """Write no more."""
        os.close(self._state)
        self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read_state(self) -> dict[str, Any]:
        try:
            kept = json.loads(os.pread(self._state, _STATE_SIZE, 0))
            return kept if isinstance(kept, dict) else {}
        except ValueError:
            return {}       # it is new

    def _open_again(self) -> None:
        """Go on with the last file, without what the state does not know."""
        if not self._name:
            return
        try:
            self._file = os.open(self.folder / self._name,
                                 os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return      # somebody has removed it
        if os.fstat(self._file).st_size < self._size:
            self._close_file()
            return      # the host went down before it was on the disk
        os.ftruncate(self._file, self._size)
        os.lseek(self._file, self._size, os.SEEK_SET)

    def follow(self, journal: str, moved: int) -> None:
        """Go on with another journal: the instance has come (back).

        :param moved: from where on
        """
        self.journal, self.moved, self.told = journal, moved, 0
        # What is between may be on the host where it has been.
        self._offset = None

    def append(self, offset: int, data: bytes, moved: int) -> None:
        """Write output.

        :param offset: of its first byte
        :param moved: the count after its last byte
        :raises OSError: nothing was written; to be tried again
        """
        with self._whole():
            text = ''
            if (self._file is None or offset != self._offset
                    or self._is_full):
                text = self._begin(offset)
            self._write(text + cast.output(self._now(), data))
        self._offset = offset + len(data)
        self.moved = moved
        self._write_state()

    def mark(self, number: int, text: str) -> None:
        """Write a mark, for the gap report with a number.

        :raises OSError: nothing was written; to be tried again
        """
        # Gaps may come without output, and without an end. Where nobody knows
        # at which offset another file would begin, they are left out.
        if self._file is not None and not (
                self._is_full and self._offset is None):
            with self._whole():
                begins = ('' if self._offset is None or not self._is_full
                          else self._begin(self._offset))
                self._write(begins + cast.mark(self._now(), text))
        self.told = number
        self._write_state()

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """Write all inside the block, or leave everything as it was."""
        before = self._name, self._size, self._began
        try:
            yield
        except OSError:
            self._close_file()
            name = self._name
            self._name, self._size, self._began = before
            if name != self._name:
                (self.folder / name).unlink(missing_ok=True)
            self._open_again()
            raise

    @property
    def _is_full(self) -> bool:
        """Whether the next thing belongs into another file."""
        return self._size >= self._most // _SHARES

    def _now(self) -> float:
        """Seconds since the file began, never less than the last time."""
        self._last = max(self._last, self._clock() - self._began)
        return self._last

    def _begin(self, offset: int) -> str:
        """Begin another file -> the text that it begins with."""
        self._close_file()
        before = self._offset
        # Later than the last one, also if the clock was set back.
        self._began = max(self._clock(), self._began + 0.001)
        self._last = 0.0
        self._size = 0
        seconds, milliseconds = divmod(round(self._began * 1000), 1000)
        self._name = time.strftime(
            '%Y%m%dT%H%M%S', time.gmtime(seconds)) + (
                f'.{milliseconds:03d}Z.cast')
        self._make_room()
        self._file = os.open(
            self.folder / self._name,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        text = cast.Header(self._began, self.folder.name, self._host,
                           offset).line()
        if before is not None and before != offset:
            text += cast.mark(0.0, missing(before, offset))
        return text

    def _make_room(self) -> None:
        sizes = {path: path.stat().st_size for path in casts(self.folder)}
        total, removed = sum(sizes.values()), 0
        for path, size in sizes.items():
            if (total <= self._most - self._most // _SHARES
                    and len(sizes) - removed < _FILES_MAX):
                break
            path.unlink()
            total -= size
            removed += 1

    def _write(self, text: str) -> None:
        assert self._file is not None       # callers have checked
        data = text.encode()
        done = 0
        while done < len(data):
            done += os.write(self._file, data[done:])
        self._size += done

    def _write_state(self) -> None:
        text = json.dumps({
            'journal': self.journal, 'moved': self.moved, 'told': self.told,
            'name': self._name, 'size': self._size, 'offset': self._offset,
            'began': self._began})
        os.pwrite(self._state, text.ljust(_STATE_SIZE).encode(), 0)


def missing(before: int, offset: int) -> str:
    """What is said of bytes between two offsets that nobody has recorded."""
    if offset > before:
        return f'nova-dmore: {offset - before} bytes of output are missing'
    return f'nova-dmore: output from offset {offset} on was told again'


def casts(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of a folder that a recorder has made, the oldest first.

    An operator may keep others there.
    """
    return sorted(path for path in folder.glob('*.cast')
                  if _NAME.fullmatch(path.name))


def is_here(folder: pathlib.Path) -> None:
    """Note that the instance of a folder is on this host, perhaps silent: for
    how long it is not counts from the last time on.
    """
    # It may not be recorded, or the folder be somebody else's.
    with contextlib.suppress(OSError):
        os.utime(folder / _STATE)


def prune(directory: pathlib.Path, names: Iterable[str], older_than: float,
          live: set[str]) -> list[str]:
    """Remove folders of instances that are not here any more; what cannot be
    removed stays.

    :param names: of what may be removed in the directory; what is no uuid of
        an instance stays
    :param older_than: those into which nothing was written since, in seconds
        since 1970
    :param live: uuids of those that are here
    :returns: the uuids of those that were removed
    """
    removed = []
    for name in sorted(filter(folders.is_uuid, names)):
        if name in live:
            continue
        try:
            if _remove(directory / name, older_than):
                removed.append(name)
        except OSError as e:
            # It has files of others, say.
            LOG.warning('Old recordings in %s are not removed: %s',
                        directory / name, channel_text.printable(e))
    return removed


def _remove(folder: pathlib.Path, older_than: float) -> bool:
    """Remove a folder, if nothing was written into it since -> whether it was.

    :raises OSError: something of it stays.
    """
    paths = [*casts(folder), folder / _STATE] if folder.is_dir() else []
    newest = max((path.stat().st_mtime for path in paths if path.exists()),
                 default=None)
    if newest is None or newest > older_than:
        return False
    for path in paths:
        path.unlink(missing_ok=True)
    folder.rmdir()
    return True
