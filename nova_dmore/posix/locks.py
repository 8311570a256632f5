# SPDX-License-Identifier: Apache-2.0
"""The lock of a keeper: as long as a pair's folder is locked, it lives.

A record lock (fcntl(2)): it goes with the process, however that ends, no child
has it, and the kernel tells who holds it.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator

from nova_dmore import wire

#: struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct('hhqqi4x')


def _path(folder: str) -> str:
    return os.path.join(folder, wire.KEEPER_LOCK)


def take(folder: str) -> None:
    """Lock a folder for the life of this process.

    The file stays open: who closes any descriptor of it loses the lock.

    :raises BlockingIOError: somebody else holds it.
    :raises FileNotFoundError: the folder has just been removed.
    :raises OSError: the file cannot be made.
    """
    descriptor = os.open(_path(folder), os.O_RDWR | os.O_CREAT |
                         os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A file that was removed meanwhile locks nothing.
        if not os.path.samestat(os.fstat(descriptor), os.stat(_path(folder))):
            raise FileNotFoundError(f'{folder} was removed')
    except OSError:
        os.close(descriptor)
        raise


def holder(folder: str) -> int | None:
    """-> the process id of whoever has locked a folder, or None.

    :raises FileNotFoundError: nobody ever has.
    """
    with _opened(folder) as descriptor:
        return _holder(descriptor) or _earlier_holder(descriptor)


def is_earlier(folder: str) -> bool:
    """-> whether a keeper of an earlier release has locked a folder.

    :raises FileNotFoundError: nobody ever has.
    """
    with _opened(folder) as descriptor:
        return (_holder(descriptor) is None and
                _earlier_holder(descriptor) is not None)


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    descriptor = os.open(
        _path(folder), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = _FLOCK.unpack(
        fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else pid


def _earlier_holder(descriptor: int) -> int | None:
    """-> that of a keeper of a release that had no host service: it has
    locked the file in another way (flock(2)), and written its id into it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0).strip()
        return int(written) if written.isdigit() else None
    return None
