# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/test tempest`` that needs what the set-up has made."""

import argparse
import contextlib
import functools
import pathlib
import shutil
import subprocess
import sys

import openstack

from laboratory import launch
from laboratory.cloud import clouds
from laboratory.cloud.api import Cloud
from laboratory.cloud.borrowed import borrowed
from laboratory.cloud.reconfigured import reconfigured
from laboratory.layout import Layout, REPOSITORY
from laboratory.progress import Failure, Progress
from laboratory.tempest import cli, configuration
from laboratory.testbed import inifile
from laboratory.testbed.resources import GUEST_MEMORY
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.testruns import cli as test_cli
from laboratory.testruns import expected, results, runs
from laboratory.testruns.counts import Counts

_EXPECTED = REPOSITORY / 'tests' / 'tempest' / 'expected.txt'
#: Of Tempest's tests those that Nova with this plug-in answers.
_TESTS = (r'^tempest\.api\.compute\.(servers\.|volumes\.|admin\.test_('
          r'live_migration|migrations|servers|server_diagnostics))')
#: Those of them that nothing can pass, and that would take ten minutes to
#: fail: Tempest hands text to its own WebSocket, which takes bytes, and begins
#: anew each time (``create_websocket`` in tempest/common/compute.py).
_IMPOSSIBLE = r'\.test_live_migration_serial_console'
_FLAVOR, _OTHER_FLAVOR = 'm1.tempest', 'm1.tempest-larger'
_IMAGE, _OTHER_IMAGE = 'guest', 'guest-alt'


def main(arguments: list[str]) -> int:
    """Run them, and say how many failed.

    :returns: the exit status: 0 if none did
    """
    options = cli.parser().parse_args(arguments)
    counted: list[Counts] = []
    if launch.run('test tempest', lambda: _run(options, counted)):
        counted.append(Counts(failed=1))
    return test_cli.print_sum(sum(counted, Counts()))


def _run(options: argparse.Namespace, counted: list[Counts]) -> int:
    """:raises Failure: no cloud, or Tempest cannot be started"""
    layout, progress = Layout.from_environment(), Progress()
    with clouds.alone(layout, 'test tempest'):
        with (borrowed(layout, progress, options.keep) as place,
              contextlib.ExitStack() as stack):
            for host in COMPUTES:
                stack.enter_context(reconfigured(
                    place, host, functools.partial(
                        clouds.testbed, f'{host} nova-compute', progress,
                        'restart', host, 'nova-compute'),
                    **configuration.NOVA_COMPUTE))
            folder = _workspace(place)
            counted.append(_tempest(layout, folder, progress, options.only))
    return 0


def _workspace(place: Place) -> pathlib.Path:
    """A new folder with Tempest's configuration."""
    folder = place.root / 'tempest'
    shutil.rmtree(folder, ignore_errors=True)
    (folder / 'etc').mkdir(parents=True)
    inifile.write(folder / 'etc' / 'tempest.conf', inifile.render(
        configuration.tempest(place, *_images_and_flavors(place), folder)))
    (folder / '.stestr.conf').write_text(
        '[DEFAULT]\n'
        f'test_path={_tempest_package(place.layout)}/test_discover\n'
        f'top_dir={_tempest_package(place.layout).parent}\n'
        r'group_regex=([^\.]*\.)*' '\n')
    return folder


def _tempest_package(layout: Layout) -> pathlib.Path:
    found, = layout.tempest_venv.glob('lib/python3*/site-packages/tempest')
    return found


def _images_and_flavors(place: Place
                        ) -> tuple[tuple[str, str], tuple[str, str]]:
    """Ids of two of each; the second ones are made if need be."""
    cloud = openstack.connect()
    made = Cloud(place)
    made.upload(_OTHER_IMAGE, place.layout.guest_image)
    for name, memory_mib in ((_FLAVOR, GUEST_MEMORY),
                             (_OTHER_FLAVOR, GUEST_MEMORY + 64)):
        # Nova lets nobody but an administrator start an image with a flavor
        # that has no disk.
        made.flavor(name, memory_mib, disk_gib=1)
    return ((cloud.image.find_image(_IMAGE).id,
             cloud.image.find_image(_OTHER_IMAGE).id),
            (cloud.compute.find_flavor(_FLAVOR).id,
             cloud.compute.find_flavor(_OTHER_FLAVOR).id))


def _tempest(layout: Layout, folder: pathlib.Path, progress: Progress,
             only: str | None) -> Counts:
    """:raises Failure: it cannot be started"""
    wanted = runs.both(_TESTS, only)
    log = layout.logs / 'test-tempest.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('wb') as errors:
        try:
            process = subprocess.Popen(
                [str(layout.tempest_venv / 'bin' / 'tempest'), 'run',
                 '--config-file', str(folder / 'etc' / 'tempest.conf'),
                 '--regex', wanted, '--exclude-regex', _IMPOSSIBLE,
                 '--concurrency', '1', '--subunit'],
                cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors, start_new_session=True)
        except OSError as error:
            raise Failure('tempest', str(error)) from error
        try:
            counts = results.read(process.stdout, 'tempest', True, progress,
                                  expected.load(_EXPECTED))
            process.wait()
        finally:
            runs.end(process)
            process.stdout.close()
    # Its status is another one also for a failure that is expected.
    return counts.checked(True)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
