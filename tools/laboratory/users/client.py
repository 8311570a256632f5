# SPDX-License-Identifier: Apache-2.0
"""A user at a console of text: an SSH session or a serial port."""

import collections
import re
import time
from collections.abc import Callable

from laboratory.users.sessions import Session
from laboratory.users.transcript import Answer, Ledger, State, Transcript
from laboratory.users.typist import Typist

#: Seconds between two presses of Enter.
_ENTER_S = 1.0
PROGRAM = 'dmore-echo-print'
#: Bytes of the latest output that are kept for a message.
_RECENT = 400
#: What a console tells a client for which it has waited long enough.
_SKIPPED = re.compile(rb'^\[nova-dmore: (\d+) bytes of output are missing '
                      rb'here: this client was too slow\]', re.MULTILINE)
#: So often output is remembered to have come.
_TICKS = 4096


class Client(Typist):
    """One user; reads and compares all that the guest prints.

    :ivar ticks: of the latest output, how many numbered lines there were, and
        when
    :ivar received: bytes of output that have come
    """

    def __init__(self, name: str, typist: int,
                 open_session: Callable[[], Session],
                 say: Callable[[str], None]) -> None:
        super().__init__(name, typist, open_session, say)
        self._transcript = Transcript(PROGRAM)
        self._told = 0
        self.received = 0
        self._recent = bytearray()
        self.ticks: collections.deque[tuple[int, float]] = collections.deque(
            maxlen=_TICKS)
        self.start()

    def find_prompt(self, prompt: bytes, seconds: float) -> bool:
        """Press Enter until a shell answers; whether it does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.write(b'\r')
            if self._wait(lambda: prompt in self._recent, _ENTER_S):
                return True
        return False

    @property
    def recent(self) -> bytes:
        """The latest that came, whatever it was."""
        with self._changed:
            return bytes(self._recent)

    @property
    def odd(self) -> bytes:
        """What came and was no output of the helper."""
        with self._changed:
            return bytes(self._transcript.odd)

    @property
    def _ready(self) -> bool:
        return self._transcript.state is not State.WAITING

    def _take(self, data: object, now: float) -> str | None:
        assert isinstance(data, bytes)
        self.received += len(data)
        lines = self._transcript.lines
        for event in self._transcript.feed(data):
            if isinstance(event, Ledger):
                self._ledgers.append(event)
            elif isinstance(event, Answer) and event.typist == self.typist:
                self._clock.answered(event.value, now)
        if self._transcript.lines > lines:
            self.ticks.append((self._transcript.lines, now))
        self._recent += data
        del self._recent[:-_RECENT]
        odd = bytes(self._transcript.odd[self._told:])
        self._told = len(self._transcript.odd)
        self.skipped += sum(map(int, _SKIPPED.findall(odd)))
        return (f'unexpected output {ascii(odd[:200].decode("latin-1"))}'
                if odd else None)

    def _cut(self) -> None:
        self._transcript.dropped()

    def _output(self) -> tuple[int, int]:
        return self._transcript.missing, self._transcript.duplicated
