# SPDX-License-Identifier: Apache-2.0
"""The layers of the tests."""

import dataclasses
import pathlib
import re

from laboratory.layout import REPOSITORY
from laboratory.operations import catalogue
from laboratory.setup import series
from laboratory.testbed import settings


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of stestr.

    :param path: the folder of its tests
    :param processes: how many of them run tests
    :param limit_s: seconds after which it is ended, and has failed
    :param each: the start and the end of each test are said
    :param profile: of the property tests, see ``tests/examples.py``
    :param tests: a regular expression that their names match
    :param without: one that they do not
    :param expected: file with the names of tests that fail, see
        ``expected``
    :param name: what it is called in a layer that has several
    :param qemu: what the hosts of the test cloud have, as of ``tools/testbed
        up``
    :param environment: the one that it runs in, if that has versions of its
        own
    """

    path: str
    processes: int
    limit_s: float
    each: bool = False
    profile: str | None = None
    tests: str | None = None
    without: str | None = None
    name: str | None = None
    qemu: str | None = None
    expected: pathlib.Path | None = None
    environment: series.Environment | None = None

    @property
    def has_cloud(self) -> bool:
        """Whether its tests start a test cloud."""
        return self.path in ('tests/integration', 'tests/faults',
                             'tests/matrix')

    @property
    def kind(self) -> str | None:
        """What it is called in a layer that has several."""
        return self.name or self.profile or (
            self.qemu and f'QEMU {self.qemu}')


#: What depends most on the versions of QEMU and libvirt, and on which hosts
#: have the plug-in.
_OF_THE_MATRIX = (r'\.test_cloud_(boot|drain|life|migration|mixed|paste|phases'
                  r'|reboot|variants)\.')

#: Modules and classes that take longest, and where another test of each run
#: would fail, too.
LONG = ('test_boot_loader.LongTextTest', 'test_boot_loader.UefiLongTextTest',
        'test_cloud_boot.UefiTest', 'test_cloud_drain',
        'test_cloud_mixed.SuspendedTest',
        'test_cloud_operations.MoveTest', 'test_cloud_operations.ShelveTest',
        'test_cloud_paste', 'test_cloud_reboot',
        'test_cloud_variants.AutoConvergeTest',
        'test_cloud_variants.EarlyTest', 'test_cloud_variants.EncryptedTest',
        'test_cloud_variants.ParallelTest', 'test_cloud_viewers',
        'test_cloud_volumes.BootedTest', 'test_cloud_volumes.MovedTest')
#: Those of kinds of instances, which the layer ``operations`` has.
KINDS = ('test_moves', 'test_variety', 'test_variety_host')
#: Those in which nova-compute dies in each step of an operation: several
#: seconds for each death. The layer ``long`` has them.
DEATHS = ('test_restart', 'test_restart_moves')


def _among(names: tuple[str, ...]) -> str:
    return rf'\.({"|".join(map(re.escape, names))})\.'


#: Nova's own tests of its driver, of this one.
_NOVA = Run('tests/nova', 2, 2 * 3600,
            expected=REPOSITORY / 'tests' / 'nova' / 'expected.txt')
#: Those of them that every run has: of what this driver overrides.
_SOME_OF_NOVA = (
    r'\.Libvirt(Conn|Driver)TestCase\.test_(init_host|emit_event|create_guest'
    r'|spawn|resume|get_(vnc|serial)_console|get_console_output|destroy'
    r'|cleanup|hard_reboot|migrate_disk_and_power_off|confirm_migration'
    r'|check_can_live_migrate_dest|(pre|post)_live_migration'
    r'|live_migration_(main|monitor|update|uses|with))'
    r'|\.test_update_provider_tree(_with|$)'
    r'|\.LiveMigrationQueuedAbortTest|\.LibvirtFlatEvacuateTest\.')


def _with(name: str, python: str, *paths: str) -> tuple[Run, ...]:
    """The tests of folders, with OpenStack's own versions of a series.

    :param name: of the series
    """
    chosen = series.Environment(name, python)
    return tuple(Run(f'tests/{path}', 2, 3600,
                     without=_among(KINDS + DEATHS),
                     name=f'{path} {name} Python {python}', environment=chosen)
                 for path in paths)


#: Layers by name. All but the first need root; only STANDARD's run by
#: themselves.
LAYERS = {
    'unit': (Run('tests/unit', 2, 600),),
    'devstack': (Run('tests/unit/devstack', 2, 300),
                 Run('tests/integration', 1, 300,
                     tests=r'\.test_devstack\.')),
    'functional': (Run('tests/functional', 2, 1200,
                       without=_among(KINDS + DEATHS)),
                   dataclasses.replace(_NOVA, limit_s=900, tests=_SOME_OF_NOVA,
                                       name="Nova's own")),
    'integration': (Run('tests/unit/channel', 2, 900, profile='middle'),
                    Run('tests/integration', 1, 3600, each=True,
                        without=_among(LONG))),
    'long': (Run('tests/functional', 2, 1800, tests=_among(DEATHS),
                 name='deaths'),
             Run('tests/integration', 1, 2 * 3600, each=True,
                 tests=_among(LONG), name='integration')),
    'faults': (Run('tests/unit/channel', 2, 3600, profile='thorough'),
               Run('tests/faults', 1, 6 * 3600, each=True)),
    'operations': (Run('tests/functional', 2, 3600,
                       tests=catalogue.regex()),),
    'matrix': (*(Run('tests/integration', 1, 2 * 3600, each=True,
                     tests=_OF_THE_MATRIX, qemu=qemu)
                 for qemu in (settings.QEMU_OWN, settings.QEMU_NEWER)),
               Run('tests/integration', 1, 1800, each=True,
                   tests=r'\.test_versions\.MixedTest\.',
                   qemu=settings.QEMU_MIXED),
               Run('tests/matrix', 1, 1800, each=True)),
    'nova': (_NOVA,),
    # Nova 2026.1 has no functional tests with native threads: all threads of
    # one share a connection to SQLite.
    'constraints': (*_with('2026.1', '3.11', 'unit'),
                    *_with('2026.2', '3.11', 'unit', 'functional')),
    'python': (*_with('2026.2', '3.12', 'unit', 'functional'),
               *_with('2026.2', '3.13', 'unit', 'functional')),
}
#: What a change is tested with: in about an hour, on two cores.
STANDARD = ('unit', 'functional', 'integration')
