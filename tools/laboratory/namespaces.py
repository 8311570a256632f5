# SPDX-License-Identifier: Apache-2.0
"""The network that a thread is on."""

import contextlib
import ctypes
import pathlib
from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000
_FOLDER = pathlib.Path('/run/netns')
_libc = ctypes.CDLL(None, use_errno=True)


def path(name: str) -> pathlib.Path:
    """The file of a network namespace, as ``ip netns`` names it."""
    return _FOLDER / name


@contextlib.contextmanager
def network(name: str) -> Iterator[None]:
    """Put this thread, and those it starts, on another network.

    :raises OSError: not root, or no such namespace
    """
    with open('/proc/thread-self/ns/net') as here, path(name).open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'setns')
