# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Where users of the cloud are: on the controller's network.

Unlike ``demolib.inside`` without its process namespace: what is to be killed
is seen from out here.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator

from testbedlib.settings import CONTROLLER, Place

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
