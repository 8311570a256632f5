# SPDX-License-Identifier: Apache-2.0
"""The cloud that the integration tests share, apart from a developer's own."""

import os
import pathlib
import subprocess

from laboratory.layout import Layout, REPOSITORY
from laboratory.progress import Failure
from laboratory.testbed import settings

_TESTBED = REPOSITORY / 'tools' / 'testbed'


def layout(main: Layout) -> Layout:
    """Where that cloud lies, below the state directory of the set-up."""
    return Layout(main.state / 'integration')


def environment(main: Layout) -> dict[str, str]:
    """This process's, made to mean that cloud."""
    return {**os.environ, 'DMORE_STATE': str(layout(main).state),
            'DMORE_VENV': str(main.venv),
            'DMORE_PREFIX': f'{settings.wanted_prefix()}-it'}


def up(main: Layout, *arguments: str) -> None:
    """Start it, from what the set-up has made; what was up is ended.

    :param arguments: of ``tools/testbed up``
    :raises Failure: it does not start
    """
    own = layout(main)
    own.state.mkdir(parents=True, exist_ok=True)
    if not own.cache.is_symlink():
        own.cache.symlink_to(main.cache)
    testbed(main, 'up', *arguments)


def down(main: Layout) -> None:
    """End it, if it is up; its logs go to the set-up's.

    :raises Failure: something of it does not end
    """
    if layout(main).state.exists():
        testbed(main, 'down', '--keep-logs')


def logs(main: Layout) -> pathlib.Path:
    """The logs of clouds that were ended."""
    return layout(main).logs


def testbed(main: Layout, *arguments: str) -> None:
    """Run ``tools/testbed`` for it.

    :raises Failure: it failed
    """
    done = subprocess.run([_TESTBED, *arguments], stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, text=True,
                          env=environment(main))
    if done.returncode:
        raise Failure(f'testbed {arguments[0]}', done.stderr.strip()[-2000:])
