# SPDX-License-Identifier: Apache-2.0
"""Wait until something is so."""

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar('_Found')


def until(condition: Callable[[], _Found], seconds: float,
          look_s: float = 0.2) -> _Found:
    """Look until it holds, but no longer than this; what was found last."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(look_s)
    return found


def retried(action: Callable[[], _Found], seconds: float,
            *errors: type[Exception], look_s: float = 0.2) -> _Found:
    """What an action returns, tried again when it raises one of these errors.

    :raises Exception: the last of them, after so long
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except errors:
            if time.monotonic() > deadline:
                raise
        time.sleep(look_s)
