# SPDX-License-Identifier: Apache-2.0
"""OpenStack's own choice of versions, for each series of Nova that a release
of this project works with.
"""

import dataclasses
import pathlib
import re
from collections.abc import Mapping

from laboratory.layout import REPOSITORY

#: A file for each series, as OpenStack's requirements project has it.
FOLDER = REPOSITORY / 'tools' / 'upper-constraints'
#: What those files do not name, for they are for it: by series.
SERVICES: Mapping[str, tuple[str, ...]] = {
    '2026.1': ('nova==33.0.2', 'openstack-placement==15.0.0'),
    '2026.2': ('nova==34.0.0', 'openstack-placement==16.0.0'),
}
_PIN = re.compile(r'\s*([A-Za-z0-9._-]+)\s*===?')


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment with the versions of a series.

    :param series: one of SERVICES
    :param python: of its interpreter, like ``3.11``
    """

    series: str
    python: str

    @property
    def name(self) -> str:
        return f'{self.series}-python{self.python}'

    @property
    def file(self) -> pathlib.Path:
        return FOLDER / f'{self.series}.txt'


def constraints(theirs: str, ours: str, services: tuple[str, ...]) -> str:
    """The content of a constraints file for pip.

    :param theirs: that of OpenStack's file
    :param ours: that of this project's; only what neither OpenStack's file
        nor ``services`` name is taken, so that two runs have the same
    """
    known = set(map(_name, (*theirs.splitlines(), *services)))
    rest = [line for line in ours.splitlines() if _name(line) not in known]
    return '\n'.join([*theirs.splitlines(), *services, *rest]) + '\n'


def _name(line: str) -> str | None:
    """The package that a line is about, spelled as pip compares names."""
    pin = _PIN.match(line)
    return re.sub('[-_.]+', '-', pin[1]).lower() if pin else None
