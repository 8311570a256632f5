# SPDX-License-Identifier: Apache-2.0
"""Text that somebody else has written, for a log or a terminal.

Runs in all processes on the host (host service, keeper, worker, nova-compute,
recorder, exporter, ``nova-dmore-manage``) and not in Domain R.
"""

import re

#: Longest text that is shown, in characters; a longer one is cut, and its
#: length is told.
TEXT_MAX = 500

_UNSAFE = re.compile(r'[^\x20-\x7e]')
_CUT = re.compile(r'\.\.\. \(of \d{1,20} characters\)')


def printable(value: object, limit: int = TEXT_MAX) -> str:
    """A value as text that moves no cursor, begins no line, and ends.

    For everything that comes from a guest, a client, QEMU, Domain R, a worker
    or another host. Control characters (so also escapes of terminals and
    newlines) and whatever is not ASCII (so also what changes the direction of
    writing) are written as Python escapes. Repeating it changes nothing.

    :param limit: characters that are shown, after which is said how many
        there were
    """
    try:
        text = value if isinstance(value, str) else str(value)
    except (RecursionError, ValueError):    # too deep, or too many digits
        text = f'an unreadable {type(value).__name__}'
    shown = escaped(text[:limit + 1])
    if len(shown) <= limit:
        return shown
    if shown[:limit] == text[:limit] and _CUT.fullmatch(text, limit):
        return text     # it was cut by an earlier call
    return f'{shown[:limit]}... (of {len(text)} characters)'


def escaped(text: str) -> str:
    """Escape what ``printable`` escapes, in text of any length."""
    return _UNSAFE.sub(
        lambda found: found[0].encode('unicode_escape').decode('ascii'), text)
