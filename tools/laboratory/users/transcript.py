# SPDX-License-Identifier: Apache-2.0
"""Check every byte of the guest's output that one client receives. Pure.

The guest's numbered lines and answers are known in advance but for the order
in which the two kinds are mixed; each kind has numbers of its own, so whatever
is missing, repeated or changed shows. Its ledger line then tells how many
bytes it printed and their checksum, which settles the order as well.
"""

import dataclasses
import enum
import json
import re
import zlib

from guest import protocol

_LINE = re.compile(rb'L (\d{8}) [0-9a-f]{8} \w+\r\n')
_ANSWER = re.compile(rb'K (\d) (\d{8}) (.)\r\n')
_LEDGER = re.compile(rb'LEDGER (\{.*\})\r\n\Z')
#: What the console tells a person of the instance, and of his keys that were
#: for nobody, as it was off or had left; it is no output, and may be anywhere
#: in it, on lines of its own.
_NOTICE = re.compile(
    rb'\[nova-dmore: (?:the (?:instance|migration) [^\]]*|'
    rb'\d+ bytes of input did not arrive)\]\r\n')
#: More missing lines than these are counted, not compared.
_COMPARED = 2000
#: So much text that is no output of the helper is kept for a look.
_ODD_KEPT = 1 << 16
_ANSWER_LENGTH = len(protocol.answer(0, 0, ord('a')))


def without_notices(said: bytes) -> bytes:
    """What a shell said, of which :data:`_NOTICE` is no part."""
    return _NOTICE.sub(b'', said)


class State(enum.Enum):
    """What is done with a line."""

    WAITING = 'waiting'         # for READY -> FOLLOWING
    FOLLOWING = 'following'     # each must be the next -> CATCHING by a drop
    CATCHING = 'catching'       # skip what is known already -> FOLLOWING


@dataclasses.dataclass(frozen=True)
class Answer:
    """The guest read a key."""

    typist: int
    count: int
    value: int


@dataclasses.dataclass(frozen=True)
class Ledger:
    """The guest told its ledger.

    :param missing, duplicated: bytes of output that this client had been
        denied, and given twice, until then
    """

    content: dict
    missing: int
    duplicated: int


