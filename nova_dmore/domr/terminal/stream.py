# SPDX-License-Identifier: Apache-2.0
"""One client's part of the instance's output, as its terminal parses it.

There are parsers of control functions on PyPI, all of them parts of emulators
that keep a screen; none gives the sequences back as bytes, and each byte would
take an emulated processor a function call. Here the regular expressions take
what is plain in one piece.
"""

import re

from nova_dmore.domr.terminal import modes
from nova_dmore.domr.terminal import rules

Policy = rules.Policy

#: Bytes of a sequence that are kept until it is whole.
_KEPT_MAX = 4096
#: Bytes of a control string that are searched for its end.
_STRING_MAX = 1 << 16

_CHARACTERS = (rb'[\xc3-\xdf][\x80-\xbf]|\xc2[\xa0-\xbf]'
               rb'|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}')
#: Text, and the control functions that do nothing but draw. (Python 3.11.2,
#: which Debian 12 has, matches too much with a group that is possessive.)
_PLAIN = re.compile(
    rb'(?:[\x00-\x04\x06\x08-\x0d\x10-\x17\x19\x1c-\x7f]+|'
    + _CHARACTERS + rb'|\x1b\[[0-9;:]*[@A-HJ-MPSTXZ`abdefgm])*')
_CSI = re.compile(rb'\x1b\[([<-?]?)([0-9:;]*)([ -/]*)([@-~])')
_ESCAPE = re.compile(rb'\x1b(?:([ -/]+)([0-~])|()([0-OQ-WYZ\\`-~]))')
_STRING = re.compile(rb'\x1b(?:(\])([^\x07\x18\x1a\x1b]*)(?:\x07|\x1b\\)'
                     rb'|([PX^_])([^\x18\x1a\x1b]*)\x1b\\)')
#: The first part of one of these, at the end of what there is.
_PARTIAL = re.compile(
    rb'\x1b(?:[ -/]*|\[[0-?]*[ -/]*|\][^\x07\x18\x1a\x1b]*\x1b?'
    rb'|[PX^_][^\x18\x1a\x1b]*\x1b?)\Z'
    rb'|(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z')
_STRINGS = frozenset({b']', b'P', b'X', b'^', b'_'})
_STRING_END = re.compile(rb'[\x18\x1a\x1b]')
_COMMAND_END = re.compile(rb'[\x07\x18\x1a\x1b]')
#: Control characters of 8 bits that begin a sequence or are answered, raw
#: and as UTF-8 has them.
_C1 = re.compile(rb'\xc2?[\x90\x98\x9a\x9b\x9d\x9e\x9f]')

_ENQUIRY, _BELL, _SHIFT_OUT, _SHIFT_IN = b'\x05', b'\x07', b'\x0e', b'\x0f'


