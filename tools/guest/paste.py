# SPDX-License-Identifier: Apache-2.0
"""What is pasted at the guest, and what it prints, by the megabyte. Pure."""

import base64
import dataclasses
import hashlib
import json
import random
import re

from guest import protocol

PROGRAM = 'dmore-take'
#: Typed at a shell: the sum of what is pasted after :data:`READY`.
COMMAND = f'{PROGRAM} | sha256sum'
READY = b'READY dmore-take\r\n'
#: What comes after a sum.
SUM_END = b'  -'
_TAKEN = re.compile(rb'TAKEN (\d+) (-?\d+)\r\n\s*([0-9a-f]{64})')
_LEDGER = re.compile(rb'LEDGER (\{.*\})\r\n')
#: Random bytes in a block.
_BLOCK = 3078
#: What is shown of output that is not as expected.
_SHOWN = 60


class Material:
    """Lines of text that look random, without an end.

    :ivar length: bytes that were given so far
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._sum = hashlib.sha256()
        self.length = 0

    def block(self) -> bytes:
        """The next few lines."""
        data = base64.encodebytes(self._random.randbytes(_BLOCK))
        self._sum.update(data)
        self.length += len(data)
        return data

    def sum(self) -> str:
        """SHA-256 of all that was given."""
        return self._sum.hexdigest()


@dataclasses.dataclass(frozen=True)
class Taken:
    """What of a paste has arrived.

    :param dropped: bytes for which the guest's own kernel had no room; -1 if
        it does not tell
    """

    length: int
    dropped: int
    sum: str


def taken(shown: bytes) -> Taken | None:
    """What the guest says of a paste, if it does.

    :param shown: by its console, without :data:`SUM_END`
    """
    found = _TAKEN.search(shown)
    return Taken(int(found[1]), int(found[2]), found[3].decode()
                 ) if found else None


@dataclasses.dataclass(frozen=True)
class Printed:
    """What ``dmore-print`` has printed, and what has come of it.

    :param lines, length: as the guest says
    :param received: between READY and the ledger
    """

    lines: int
    length: int
    received: bytes

    def expected(self) -> bytes:
        """What should have come."""
        return b''.join(map(protocol.line, range(self.lines)))

    def fault(self) -> str | None:
        """Where what came is something else than what was printed."""
        expected = self.expected()
        if (hashlib.sha256(expected).digest()
                == hashlib.sha256(self.received).digest()):
            return None
        place = _first_difference(expected, self.received)
        return (f'{len(self.received)} bytes instead of {len(expected)}; '
                f'the first that is wrong is {place}: '
                f'{self.received[place:place + _SHOWN]!a} instead of '
                f'{expected[place:place + _SHOWN]!a}')


def _first_difference(one: bytes, other: bytes) -> int:
    """How many bytes are the same at the beginning of both."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def printed(shown: bytes) -> Printed | None:
    """What came of the lines of ``dmore-print``, once its ledger is there.

    :param shown: after its READY
    """
    found = _LEDGER.search(shown)
    if found is None:
        return None
    ledger = json.loads(found[1])
    return Printed(ledger['lines'], ledger['bytes'], shown[:found.start()])
