# SPDX-License-Identifier: Apache-2.0
"""Where users of the cloud are: on the controller's network.

Without the controller's process namespace: what is to be killed is seen from
out here.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from laboratory.testbed.settings import CONTROLLER, Place

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def at_the_controller(place: Place) -> Iterator[None]:
    """Put this thread, and those it starts, there.

    :raises OSError: not root, or no such host
    """
    here = open('/proc/thread-self/ns/net')
    there = open(f'/run/netns/{place.host(CONTROLLER).namespace}')
    kept = dict(os.environ)
    with here, there:
        _enter(there.fileno())
        os.environ.update(place.credentials())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)
            _enter(here.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), 'setns')
