# SPDX-License-Identifier: Apache-2.0
"""End what a run of tests has left running, however it ended."""

import os
import pathlib
import secrets
import signal

from laboratory.cloud import own as cloud
from laboratory.layout import Layout
from laboratory.progress import Progress

#: In the environment of all that tests start.
_VARIABLE = 'DMORE_TEST_RUN'
#: Characters of a command line that are told.
_SHOWN = 150


class Leftovers:
    """Those of one run; nobody else's process has its mark."""

    def __init__(self) -> None:
        self._mark = f'{_VARIABLE}={secrets.token_hex(16)}'

    def environment(self) -> dict[str, str]:
        """What marks a process and those that it starts."""
        name, value = self._mark.split('=')
        return {name: value}

    def end(self, layout: Layout, progress: Progress) -> None:
        """End processes and the tests' cloud; tell what there was.

        :raises Failure: the cloud does not end
        """
        if os.geteuid() == 0:
            cloud.down(layout)
        for pid, command in self._processes():
            progress.say(f'ending what tests left: {pid} {command}')
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _processes(self) -> list[tuple[int, str]]:
        found = []
        for entry in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                variables = (entry / 'environ').read_bytes().split(b'\0')
                command = (entry / 'cmdline').read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if self._mark.encode() in variables:
                found.append((int(entry.name), ascii(command.replace(
                    b'\0', b' ').decode(errors='replace').strip()[:_SHOWN])))
        return found
