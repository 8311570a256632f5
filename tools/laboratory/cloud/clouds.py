# SPDX-License-Identifier: Apache-2.0
"""The cloud that something is measured in: found, started, removed."""

import contextlib
import fcntl
import os
import pathlib
import subprocess
from collections.abc import Iterator

from laboratory.layout import Layout, TOOLS
from laboratory.progress import Failure, Progress
from laboratory.testbed import settings, status
from laboratory.testbed.settings import Place


@contextlib.contextmanager
def alone(layout: Layout, name: str = 'demo') -> Iterator[None]:
    """Let nobody else measure in the same set-up and cloud meanwhile.

    :param name: of the command
    :raises Failure: somebody does, or this is not root
    """
    need_root(name)
    layout.state.mkdir(parents=True, exist_ok=True)
    with lock(layout.state / 'demo.lock', name, 'another one is running'):
        yield


def need_root(name: str) -> None:
    """:raises Failure: this is not root"""
    if os.geteuid() != 0:
        raise Failure(name, 'needs root: it makes namespaces')


@contextlib.contextmanager
def lock(path: pathlib.Path, name: str, reason: str) -> Iterator[None]:
    """Hold a lock.

    :raises Failure: somebody else does; of this name, for this reason
    """
    with path.open('w') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure(name, reason) from error
        yield


def get(layout: Layout, progress: Progress, block: bool = False,
        plugin: bool = True) -> Place:
    """The cloud that is up, if it fits, else a new one.

    :param block: disks are per host
    :param plugin: it has to have this project's driver
    :raises Failure: it does not start
    """
    place = _fitting(layout, block, plugin)
    if place is not None:
        progress.say('the cloud is up already')
        return place
    testbed('start the cloud', progress, 'up',
            *(['--block'] if block else []))
    return up(layout)


def up(layout: Layout) -> Place:
    """The cloud that is up.

    :raises Failure: there is none
    """
    saved = settings.Cloud.load(layout)
    if saved is None:
        raise Failure('the cloud', f'{layout.cloud} holds none: '
                      'tools/testbed up')
    return Place(saved, layout)


def testbed(step: str, progress: Progress, *arguments: str) -> None:
    """:raises Failure: the command failed, after saying why"""
    with progress.step(step):
        done = subprocess.run([TOOLS / 'testbed', *arguments])
        if done.returncode:
            raise Failure(step, f'testbed {arguments[0]} failed, see above')


def _fitting(layout: Layout, block: bool, plugin: bool) -> Place | None:
    saved = settings.Cloud.load(layout)
    if (saved is None or saved.block != block or saved.earlier is not None
            or saved.qemu != settings.wanted_qemu()
            or saved.network != settings.wanted_network()):
        return None
    place = Place(saved, layout)
    if not status.healthy(status.collect(place)):
        return None
    if plugin and saved.driver != settings.DRIVER:
        return None
    # It runs what the set-up had made when it was started.
    started = (place.root / 'cloud.json').stat().st_mtime
    if any(stamp.stat().st_mtime > started
           for stamp in layout.stamps.iterdir()):
        return None
    return place