class TerminalStream:
    """Passes output on; see :class:`rules.Policy` for what of it.

    Whoever is under ``ALL`` gets every byte at once. Under the others a
    sequence or a character comes when it is whole, and what is none never.
    """

    def __init__(self) -> None:
        """The terminal is at rest."""
        self.modes = modes.Modes()
        self._kept = b''        # the first part of a sequence or character
        #: What that is under; if that is ``ALL``, the client has it already.
        self._begun = Policy.DRAW
        #: The end of a long string is awaited: how many bytes more, and
        #: whether the client is given them.
        self._left = 0
        self._passes = False
        self._end = _STRING_END

    @property
    def is_inside(self) -> bool:
        """Whether the terminal has a part of a sequence or of a character."""
        return bool(self._kept and self._begun is Policy.ALL
                    or self._left and self._passes)

    @property
    def swallows(self) -> bool:
        """Whether what comes next may be taken for the rest of a sequence,
        and not be shown; that of a character is, if it is no such rest."""
        return bool(self._left or self._kept.startswith(b'\x1b'))

    def interrupt(self) -> bytes:
        """What has the terminal drop a sequence that it has a part of."""
        return b'\x18' if self.is_inside and self.swallows else b''

    def cut(self) -> bytes:
        """Output is missing from here on -> what the terminal is given."""
        interrupt = self.interrupt()
        self._kept, self._left = b'', 0
        return interrupt

    def restored(self, wanted: modes.Modes) -> bytes:
        """What the terminal is given so that it has these modes, as far as
        what was printed before a client came may set them."""
        return self.feed(self.modes.to(wanted), Policy.DRAW)

    def feed(self, data: bytes, policy: Policy) -> bytes:
        """What of the next bytes the client is given now.

        A sequence is under what it began under: if it asks for something, one
        client has all of it and the others nothing, whoever typed meanwhile.
        One that began before this client came is not anybody's yet.
        """
        kept = len(self._kept)
        begun = policy if self._begun is Policy.DRAW else self._begun
        has = kept if self._begun is Policy.ALL else 0
        return self._pass(self._kept + data, kept, begun, policy)[has:]

    def _pass(self, data: bytes, kept: int, begun: Policy, policy: Policy
              ) -> bytes:
        """What of these bytes may pass.

        :param kept: so many of them came earlier
        :param begun: what begins among those is under that
        """
        result = bytearray()
        position = 0
        self._kept = b''
        while position < len(data):
            if self._left:
                position = self._skip(data, position, result)
                if self._passes and not self._end.fullmatch(
                        data[position - 1:position]):
                    # The sequence that ends it belongs to it.
                    kept, begun = position + 1, Policy.ALL
                continue
            plain = _PLAIN.match(data, position)
            assert plain is not None    # it may be empty
            start = plain.end()
            if start == len(data) and position == 0:
                return data     # as nearly all output does
            result += plain[0]
            if start == len(data):
                break
            under = begun if start < kept else policy
            if _PARTIAL.match(data, start):
                position = len(data)
                self._keep(data[start:], under)
                passed = b''
            else:
                position, passed = self._take(data, start, under)
                if (under is Policy.ALL and policy is not Policy.ALL
                        and not passed):
                    # It is broken, and the terminal waits for its end.
                    position = max(position, kept)
                    result += data[start:position] + b'\x18'
                    continue
            result += data[start:position] if under is Policy.ALL else passed
        return bytes(result)

    def _keep(self, part: bytes, policy: Policy) -> None:
        """A sequence is not whole yet."""
        if len(part) <= _KEPT_MAX:
            self._kept = part
            self._begun = policy
        elif part[1:2] in _STRINGS:
            self._left = _STRING_MAX
            self._passes = policy is Policy.ALL
            self._end = _COMMAND_END if part[1:2] == b']' else _STRING_END

    def _skip(self, data: bytes, position: int, result: bytearray) -> int:
        """Find the end of a long string -> where to go on."""
        found = self._end.search(data, position, position + self._left)
        if found is None:
            end = min(len(data), position + self._left)
            self._left -= end - position
        else:
            # What follows ESC there is a sequence of its own.
            end = found.start() if found[0] == b'\x1b' else found.end()
            self._left = 0
        if self._passes:
            result += data[position:end]
        return end

    def _take(self, data: bytes, position: int, policy: Policy
              ) -> tuple[int, bytes]:
        """One sequence, or a byte that is no text -> where it ends, and what
        of it may pass."""
        passed = b''
        if match := _CSI.match(data, position):
            passed = rules.csi(policy, *match.groups())
            if passed:
                self.modes.csi(passed)
        elif match := _STRING.match(data, position):
            introducer, content = (match[1], match[2]) if match[1] else (
                match[3], match[4])
            if rules.string(policy, introducer, content):
                self.modes.string(introducer, content)
                passed = match[0]
        elif match := _ESCAPE.match(data, position):
            if rules.escape(policy, match[1] or b'', match[2] or match[4]):
                self.modes.escape(match[0])
                passed = match[0]
        elif data[position] == 0x1b:
            # It is broken: the terminal never hears of it.
            following = data[position + 1:position + 2]
            return position + (
                2 if following in _STRINGS or following == b'[' else 1), b''
        elif match := _C1.match(data, position):
            pass
        else:
            byte = data[position:position + 1]
            if byte in (_SHIFT_OUT, _SHIFT_IN):
                self.modes.escape(byte)
            if byte != _ENQUIRY and (byte != _BELL or
                                     policy is not Policy.DRAW):
                passed = byte
            return position + 1, passed
        return match.end(), passed