class Transcript:
    """The output as one client sees it, over several connections if need be.

    :ivar missing: bytes that were printed and never came. A fault within one
        numbered line is exact; one within an answer counts the whole answer
    :ivar duplicated: bytes that came again, or that the helper never printed
    :ivar odd: text that was no output of the helper, the latest of it
    """

    def __init__(self, program: str) -> None:
        self._ready = b'READY %s\r\n' % program.encode()
        self._partial = b''
        # A line that the console itself has ended, for a notice.
        self._cut: bytes | None = b''
        self._last_odd = b''
        self.state = State.WAITING
        self.missing = 0
        self.duplicated = 0
        self.odd = bytearray()
        self._hole = bytearray()
        self._lines = 0
        self._expected = protocol.line(0)
        self._answers = [0] * len(protocol.ALPHABETS)
        self._bytes = 0
        self._crc = 0
        # What the figures above were when _bytes and _crc were last right.
        self._base = (0, 0)
        # False from a drop to the next ledger: nobody knows what to expect.
        self._exact = True

    @property
    def lines(self) -> int:
        """The numbered lines so far, those that are missing included."""
        return self._lines

    def feed(self, data: bytes) -> list[Answer | Ledger]:
        """Take what was received; return what it says, in order."""
        lines = (self._partial + data).split(b'\n')
        self._partial = lines.pop()
        found: list[Answer | Ledger] = []
        for text in lines:
            if self.state is State.FOLLOWING and _NOTICE.fullmatch(
                    text + b'\n'):
                self._join()
                continue
            if self._cut is None:
                # The line before the notice had all but its end.
                self._cut = b''
                if text == b'\r':
                    continue
            line, self._cut = self._cut + text + b'\n', b''
            odd = len(self.odd)
            if self.state is State.FOLLOWING and line == self._expected:
                self._numbered(self._lines, line)
            elif event := self._other(line):
                found.append(event)
            self._last_odd = line if len(self.odd) > odd else b''
        return found

    def _join(self) -> None:
        """A notice has come: the line before it is not at its end."""
        cut, self._last_odd = self._last_odd, b''
        self._cut = None
        if cut:
            del self._hole[-len(cut):]
            del self.odd[-len(cut):]
            self._cut = cut.removesuffix(b'\r\n')

    def dropped(self) -> None:
        """The connection ended; the next one begins with old output."""
        if self.state is State.FOLLOWING:
            self.state = State.CATCHING
        self._partial = b''
        self._exact = False

    def _other(self, line: bytes) -> Answer | Ledger | None:
        if self.state is State.WAITING:
            if line == self._ready:
                self.state = State.FOLLOWING
            return None
        if match := _LINE.fullmatch(line):
            number = int(match[1])
            if protocol.line(number) == line:
                self._numbered(number, line)
                return None
        if self.state is State.CATCHING:
            return None
        if match := _ANSWER.fullmatch(line):
            typist, count, value = int(match[1]), int(match[2]), match[3][0]
            if protocol.typist_of(value) == typist:
                self._answered(typist, count, line)
                return Answer(typist, count, value)
        # What the output before it lost may have been the end of a line.
        if match := _LEDGER.search(line):
            self._hole += line[:match.start()]
            return self._settle(json.loads(match[1]), match[0])
        self._hole += line
        self.odd += line
        del self.odd[:-_ODD_KEPT]
        return None

    def _numbered(self, number: int, line: bytes) -> None:
        if self.state is State.CATCHING:
            if number < self._lines:
                return
            self.state = State.FOLLOWING
        if number < self._lines:
            self._fill(b'')
            self.duplicated += len(line)
            return
        skipped = number - self._lines
        if skipped or self._hole:
            self._fill_lines(number)
        self._count(line)
        self._lines = number + 1
        self._expected = protocol.line(self._lines)

    def _answered(self, typist: int, count: int, line: bytes) -> None:
        expected = self._answers[typist]
        if count < expected:
            self.duplicated += len(line)
            return
        self.missing += (count - expected) * _ANSWER_LENGTH
        self._answers[typist] = count + 1
        self._count(line)

    def _fill_lines(self, end: int) -> None:
        """The lines from the expected one up to ``end`` are not there."""
        skipped = end - self._lines
        if skipped > _COMPARED:
            self.missing += skipped * protocol.LINE_LENGTH
            skipped = 0
        self._fill(b''.join(map(protocol.line, range(end - skipped, end))))

    def _fill(self, expected: bytes) -> None:
        """Compare what came in a hole with the lines that should have."""
        hole, self._hole = bytes(self._hole), bytearray()
        common = min(len(hole), len(expected))
        front = 0
        while front < common and hole[front] == expected[front]:
            front += 1
        back = 0
        while (back < common - front
               and hole[-1 - back] == expected[-1 - back]):
            back += 1
        self.missing += len(expected) - front - back
        self.duplicated += len(hole) - front - back
        self._bytes += front + back
        # If something of it is missing, the checksum is not looked at.
        self._crc = zlib.crc32(expected, self._crc)

    def _count(self, line: bytes) -> None:
        self._bytes += len(line)
        self._crc = zlib.crc32(line, self._crc)

    def _settle(self, content: dict, line: bytes) -> Ledger:
        """Compare with what the guest says that it printed."""
        self._fill_lines(max(self._lines, content['lines']))
        if self._exact:
            # Lines that came again are not among the bytes counted here.
            net = content['bytes'] - self._bytes
            known = self.missing - self._base[0]
            if net != known:
                # At the end of the output nothing shows a hole but this.
                self.missing += max(0, net - known)
                self.duplicated += max(0, known - net)
            elif not known and int(content['crc32'], 16) != self._crc:
                # Every line once, but not in the order of the guest.
                self.missing += 1
                self.duplicated += 1
        self._exact = True
        self._lines = max(self._lines, content['lines'])
        self._expected = protocol.line(self._lines)
        self._answers = [counts['received'] for counts in content['typists']]
        self._bytes = content['bytes'] + len(line)
        self._crc = zlib.crc32(line, int(content['crc32'], 16))
        self._base = (self.missing, self.duplicated)
        return Ledger(content, self.missing, self.duplicated)
