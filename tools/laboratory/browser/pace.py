# SPDX-License-Identifier: Apache-2.0
"""How fast a user types."""

import time
from collections.abc import Iterable, Iterator

#: Seconds between two keys.
KEY_S = 0.05


def paced(text: Iterable[str], seconds: float) -> Iterator[str]:
    """One character after the other, each when it is time to type it.

    :param text: may be without an end that is known yet
    :param seconds: from one to the next; one that is late is not made up for
        by a burst
    """
    due = time.monotonic()
    for character in text:
        time.sleep(max(0.0, due - time.monotonic()))
        yield character
        due = max(due + seconds, time.monotonic())
