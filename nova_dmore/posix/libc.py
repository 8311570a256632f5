# SPDX-License-Identifier: Apache-2.0
"""Calls of the C library that Python has not.

It is opened once: each process of a pair that did so would have a class of
ctypes of its own, and the memory of that.
"""

import ctypes
import os
from typing import Any

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> int:
    """Call a function -> its result.

    :raises OSError: it is negative.
    """
    result: int = getattr(_LIBRARY, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f'{name}: {os.strerror(number)}')
    return result
