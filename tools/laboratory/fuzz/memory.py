# SPDX-License-Identifier: Apache-2.0
"""A region of which the other end changes words while it is read."""

from collections.abc import Sequence

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import region
from nova_dmore import wire

TO_DOMAIN_R = wire.Direction.TO_DOMAIN_R
TO_HOST = wire.Direction.TO_HOST
#: Small rings, so that few bytes fill them.
GEOMETRY = {
    wire.Stream.CONTROL_TO_DOMAIN_R: (TO_DOMAIN_R, 64),
    wire.Stream.CONTROL_TO_HOST: (TO_HOST, 64),
    wire.Stream.SERIAL0_OUT: (TO_DOMAIN_R, 32),
    wire.Stream.SERIAL0_IN: (TO_HOST, 32),
    wire.Stream.INPUT0_IN: (TO_HOST, 64),
}
LAYOUT = region.layout_of(GEOMETRY)
_DISPLAY_END = wire.DISPLAY_PAGE + 0x1000

_STATE_WORDS = [each >> 3 for each in range(0, 0x68, 8)]
_POSITION_WORDS = [
    (wire.POSITIONS >> 3) + each for each in range(2 * len(GEOMETRY))]
_HOST_WORDS = (
    [(wire.PUBLISHED >> 3) + each for each in range(len(GEOMETRY))]
    + [(wire.STREAM_TABLE >> 3) + each for each in range(4 * len(GEOMETRY))])
_DISPLAY_WORDS = (
    [(wire.DISPLAY_PAGE >> 3) + each for each in range(4)]
    + [(wire.DISPLAY_PAGE + wire.DISPLAY_DAMAGE >> 3) + each
       for each in range(4)])


def places(page: int) -> list[int]:
    """The words of a page that mean something."""
    return [(page >> 3) + each for each in (
        _STATE_WORDS + _POSITION_WORDS
        + (_HOST_WORDS if page == wire.HOST_PAGE else []))] + (
            _DISPLAY_WORDS if page == wire.HOST_PAGE else [])


class Words:
    """The words as one end sees them; the other one is hostile.

    :ivar armed: after how many reads a word changes, and into what
    """

    def __init__(self, words: memoryview, mine: range) -> None:
        """:param mine: what this end may write"""
        self._words = words
        self._mine = mine
        self.armed: list[list[int]] = []

    def __getitem__(self, index: int) -> int:
        for each in self.armed:
            each[0] -= 1
        if self.armed and self.armed[0][0] < 0:
            self._words[index] = self.armed.pop(0)[1]
        return self._words[index]

    def __setitem__(self, index: int, value: int) -> None:
        oracle.check(
            index in self._mine or index << 3 in range(
                wire.DISPLAY_PAGE, _DISPLAY_END) and 0 in self._mine,
            'word %#x of the other end was written', index << 3)
        self._words[index] = value

    def release(self) -> None:
        """As a memoryview has it."""


class HostileRegion(region.Region):
    """See Words.

    :ivar true_words: the words, without any trick
    """

    def __init__(self, buffer: bytearray, page: int) -> None:
        """:param page: of the end that is tried"""
        super().__init__(buffer)
        self.true_words = self.words
        self.words = Words(self.words, range(page >> 3, page + 0x1000 >> 3))

    def spoil(self, reader: reader_module.Reader, theirs: Sequence[int],
              near: Sequence[int]) -> None:
        """The other end writes a word, now or while this one is reading."""
        if reader.byte() & 1:
            self.words.armed.append(
                [reader.byte() % 32, reader.word(near)])
        else:
            self.true_words[reader.pick(theirs)] = reader.word(near)


def foreign(buffer: bytearray, page: int, direction: wire.Direction,
            layout: region.Layout = LAYOUT) -> bytes:
    """What the end that is tried must not write: the other one's page, and
    its rings.

    :param page: the other end's
    :param direction: of the streams that the other end produces
    """
    return bytes(buffer[page:page + 0x1000]) + b''.join(
        bytes(buffer[ring.start:ring.start + ring.size])
        for ring in layout.values() if ring.direction is direction)
