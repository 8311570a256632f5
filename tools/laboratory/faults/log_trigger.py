# SPDX-License-Identifier: Apache-2.0
"""An action at the line of a log that is waited for, within milliseconds."""

import os
import pathlib
import threading
import time
from collections.abc import Callable, Mapping

from laboratory.faults.phases import Sign

_LOOK_S = 0.002


class LogTrigger(threading.Thread):
    """Reads what is added to a log; when a phase begins there, it acts.

    :param path: the log, from where it ends now
    :param signs: of the phases
    :param phase: at which to act
    :param action: called in this thread, once
    :ivar seen: when (``time.time()``) each phase was seen first
    :ivar acted_at: when the action was begun
    """

    def __init__(self, path: pathlib.Path, signs: Mapping[str, Sign],
                 phase: str, action: Callable[[], None]) -> None:
        super().__init__(name=f'reads {path.name}', daemon=True)
        self._signs = signs
        self._phase = phase
        self._action = action
        self._stream = path.open('rb')
        self._stream.seek(0, os.SEEK_END)
        self._rest = b''
        self._stopped = threading.Event()
        self.seen: dict[str, float] = {}
        self.acted_at: float | None = None
        self.error: Exception | None = None
        self.acted = threading.Event()

    def run(self) -> None:
        """Called by ``start()``."""
        while not self._stopped.is_set():
            data = self._stream.read()
            if not data:
                time.sleep(_LOOK_S)
                continue
            *lines, self._rest = (self._rest + data).split(b'\n')
            for line in lines:
                self._look_at(line.decode(errors='replace'))

    def _look_at(self, line: str) -> None:
        for phase, sign in self._signs.items():
            if phase not in self.seen and sign.matches(line):
                self.seen[phase] = time.time()
                if phase == self._phase:
                    time.sleep(sign.delay_s)
                    self._act()

    def _act(self) -> None:
        self.acted_at = time.time()
        try:
            self._action()
        except Exception as error:  # noqa: H201
            # Told by the one who waits for it, in another thread.
            self.error = error
        finally:
            self.acted.set()

    def stop(self) -> None:
        """Returns when nothing is done any more."""
        self._stopped.set()
        self.join()
        self._stream.close()

    def landed(self) -> str:
        """The phase that had begun last when the action was begun."""
        if self.acted_at is None:
            return 'never'
        before = [(when, phase) for phase, when in self.seen.items()
                  if when <= self.acted_at]
        return max(before)[1] if before else 'before'
