# SPDX-License-Identifier: Apache-2.0
"""The layers of the tests."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of stestr.

    :param path: the folder of its tests
    :param processes: how many of them run tests
    :param limit_s: seconds after which it is ended, and has failed
    :param each: the start and the end of each test are said
    :param profile: of the property tests, see ``tests/examples.py``
    """

    path: str
    processes: int
    limit_s: float
    each: bool = False
    profile: str | None = None


#: Layers by name. Those after the first need root and QEMU; ``faults`` is not
#: among those that run by themselves.
LAYERS = {
    'unit': (Run('tests/unit', 2, 600),),
    'functional': (Run('tests/functional', 2, 1200),),
    'integration': (Run('tests/unit/channel', 2, 900, profile='middle'),
                    Run('tests/integration', 1, 3600, each=True)),
    'faults': (Run('tests/unit/channel', 2, 3600, profile='thorough'),
               Run('tests/faults', 1, 6 * 3600, each=True)),
}
STANDARD = ('unit', 'functional', 'integration')
