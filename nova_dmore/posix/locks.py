# SPDX-License-Identifier: Apache-2.0
"""The locks of a keeper, its worker, and the recorder: as long as one is held,
its holder lives.

Record locks (fcntl(2)): they go with the process, however that ends, no child
has them, and the kernel tells who holds them.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable
from collections.abc import Iterator

from nova_dmore import wire

#: struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct('hhqqi4x')

#: Holders may end while they are asked for; not so many in a row.
_ATTEMPTS = 5

#: The descriptor of its lock that a worker has.
WORKER_DESCRIPTOR = 255


def _path(folder: str, name: str = wire.KEEPER_LOCK) -> str:
    return os.path.join(folder, name)


def acquire(folder: str) -> None:
    """Lock a folder for the life of this process, its keeper.

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


def acquire_as_worker(folder: str) -> None:
    """Lock a folder for the life of this process, a worker.

    The lock keeps nobody out, and its descriptor nothing can be written to: a
    worker that ignores its keeper's end is found by it, and no more.

    :raises OSError: the file cannot be made.
    """
    opened = _open_workers(folder)
    try:
        os.dup2(opened, WORKER_DESCRIPTOR, inheritable=False)
    finally:
        os.close(opened)
    fcntl.lockf(WORKER_DESCRIPTOR, fcntl.LOCK_SH | fcntl.LOCK_NB)


def make_workers(folder: str) -> None:
    """Make what workers lock, before others can make files in the folder.

    :raises OSError: it cannot be made.
    """
    os.close(_open_workers(folder))


def _open_workers(folder: str) -> int:
    return os.open(_path(folder, wire.WORKER_LOCK), os.O_RDONLY | os.O_CREAT |
                   os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def acquire_as_recorder(run_dir: str) -> int:
    """Lock ``run_dir`` as the recorder of this host -> the descriptor, with
    which the lock goes.

    :raises BlockingIOError: another recorder runs.
    :raises OSError: the file cannot be made.
    """
    descriptor = os.open(
        _path(run_dir, wire.RECORDER_LOCK), os.O_RDWR | os.O_CREAT |
        os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def open_recorders(run_dir: str) -> int:
    """-> a descriptor for :func:`recorder`, which takes no lock.

    :raises OSError: the file cannot be made.
    """
    return os.open(
        _path(run_dir, wire.RECORDER_LOCK), os.O_RDONLY | os.O_CREAT |
        os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def recorder(descriptor: int) -> int | None:
    """-> the process id of the recorder that runs, or None.

    :param descriptor: of :func:`open_recorders`.
    """
    return _holder(descriptor)


def holder(folder: str) -> int | None:
    """-> the process id of the keeper that has locked a folder, or None.

    :raises FileNotFoundError: none ever has.
    """
    with _opened(folder) as descriptor:
        return _holder(descriptor) or _earlier_holder(descriptor)


def worker(folder: str) -> int | None:
    """-> the process id of a worker that has locked a folder, or None."""
    try:
        with _opened(folder, wire.WORKER_LOCK) as descriptor:
            return _holder(descriptor)
    except FileNotFoundError:
        return None


def pidfd_of(who: Callable[[], int | None]) -> tuple[int, int] | None:
    """-> (the process id, a pidfd) of whoever holds a lock, or None.

    :param who: tells who does.
    :raises OSError: it is of a namespace that is not seen from here.
    """
    for _attempt in range(_ATTEMPTS):
        pid = who()
        if pid is None:
            return None
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        # Whoever has the number now, and holds the lock, is meant.
        if who() == pid:
            return pid, descriptor
        os.close(descriptor)
    return None     # what an earlier keeper wrote names nobody


def is_earlier(folder: str) -> bool:
    """-> whether a keeper of an earlier release has locked a folder.

    :raises FileNotFoundError: nobody ever has.
    """
    with _opened(folder) as descriptor:
        return (_holder(descriptor) is None and
                _earlier_holder(descriptor) is not None)


@contextlib.contextmanager
def _opened(folder: str, name: str = wire.KEEPER_LOCK) -> Iterator[int]:
    descriptor = os.open(
        _path(folder, name), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
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
        return int(written) if written.isdigit() and (
            len(written) < 10) else None
    return None
