# SPDX-License-Identifier: Apache-2.0
"""The two FIFOs of an instance's serial port (libvirt's type ``pipe``).

They lie in the directory of the instance's domain and outlive every process:
whoever opens them next finds what nobody has read.
"""

import contextlib
import os
import stat

from nova_dmore.posix import pipes
from nova_dmore import wire

#: Room of a FIFO that nobody reads for a while, in bytes: as much as anybody
#: may ask for (/proc/sys/fs/pipe-max-size).
_ROOM_ALONE = 1 << 20

#: QEMU adds these to the path that it is given (chardev/char-pipe.c).
_SUFFIXES = ('.in', '.out')


def path_of(directory: str) -> str:
    """-> the path that QEMU is given."""
    return os.path.join(directory, wire.SERIAL0_PIPE)


def make_domain_directory(directory: str, group: int | None) -> None:
    """Have a directory that a QEMU can enter, and not write.

    :param group: id of a group of QEMU's user, None: everybody may enter.
    :raises OSError: it cannot be made, or is another user's.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    if group is not None:
        os.chown(directory, -1, group)
    os.chmod(directory, 0o711 if group is None else 0o710)


def mode_for(group: int | None) -> int:
    """-> the mode of FIFOs and sockets that QEMU opens.

    :param group: as of :func:`make_domain_directory`.
    """
    return 0o600 if group is None else 0o660


def share(one: str, other: str) -> None:
    """Let the FIFOs of either directory be found in both.

    An instance that was started by release 0.2, or arrives from a host of it,
    has them in the keeper's own.

    :raises OSError: they cannot be.
    """
    for path, same in zip(_paths(one), _paths(other)):
        for source, target in ((path, same), (same, path)):
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                # In the directory of release 0.2 QEMU may have put something
                # else in its place.
                if stat.S_ISFIFO(os.lstat(source).st_mode):
                    os.link(source, target, follow_symlinks=False)


def make(directory: str, mode: int, group: int | None) -> None:
    """Have both FIFOs; those that are there stay as they are.

    Called by the keeper, and by nova-compute where an instance arrives
    without its pair: its QEMU does not start without them.

    :param mode: of new ones; ``group``: their group id, None: the maker's.
    :raises OSError: they cannot be made, or something else is there.
    """
    for path in _paths(directory):
        # Libvirt may have given it to QEMU's user.
        if not os.path.lexists(path):
            _make(path, mode, group)


def _make(path: str, mode: int, group: int | None) -> None:
    """Have a FIFO that QEMU may open as soon as it is found there: one that
    its maker left before that would be taken for a whole one."""
    scratch = f'{path}.{os.getpid()}'
    with contextlib.suppress(FileNotFoundError):
        os.unlink(scratch)
    os.mkfifo(scratch, 0o600)
    try:
        made = _open(scratch, os.O_RDWR)
        try:
            if group is not None:
                os.fchown(made, -1, group)
            os.fchmod(made, mode)
        finally:
            os.close(made)
        with contextlib.suppress(FileExistsError):
            # Somebody else may have been faster.
            os.link(scratch, path)
    finally:
        os.unlink(scratch)


def are_there(directory: str) -> bool:
    """Whether something is in the place of both."""
    return all(map(os.path.lexists, _paths(directory)))


def open_both(directory: str) -> tuple[int, int]:
    """-> (descriptor of the input, of the output), non-blocking.

    Each is open for reading and writing, so that neither side ever sees an
    end.

    :raises OSError: one is not there, or is no FIFO.
    """
    path_in, path_out = _paths(directory)
    input_end = _open(path_in, os.O_RDWR)
    try:
        return input_end, _open(path_out, os.O_RDWR)
    except OSError:
        os.close(input_end)
        raise


def open_to_count(directory: str) -> int:
    """-> a descriptor of the input that tells how much is unread.

    Nobody can read from it: a byte that is taken from under QEMU's poll
    would have it wait for ever, and the guest with it.

    :raises OSError: it is not there, or is no FIFO.
    """
    return _open(_paths(directory)[0], os.O_WRONLY)


def make_room(output: int) -> None:
    """Let the guest go on for a while where nobody reads its output.

    :param output: the descriptor of that FIFO.
    """
    pipes.resize(output, _ROOM_ALONE)


def _paths(directory: str) -> list[str]:
    return [path_of(directory) + suffix for suffix in _SUFFIXES]


def _open(path: str, access: int) -> int:
    # A QEMU of release 0.2 can write its directory: what lies there may be a
    # symbolic link, or no FIFO.
    descriptor = os.open(
        path, access | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f'{path} is no FIFO')
    return descriptor
