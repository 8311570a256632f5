# SPDX-License-Identifier: Apache-2.0
"""A terminal that notes what it would do, one byte after the other.

It is the state machine of DEC's video terminals, as xterm has it: controls
inside a sequence are carried out, and it begins anew at each ESC. Emulators
of PyPI (pyte) answer two queries of twenty, and their parsers drop what they
do not know.
"""

import codecs
import enum


class State(enum.Enum):
    GROUND = 0
    ESCAPE = 1
    CSI = 2
    STRING = 3
    STRING_ESCAPE = 4


class Terminal:
    """What a terminal did.

    :ivar text: what it shows, with the controls that move the cursor
    :ivar answered: sequences that it answers
    :ivar rang: how often it beeped
    :ivar commands: its control strings, each with its introducer
    :ivar modes: that are set
    """

    def __init__(self) -> None:
        self.text = ''
        self.answered: list[str] = []
        self.rang = 0
        self.commands: list[str] = []
        self.modes: set[str] = set()
        self.state = State.GROUND
        self._sequence = ''
        self._decoder = codecs.getincrementaldecoder('utf-8')('replace')

    @property
    def is_whole(self) -> bool:
        """Whether it is inside neither a sequence nor a character."""
        return self.state is State.GROUND and not self._decoder.getstate()[0]

    def feed(self, data: bytes) -> None:
        for character in self._decoder.decode(data):
            self._take(character)

    def _take(self, character: str) -> None:
        code = ord(character)
        if code in (0x18, 0x1a):
            self.state = State.GROUND
        elif 0x80 <= code < 0xa0:
            self.state = State.ESCAPE
            self._sequence = ''
            self._escape(chr(code - 0x40))
        elif self.state is State.STRING_ESCAPE and character == '\\':
            self._end_string()
        elif code == 0x1b:
            self.state = (State.STRING_ESCAPE if self.state is State.STRING
                          else State.ESCAPE)
            if self.state is State.ESCAPE:
                self._sequence = ''
        elif self.state is State.STRING_ESCAPE:
            self.state = State.ESCAPE
            self._sequence = ''
            self._escape(character)
        elif self.state is State.STRING:
            if code == 7 and self._sequence[0] == ']':
                self._end_string()
            elif code >= 0x20:
                self._sequence += character
        elif code < 0x20:
            self._control(character)
        elif self.state is State.ESCAPE:
            self._escape(character)
        elif self.state is State.CSI:
            self._sequence += character
            if 0x40 <= code < 0x7f:
                self.state = State.GROUND
                self._csi(self._sequence)
            elif code >= 0xa0:
                self.state = State.GROUND
        else:
            self.text += character

    def _control(self, character: str) -> None:
        if character == '\x05':
            self.answered.append(character)
        elif character == '\a':
            self.rang += 1
        elif character in '\b\t\n\v\f\r':
            self.text += character

    def _escape(self, character: str) -> None:
        if ' ' <= character <= '/':
            self._sequence += character
        elif self._sequence:
            self.state = State.GROUND
        elif character == '[':
            self.state = State.CSI
        elif character in ']PX^_':
            self.state = State.STRING
            self._sequence = character
        else:
            self.state = State.GROUND
            if character == 'Z':
                self.answered.append(character)

    def _end_string(self) -> None:
        self.state = State.GROUND
        self.commands.append(self._sequence)
        introducer, content = self._sequence[0], self._sequence[1:]
        if (introducer == ']' and '?' in content.split(';')
                or introducer == 'P' and content.startswith(('$q', '+q'))
                or introducer == '_' and content.startswith('G')):
            self.answered.append(self._sequence)

    def _csi(self, sequence: str) -> None:
        prefix = sequence[0] if sequence[0] in '<=>?' else ''
        final = sequence[-1]
        marks = sequence[-2:-1] if ' ' <= sequence[-2:-1] <= '/' else ''
        numbers = sequence.strip('<=>?' + marks + final).split(';')
        if (final in 'cn' and not marks
                or final == 'x' and not marks and not prefix
                or final == 't' and not prefix and not marks
                and numbers[0].isdigit() and 11 <= int(numbers[0]) <= 21
                or prefix == '?' and final in 'uSm'
                or prefix == '>' and final == 'q'
                or marks == '$' and final in 'pwu'
                or marks == '*' and final == 'y'
                or marks == "'" and final == '|'
                or marks == '#' and final in '|RS'
                or marks == '&' and final == 'u'):
            self.answered.append(sequence)
        if final in 'hl' and not marks:
            change = self.modes.add if final == 'h' else self.modes.discard
            for number in numbers:
                change(prefix + number.lstrip('0'))
            if final == 'h' and prefix == '?' and any(
                    number.lstrip('0') in ('1004', '2031', '2048')
                    for number in numbers):
                self.answered.append(sequence)
