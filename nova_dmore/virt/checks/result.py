# SPDX-License-Identifier: Apache-2.0
"""What a check found."""

import dataclasses
import enum


class Level(enum.IntEnum):
    """How bad it is; a larger one is worse."""

    GOOD = 0
    #: It works, but something is open, will end, or could not be read.
    WARNING = 1
    #: Consoles, some or all, would not work.
    FAILURE = 2


@dataclasses.dataclass(frozen=True)
class Result:
    """What one check found.

    :ivar text: what is wrong, and what is to be done; empty if all is well.
    """

    level: Level
    text: str = ''


GOOD = Result(Level.GOOD)


def warning(text: str) -> Result:
    """Something should be otherwise."""
    return Result(Level.WARNING, text)


def failure(text: str) -> Result:
    """Consoles would not work."""
    return Result(Level.FAILURE, text)


def not_checked(why: object) -> Result:
    """Nobody can tell."""
    return warning(f'Not checked: {why}')
