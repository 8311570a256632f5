# SPDX-License-Identifier: Apache-2.0
"""Commands of SSH beside the console: ``ssh console@ADDRESS COMMAND``."""

import dataclasses
import enum
import json
import re
from collections.abc import Iterable
from typing import Any

_END = re.compile(r'sessions end ([1-9][0-9]{0,9})')


class Kind(enum.Enum):
    """What is wanted."""

    SCROLLBACK = 'scrollback'       # all that was printed, and the end
    BREAK = 'break'                 # a break is sent
    SESSIONS = 'sessions'           # who is attached to the console
    END_SESSION = 'sessions end'    # one of them is cut off
    UNKNOWN = ''                    # something else


#: What somebody is told who wants something else.
UNKNOWN = ('this is the serial console of an instance: its commands are '
           'scrollback, break, sessions, and sessions end NUMBER; without a '
           'command it is the console itself')


@dataclasses.dataclass(frozen=True)
class Command:
    """A command.

    :ivar number: of the session that is to end
    """

    kind: Kind
    number: int | None = None


def parse(text: str) -> Command:
    """What a client wants to have done."""
    text = ' '.join(text.split())
    if (match := _END.fullmatch(text)) is not None:
        return Command(Kind.END_SESSION, int(match[1]))
    if text == Kind.END_SESSION.value:
        return Command(Kind.UNKNOWN)
    try:
        return Command(Kind(text))
    except ValueError:
        return Command(Kind.UNKNOWN)


def described(sessions: Iterable[dict[str, Any]]) -> list[str]:
    """A line of JSON in ASCII for each session, for people and programs.

    :param sessions: as ``Sessions.all`` gives them
    """
    return [json.dumps({
        'number': each['number'], 'server': each['server'],
        'address': each['address'], 'port': each['port'],
        'key': each['who'], 'view_only': each['view_only'],
        'age_s': each['age_s']}) for each in sessions]
