# SPDX-License-Identifier: Apache-2.0
"""The journal of a worker that is killed at any write."""

from laboratory.fuzz import memory, oracle, reader as reader_module
from nova_dmore.channel import carry_over
from nova_dmore.channel import errors
from nova_dmore.channel.host import handover
from nova_dmore.channel.host import journal
from nova_dmore import wire

_OUT = wire.Stream.SERIAL0_OUT
_IN = wire.Stream.SERIAL0_IN
_LIMITS = {wire.Stream.CONTROL_TO_DOMAIN_R: 64, _OUT: 64}

SEEDS = [bytes(range(256)), bytes([0, 0, 9, 1, 4, 2, 7, 3, 3, 5, 1] * 6),
         bytes([4, 9, 0, 30, 0, 255, 5, 3, 0, 200, 1, 1] * 5)]


class _Killed(Exception):
    """The worker is no more."""


class _Words:
    """The journal's words; a write is the last one."""

    def __init__(self, words: memoryview, left: int) -> None:
        self._words = words
        self._left = left

    def __getitem__(self, index):
        return self._words[index]

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            # The kernel's copy may end after any word.
            start, stop = index.start, index.stop
            for place in range(start, stop):
                self[place] = value[place - start]
            return
        if self._left == 0:
            raise _Killed
        self._left -= 1
        self._words[index] = value

    def release(self):
        """As a memoryview has it."""


class _World:
    """A journal and what it must say."""

    def __init__(self, reader: reader_module.Reader) -> None:
        self.reader = reader
        self.buffer = bytearray(journal.journal_size(_LIMITS))
        self.reopen()

    def reopen(self) -> None:
        """A worker begins."""
        self.journal = journal.Journal(self.buffer, memory.GEOMETRY, _LIMITS)

    def state(self) -> tuple:
        """What a carry-over would say."""
        made = handover.carry_over(self.journal, True, [_OUT], [_IN])
        return (made.epoch, made.taken, made.unstored[_OUT],
                self.journal.anchored, self.journal.moved(_OUT),
                self.journal.moved(_IN), self.journal.found)

    def step(self) -> None:
        """One change, which may be the last that a worker makes."""
        kind = self.reader.byte() % 6
        number, killed = self.reader.byte(), self.reader.byte()
        data = self.reader.take(number % 16)
        before = self.state()
        self.change(kind, number, data)
        after = self.state()
        if killed < 128:
            return
        # The same again with less time to live.
        copy = bytes(self.buffer)
        self.buffer[:] = self.before
        self.reopen()
        true_words = self.journal._words
        self.journal._words = _Words(true_words, killed - 128)
        try:
            self.change(kind, number, data)
        except _Killed:
            self.reopen()
            now = self.state()
            oracle.check(now in (before, after),
                         '%r is neither %r nor %r', now, before, after)
            self.buffer[:] = copy
        self.reopen()

    def change(self, kind: int, number: int, data: bytes) -> None:
        """What a worker does in one call."""
        self.before = bytes(self.buffer)
        kept = self.journal
        if kind == 0:
            try:
                kept.append(_OUT, data)
            except errors.NoRoomError:
                oracle.check(len(data) > kept.room(_OUT), 'no room')
        elif kind == 1:
            kept.set_base(_OUT, min(kept.position(_OUT),
                                    kept.base(_OUT) + number % 16))
        elif kind == 2:
            kept.set_position(_IN, kept.position(_IN) + number)
        elif kind == 3:
            kept.set_found(1 + number % 4, kept.epoch + 1)
        elif kind == 4 and not kept.anchored:
            handover.adopt(kept, carry_over.CarryOver(
                0, True, {_IN: number},
                {_OUT: carry_over.Unstored(number << 32, data)}))
        else:
            with kept.transaction():
                kept.jump(_IN, kept.position(_IN) + number, number % 3)
                kept.shift(_OUT, kept.base(_OUT) + number)


def run(data: bytes) -> None:
    """What is left is what was before the last call, or after it."""
    world = _World(reader_module.Reader(data))
    for _ in world.reader.steps(60):
        world.step()
        kept = world.journal
        oracle.check(0 <= kept.base(_OUT) <= kept.position(_OUT),
                     'base %d, position %d', kept.base(_OUT),
                     kept.position(_OUT))
        oracle.check(kept.position(_OUT) - kept.base(_OUT) <= _LIMITS[_OUT],
                     'more is kept than there is room for')
