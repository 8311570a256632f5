# SPDX-License-Identifier: Apache-2.0
"""Which control functions of the instance's output a client is given.

They are named as in ECMA-48, DEC's manuals and xterm's ``ctlseqs``. Two lists
say what may pass, not what may not: what a terminal of tomorrow answers is
held back as well.
"""

import enum
import re


class Policy(enum.Enum):
    """What a client's terminal may be made to do."""

    #: Whatever the instance wants: this client answers for all.
    ALL = 'all'
    #: Nothing that makes it answer: another client does.
    NO_ANSWERS = 'no answers'
    #: Draw, and no more: this was printed before the client came.
    DRAW = 'draw'


#: Control functions (CSI) of one final byte that only draw.
_DRAWING = frozenset(b'@ABCDEFGHIJKLMPSTXZ`abdefgmrsu')
#: Control functions that no terminal answers, of those with an intermediate
#: byte (a blank or a sign right before the final byte): both bytes.
_MARKED = frozenset({
    b' q', b' @', b' A', b'!p', b'"q', b'"p', b'$r', b'$t', b'$v', b'$x',
    b'$z', b'${', b'*x', b"'}", b"'~"})
#: The same of private ones, which have one of ``<=>?`` first: first and final
#: byte.
_PRIVATE = frozenset({
    b'?h', b'?l', b'?J', b'?K', b'?s', b'?r', b'>m', b'<u', b'=u', b'>u'})
#: Final bytes of those with neither; but of ``t`` (window manipulation) only
#: what changes the window.
_PLAIN = _DRAWING | frozenset(b'hilt')
#: Of ``t``: what makes it answer.
_WINDOW_REPORTS = range(11, 22)
#: ANSI modes that only concern drawing: insert, new line.
_DRAWING_MODES = frozenset({4, 20})
#: The same of DEC's private modes. Those of the mouse and of bracketed paste
#: are among them: with these the terminal reports what its user does, which a
#: program that is running in the guest counts on.
_DRAWING_DEC_MODES = frozenset({
    1, 5, 6, 7, 12, 25, 45, 47, 66, 69, 1000, 1002, 1003, 1005, 1006, 1007,
    1015, 1016, 1047, 1048, 1049, 2004})
#: DEC modes that make a terminal report by itself: focus, colours, size.
_REPORTING_DEC_MODES = frozenset({1004, 2031, 2048})
#: Escape sequences of one byte that draw, or are a mode of the keypad; the
#: last one ends a string that has ended already.
_DRAWING_ESCAPES = frozenset(b'6789=>DEHMNOc\\')
_IDENTIFY = ord('Z')
#: What follows ESC where a character set is chosen.
_CHARACTER_SETS = frozenset(b'()*+-./')
#: Operating system commands that no terminal answers, unless they ask ("?"):
#: titles, colours, links, notes, and the marks of shells.
_COMMANDS = frozenset({0, 1, 2, 4, 5, 7, 8, 9, 17, 19, 104, 105, 133, 777,
                       *range(10, 16), *range(110, 120)})

_NUMBER = re.compile(rb'0*([1-9][0-9]*|0)')
_COMMAND = re.compile(rb'([0-9]{1,4})(?:;|\Z)')


def csi(policy: Policy, prefix: bytes, parameters: bytes, marks: bytes,
        final: bytes) -> bytes:
    """A control function as it may be passed on; nothing: not at all."""
    whole = b'\x1b[' + prefix + parameters + marks + final
    if policy is Policy.ALL:
        return whole
    draws = policy is Policy.DRAW
    if marks:
        return whole if not prefix and marks + final in _MARKED else b''
    if prefix:
        if prefix + final not in _PRIVATE:
            return b''
        if final not in b'hl':
            return b'' if draws and final in b'sr' else whole
        return _modes(whole, parameters, {
            each for each in numbers(parameters)
            if each in _DRAWING_DEC_MODES or not
            (draws or each in _REPORTING_DEC_MODES)})
    if final[0] not in (_DRAWING if draws and final not in b'hl'
                        else _PLAIN):
        return b''
    if final in b'hl':
        return _modes(whole, parameters, {
            each for each in numbers(parameters)
            if each in _DRAWING_MODES or not draws})
    if final == b't' and any(each in _WINDOW_REPORTS
                             for each in numbers(parameters)[:1]):
        return b''
    return whole


def _modes(whole: bytes, parameters: bytes, allowed: set[int]) -> bytes:
    """A setting of modes, without those that are not allowed."""
    asked = numbers(parameters)
    if allowed.issuperset(asked):
        return whole
    kept = b';'.join(b'%d' % each for each in asked if each in allowed)
    return whole.replace(parameters, kept) if kept else b''


def numbers(parameters: bytes) -> list[int]:
    """The numbers in it; of one that means nothing, its beginning."""
    return [int(each[:6]) for each in _NUMBER.findall(parameters)]


def escape(policy: Policy, marks: bytes, final: bytes) -> bool:
    """Whether an escape sequence may pass."""
    if policy is Policy.ALL:
        return True
    if not marks:
        return (final[0] in _DRAWING_ESCAPES if policy is Policy.DRAW
                else final[0] != _IDENTIFY)
    return (marks[0] in _CHARACTER_SETS or marks == b'#' and final.isdigit()
            or (marks, final) == (b'%', b'G'))


def string(policy: Policy, introducer: bytes, content: bytes) -> bool:
    """Whether a control string may pass: a command, an image, a message.

    :param introducer: the byte after ESC
    """
    if policy is not Policy.NO_ANSWERS:
        return policy is Policy.ALL
    command = _COMMAND.match(content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return (introducer == b']' and command is not None
            and int(command[1]) in _COMMANDS and text.isprintable()
            and '?' not in text.split(';')[1:])
