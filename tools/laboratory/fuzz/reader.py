# SPDX-License-Identifier: Apache-2.0
"""Choices and values out of the bytes that the fuzzer makes."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

Choice = TypeVar('Choice')

#: Numbers at which something ends.
EDGES = (0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000,
         (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 53) + 1,
         (1 << 61) - 1, 1 << 61, (1 << 61) + 1, (1 << 62) - 1, 1 << 62,
         (1 << 63) - 1, 1 << 63, (1 << 64) - 1)

#: Values of JSON that a reader may not expect.
_ODD = (None, True, False, 0, -1, 1.5, 1e308, float('inf'), float('nan'),
        '', '\0', '\x1b[2J\n', '\ud800', 'é' * 300, '/../..', [], {}, [[]],
        {'type': 'config'}, 10 ** 400, -(1 << 64), 'x' * 70000)


class Reader:
    """Takes the input apart; at its end everything is 0 or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0] if not self.done else 0

    def take(self, count: int) -> bytes:
        """So many bytes, or what is left."""
        data = self._data[self._at:self._at + count]
        self._at += len(data)
        return data

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))

    def number(self, limit: int) -> int:
        """From 0 to a limit, both included."""
        size = max(1, (limit.bit_length() + 7) // 8)
        return int.from_bytes(self.take(size), 'little') % (limit + 1)

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of several."""
        return choices[self.number(len(choices) - 1)]

    def word(self, near: Sequence[int] = ()) -> int:
        """64 bits: any, small, at an edge, or close to given ones."""
        kind = self.byte()
        if kind < 64 or (not near and kind < 128):
            value = self.byte()
        elif kind < 128:
            value = self.pick(near) + self.byte() - 128
        elif kind < 192:
            value = self.pick(EDGES)
        else:
            value = int.from_bytes(self.take(8), 'little')
        return value % (1 << 64)

    def text(self) -> str:
        """Some characters, of which each is possible."""
        return self.take(self.byte() % 40).decode('utf-8', 'surrogatepass'
                                                  if self.byte() & 1
                                                  else 'replace')

    def value(self, depth: int = 0) -> Any:
        """Anything that JSON can say."""
        kind = self.byte() % 8
        if kind < 3:
            return self.pick(_ODD)
        if kind == 3:
            return self.word() - (self.byte() & 1) * (1 << 63)
        if kind == 4 or depth > 3:
            return self.take(self.byte() % 40).decode('latin-1')
        if kind == 5:
            return [self.value(depth + 1) for _ in range(self.byte() % 4)]
        if kind == 6:
            return {self.take(self.byte() % 8).decode('latin-1'):
                    self.value(depth + 1) for _ in range(self.byte() % 4)}
        return self.byte()

    def changed(self, value: Any) -> Any:
        """A copy of a value of JSON with something else in some places."""
        for _ in range(self.byte() % 4):
            value = self._changed(value)
        return value

    def json(self, good: Any) -> Any:
        """A good value changed, or all that is left, as a parser takes it.

        :raises ValueError, RecursionError: that is no JSON
        """
        return (self.changed(good) if self.byte() & 1
                else json.loads(self.rest()))

    def steps(self, most: int) -> Iterator[int]:
        """Until nothing is left, but not more often than this."""
        for number in range(most):
            if self.done:
                return
            yield number

    def _changed(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self.byte() % 8:
            names = sorted(value, key=str)
            name = self.pick(names)
            changed = dict(value)
            kind = self.byte() % 8
            if kind == 0:
                del changed[name]
            elif kind == 1:
                changed[self.pick(names + ['type', 'é', ''])] = self.value()
            else:
                changed[name] = self._changed(value[name])
            return changed
        if isinstance(value, list) and value and self.byte() % 4:
            place = self.number(len(value) - 1)
            return [*value[:place], self._changed(value[place]),
                    *value[place + 1:self.byte() % 8 + place]]
        return self.value()
