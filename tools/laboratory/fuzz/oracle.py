# SPDX-License-Identifier: Apache-2.0
"""What must hold whatever a peer sends."""

import logging
from typing import Any

#: Characters of one line in a log that a peer can bring about.
LINE_MAX = 3000


class Finding(AssertionError):
    """Something that must hold does not."""


def check(holds: Any, text: str, *values: Any) -> None:
    """:raises Finding: it does not hold"""
    if not holds:
        raise Finding(text % values if values else text)


def check_error(error: Exception, most: int = 1000) -> None:
    """What an error says is shown to people, whoever brought it about.

    :param most: characters
    :raises Finding: it is no short text
    """
    text = str(error)
    check(text.isprintable(), 'an error %.200a', text)
    check(len(text) < most, 'an error of %d characters', len(text))


class Log(logging.Handler):
    """Looks at each line that is logged: a terminal may show it."""

    def emit(self, record: logging.LogRecord) -> None:
        """:raises Finding: it can be more than one short line of text"""
        text = record.getMessage()
        check(text.isprintable(), 'a log line with %a', text[:200])
        check(len(text) <= LINE_MAX, 'a log line of %d characters',
              len(text))
        check(record.levelno < logging.CRITICAL, 'logged: %s', text)


def watch_logs() -> None:
    """Look at all lines from now on, and show none."""
    root = logging.getLogger()
    root.handlers[:] = [Log()]
    root.setLevel(logging.INFO)
    # Otherwise an exception that leaves a handler is swallowed.
    logging.raiseExceptions = True
