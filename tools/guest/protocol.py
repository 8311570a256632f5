# SPDX-License-Identifier: Apache-2.0
"""What the guest's helper programs and a test's client say to each other.

``src/protocol.c`` is the same in C; a test holds them together.

**Keys.** A client types numbered keys, one byte each, without writing numbers:
the n-th key (from 0) is ``key(n)``, and *three* keys in a row tell their
numbers modulo 2162. The alphabet has 47 symbols, all of them a key of a US
keyboard without shift, so the same stream can be typed on a serial line and on
a VNC display. It is cut into 46 blocks of 47 keys; in block b each symbol is
b+1 places (modulo the prime 47) after the one before. Anything up to 1081 keys
lost, repeated or displaced in a row is therefore found, and counted exactly
once three good keys follow it.

**Typists.** Two clients can type at once, each a stream of its own: typist 0
without shift, typist 1 the same keys with shift. The guest keeps a ledger for
each.

**Output.** The guest prints numbered lines ``L 00000042 1a2b3c4d <filling>``,
CR LF at the end, the second word being the CRC-32 of ``L 00000042``; every key
it reads is answered with a line ``K 1 00000007 A``: the typist, how many of
that typist's keys came before, and which it was. A byte that is no typist's
key is not answered.

**Control.** A helper prints ``READY <name>`` when it has put its terminal into
raw mode; 0x05 (ENQ) asks for the ledger so far, 0x04 (EOT) ends the program,
and both are answered with a line ``LEDGER {json}``: the ``lines`` and
``bytes`` that were printed before it since ``READY``, the CRC-32 of these
bytes, how many bytes that were read are ``foreign`` to both typists, and a
list ``typists`` with the counts of each. With ``--ledger FILE`` these lines
are written to that file, too, which can be another terminal.

**Pasting.** ``dmore-take`` prints its READY to standard error and copies what
is typed, whatever it is, to standard output until 0x04 comes; then it prints
``TAKEN 10485760 0`` to standard error: how many bytes that were, and how many
more the guest's own kernel dropped because it had no room for them.

**Screen.** ``dmore-screen`` shows the same of typist 0 as a text that a client
finds in the picture. The first row begins with the sixteen digits, from which
the client learns what each looks like; rows of numbers follow, see
:func:`screen_row`. Row ``SCREEN_NEXT_ROW`` holds the number of the key that is
expected next, and changes with each key; row ``SCREEN_LEDGER_ROW`` holds what
``SCREEN_LEDGER`` names when 0x05 was typed. From ``SCREEN_ECHO_ROW`` on the
keys are echoed.
"""

import dataclasses
import zlib
from collections.abc import Sequence

#: By typist.
ALPHABETS = (b"abcdefghijklmnopqrstuvwxyz0123456789-=[];',./\\`",
             b'ABCDEFGHIJKLMNOPQRSTUVWXYZ)!@#$%^&*(_+{}:"<>?|~')
PRIME = 47
BLOCKS = PRIME - 1
PERIOD = PRIME * BLOCKS
ASK = 0x05
STOP = 0x04
_FILLING = b'abcdefghijklmnopqrstuvwxyz0123456789'
#: Bytes of a numbered line, its end included.
LINE_LENGTH = len(b'L 00000042 1a2b3c4d \r\n') + len(_FILLING)

#: What the first row of the screen begins with.
SCREEN_RULER = b'0123456789abcdef'
SCREEN_NEXT_ROW = 2
SCREEN_LEDGER_ROW = 3
SCREEN_LEDGER = ('asked', 'next', 'received', 'lost', 'duplicated',
                 'reordered', 'foreign')
SCREEN_ECHO_ROW = 5


def screen_row(row: int, numbers: Sequence[int]) -> bytes:
    """What a row of numbers on the screen shows.

    :param row: counted from 1; the checksum at the end begins from it
    """
    text = b''.join(b'%08x ' % (number & 0xffffffff) for number in numbers)
    return text + b'%08x' % zlib.crc32(text, row)


