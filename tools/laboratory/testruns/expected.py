# SPDX-License-Identifier: Apache-2.0
"""Tests of others that cannot hold with this plug-in, each with the reason."""

import pathlib
import re
from collections.abc import Iterable, Mapping

from laboratory.progress import Failure

#: What Tempest adds to the name of a test: its id and attributes.
_ATTRIBUTES = re.compile(r'\[[^\]]*\]$')


def load(path: pathlib.Path) -> dict[str, str]:
    """Reasons by the names of tests.

    A line is a name, two colons and the reason; ``#`` begins a remark.

    :raises Failure: a line is something else
    """
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith('#'):
            continue
        name, colons, reason = (part.strip() for part in line.partition('::'))
        if not (name and colons and reason):
            raise Failure(f'{path}:{number}', 'no "NAME :: REASON"')
        found[name] = reason
    return found


def status(expected: Mapping[str, str], name: str, found: str) -> str:
    """subunit's word for how a test ended, when it is known that some fail.

    One that is expected to fail, and passes, has failed.
    """
    if _ATTRIBUTES.sub('', name) not in expected:
        return found
    return {'fail': 'xfail', 'success': 'uxsuccess'}.get(found, found)


def absent(expected: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """The tests that are expected to fail, and are not among all tests.

    :param names: of all tests that there are
    """
    return sorted(set(expected) - {_ATTRIBUTES.sub('', name)
                                   for name in names})
