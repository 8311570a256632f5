# SPDX-License-Identifier: Apache-2.0
"""Tell a guest whose kernel the emulator corrupted. Pure.

Under TCG a migration now and then leaves a guest's memory damaged. That is no
fault of what is measured here, and no pass either.
"""

import re

#: What Linux prints when it finds its own state impossible.
_SIGNS = re.compile(
    r'BUG: |Oops: |Oops\[|Kernel panic|general protection fault|'
    r'double fault|invalid opcode: |kernel BUG at |stack segment: |'
    r'Unable to handle kernel|Bad page state|Bad page map|Bad rss-counter|'
    r'list_(?:add|del) corruption|(?:CPU|RIP): [^\n]{0,80}Not tainted|'
    r'traps: \S+\[\d+\]|segfault at |Attempted to kill init|'
    r'---\[ end trace')


def sign(text: bytes | str) -> str | None:
    """The line that shows it, made printable, or nothing.

    :param text: console output or a kernel's log
    """
    if isinstance(text, bytes):
        text = text.decode('latin-1')
    found = _SIGNS.search(text)
    if not found:
        return None
    begin = text.rfind('\n', 0, found.start()) + 1
    end = text.find('\n', found.end())
    line = text[begin:end if end >= 0 else len(text)].strip()
    return ascii(line[:200])[1:-1]