def key(number: int, typist: int = 0) -> int:
    """The byte of a typist's ``number``-th key."""
    block = number // PRIME % BLOCKS
    return ALPHABETS[typist][number % PRIME * (block + 1) % PRIME]


def typist_of(value: int) -> int | None:
    """Whose key a byte is, if anybody's."""
    for typist, alphabet in enumerate(ALPHABETS):
        if value in alphabet:
            return typist
    return None


def line(number: int) -> bytes:
    """The ``number``-th line of output, with its end."""
    head = b'L %08d' % number
    return b'%s %08x %s\r\n' % (head, zlib.crc32(head), _FILLING)


def answer(typist: int, count: int, value: int) -> bytes:
    """The line that answers a key, with its end.

    :param count: how many keys of this typist the guest had read before
    """
    return b'K %d %08d %c\r\n' % (typist, count, value)


@dataclasses.dataclass
class KeyLedger:
    """Counts what became of one typist's keys; the same as the guest's.

    ``next`` is the number of the key that is expected; ``counts`` how often
    each number came. A key that is not the expected one waits in ``pending``
    until three in a row tell where the stream is.
    """

    typist: int = 0
    next: int = 0
    received: int = 0
    reordered: int = 0
    foreign: int = 0
    highest: int = -1
    counts: dict[int, int] = dataclasses.field(default_factory=dict)
    pending: bytearray = dataclasses.field(default_factory=bytearray)

    def feed(self, value: int) -> None:
        """Take one byte that was read."""
        self.received += 1
        if not self.pending and value == key(self.next, self.typist):
            self._accept(self.next)
            self.next += 1
            return
        self.pending.append(value)
        if len(self.pending) >= 3:
            found = self._nearest(self.pending[-3:])
            if found is not None:
                self._resolve(found, 3)

    def finish(self) -> None:
        """The stream is at its end: place what is still pending.

        Fewer than three keys cannot tell their numbers: they are taken for the
        nearest place where they fit.
        """
        for length in range(min(len(self.pending), 3), 0, -1):
            found = self._nearest(self.pending[-length:])
            if found is not None:
                self._resolve(found, length)
                return

    @property
    def lost(self) -> int:
        """Numbers below the highest one that never came."""
        return self.highest + 1 - len(self.counts)

    @property
    def duplicated(self) -> int:
        return sum(count - 1 for count in self.counts.values())

    def _accept(self, number: int) -> None:
        if number < self.highest and number not in self.counts:
            self.reordered += 1
        self.counts[number] = self.counts.get(number, 0) + 1
        self.highest = max(self.highest, number)

    def _nearest(self, values: bytes) -> int | None:
        """The number nearest to ``next`` at which these values follow each
        other.

        Of two equally near, the later one.
        """
        for distance in range(PERIOD // 2 + 1):
            for number in (self.next + distance, self.next - distance):
                if number >= 0 and all(value == key(number + i, self.typist)
                                       for i, value in enumerate(values)):
                    return number
        return None

    def _resolve(self, number: int, length: int) -> None:
        """``pending`` ends with the keys from ``number`` on; explain the rest.

        A stray key was either one of those skipped, or a repeat of an earlier
        one.
        """
        strays = self.pending[:-length]
        begin = min(self.next, number)
        place = begin
        for value in strays:
            found = self._stray(value, place, number)
            if found is None:
                self.foreign += 1
                continue
            self._accept(found)
            place = max(place, found + 1)
        for offset in range(length):
            self._accept(number + offset)
        self.next = number + length
        self.pending.clear()

    def _stray(self, value: int, place: int, end: int) -> int | None:
        for number in range(place, end):
            if (number not in self.counts
                    and key(number, self.typist) == value):
                return number
        for number in range(max(place, end) - 1,
                            max(-1, self.next - PRIME - 1), -1):
            if key(number, self.typist) == value:
                return number
        return None
