# SPDX-License-Identifier: Apache-2.0
"""Progress on the terminal: which step runs, and how long it took."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator


class Failure(Exception):
    """A step that could not be done.

    :param step: what was being done
    :param reason: what went wrong, in words for whoever ran the command
    :param log: the file that says more, if there is one
    """

    def __init__(self, step: str, reason: str, log: object = None) -> None:
        self.step = step
        self.reason = reason
        self.log = log
        text = f'{step}: {reason}'
        if log is not None:
            text += f'\n  log: {log}'
        super().__init__(text)


class Progress:
    """Prints steps with seconds since the start; safe from several threads."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def elapsed(self) -> float:
        """Seconds since this object was made."""
        return time.monotonic() - self._begin

    def say(self, text: str) -> None:
        if self._quiet:
            return
        with self._lock:
            print(f'[{self.elapsed():6.1f} s] {text}', file=sys.stderr,
                  flush=True)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say that a step begins and, when it ended well, its seconds."""
        begin = time.monotonic()
        self.say(f'{name} ...')
        yield
        self.say(f'{name}: done in {time.monotonic() - begin:.1f} s')
