# SPDX-License-Identifier: Apache-2.0
"""Where users of the cloud are: on the controller's network.

Without the controller's process namespace: what is to be killed is seen from
out here.
"""

import contextlib
import os
from collections.abc import Iterator

from laboratory import namespaces
from laboratory.testbed.settings import CONTROLLER, Place


@contextlib.contextmanager
def at_the_controller(place: Place) -> Iterator[None]:
    """Put this thread, and those it starts, there.

    :raises OSError: not root, or no such host
    """
    kept = dict(os.environ)
    with namespaces.network(place.host(CONTROLLER).namespace):
        # Nothing that a shell has set for another cloud or another network.
        for name in kept:
            if name == 'OS_CLOUD' or name.lower().endswith('_proxy'):
                del os.environ[name]
        os.environ.update(place.credentials())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)
