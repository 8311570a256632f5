# SPDX-License-Identifier: Apache-2.0
"""A shell of the guest, by whatever brings its bytes."""

import itertools
import threading
import time

from laboratory.progress import Failure
from laboratory.users import transcript
from laboratory.users.sessions import Session

_PROMPT = b'guest:'
_PROMPT_S = 30.0
_COMMAND_S = 20.0
_ENTER_S = 1.0


class Shell:
    """:param session: of a serial console; it is the shell's from now on

    :raises Failure: no shell answers
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._came = bytearray()
        self._changed = threading.Condition()
        self._ended = False
        self._numbers = itertools.count(1)
        threading.Thread(target=self._read, daemon=True).start()
        self.find_prompt()

    def _read(self) -> None:
        while True:
            try:
                data = self._session.receive()
            except OSError:
                data = b''
            with self._changed:
                self._came += data or b''
                self._ended = not data
                self._changed.notify_all()
            if not data:
                return

    @property
    def connected(self) -> bool:
        with self._changed:
            return not self._ended

    def send(self, data: bytes) -> None:
        """:raises OSError: the session has ended"""
        self._session.send(data)

    def find_prompt(self) -> None:
        """Press Enter until it answers.

        :raises Failure: it does not
        """
        begin = len(self._came)
        deadline = time.monotonic() + _PROMPT_S
        while time.monotonic() < deadline:
            self.send(b'\r')
            if self._wait(_PROMPT, begin, _ENTER_S):
                return
        raise Failure('a shell of the guest', 'does not answer; it said '
                      f'{bytes(self._came[-200:])!r}')

    def run(self, command: str) -> str:
        """What a command prints.

        :raises Failure: it does not end
        """
        # What is typed is echoed; only the output has the two words whole.
        number = next(self._numbers)
        begin, end = f'BEGIN-{number}-', f'END-{number}-'
        at = len(self._came)
        self.send(f'echo BE""GIN-{number}-; {command}; echo EN""D-{number}-\r'
                  .encode())
        if not self._wait(end.encode(), at, _COMMAND_S):
            raise Failure(command, 'does not end in the guest; it said '
                          f'{bytes(self._came[at:][-200:])!r}')
        with self._changed:
            said = transcript.without_notices(
                bytes(self._came[at:])).decode(errors='replace')
        return said.partition(begin)[2].partition(end)[0].strip('\r\n')

    def _wait(self, what: bytes, begin: int, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(
                lambda: self._came.find(what, begin) >= 0 or self._ended,
                seconds) and self._came.find(what, begin) >= 0

    def close(self) -> None:
        self._session.close()
