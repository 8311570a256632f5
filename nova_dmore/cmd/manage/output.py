# SPDX-License-Identifier: Apache-2.0
"""What a command of ``nova-dmore-manage`` answers, for people and programs."""

import argparse
import dataclasses
import datetime
import enum
import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any, TypeAlias

import prettytable

from nova_dmore.channel import text as channel_text


#: What takes the parsers of nouns, or of their actions.
Nouns: TypeAlias = 'argparse._SubParsersAction[argparse.ArgumentParser]'


class Status(enum.IntEnum):
    """Exit status; argparse's own for a wrong command line is 2."""

    DONE = 0
    #: Nothing was done, and standard error says why.
    ERROR = 1
    #: The answer is no, or something could not be done: the answer says what.
    INCOMPLETE = 3


def utc(seconds: float) -> str:
    """A time since 1970 in ISO 8601; one that is no time as it is, for a
    Domain R may say what it likes."""
    try:
        return datetime.datetime.fromtimestamp(
            seconds, datetime.UTC).isoformat(timespec='seconds')
    except (OSError, OverflowError, ValueError):
        return str(seconds)


@dataclasses.dataclass(frozen=True)
class Text:
    """An answer in words.

    :ivar text: what people are shown.
    :ivar values: what programs are given; None: the text, which has a format
        of its own, and the command has no ``--json``.
    """

    text: str
    values: dict[str, Any] | list[dict[str, Any]] | None
    status: Status = Status.DONE

    def shown(self, as_json: bool) -> str:
        """What is printed."""
        return json.dumps(self.values, indent=2) if as_json else self.text


@dataclasses.dataclass(frozen=True)
class Table:
    """A list of things.

    :ivar columns: what people are shown: key of a row -> heading.
    :ivar rows: what programs are given, with more keys or the same.
    :ivar missing: what is said on standard error of things that are not in it.
    """

    columns: Mapping[str, str]
    rows: list[dict[str, Any]]
    status: Status = Status.DONE
    missing: tuple[str, ...] = ()

    def shown(self, as_json: bool) -> str:
        """What is printed."""
        if as_json:
            return json.dumps(self.rows, indent=2)
        return _table(self.columns.values(), (
            [row[key] for key in self.columns] for row in self.rows))


@dataclasses.dataclass(frozen=True)
class Properties:
    """One thing, with all that is known of it."""

    values: dict[str, Any]
    status: Status = Status.DONE

    def shown(self, as_json: bool) -> str:
        """What is printed."""
        if as_json:
            return json.dumps(self.values, indent=2)
        return _table(('Field', 'Value'), self.values.items())


def with_json(parser: argparse.ArgumentParser) -> None:
    """Have a command take ``--json``."""
    parser.add_argument('--json', action='store_true',
                        help='print JSON, for programs')


def _table(headings: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    table = prettytable.PrettyTable(list(headings), align='l')
    for row in rows:
        table.add_row([_cell(value) for value in row])
    shown: str = table.get_string()
    return shown


def _cell(value: Any) -> str:
    """A value as people read it; some come from users and from Domain R."""
    if value is None:
        return '-'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    return channel_text.printable(str(value))
