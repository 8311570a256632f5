# SPDX-License-Identifier: Apache-2.0
"""End what a run of tests has left running, however it ended."""

import contextlib
import os
import secrets

import psutil

from laboratory.cloud import own
from laboratory.layout import Layout
from laboratory.progress import Progress

#: In the environment of all that tests start.
_VARIABLE = 'DMORE_TEST_RUN'
#: Characters of a command line that are told.
_SHOWN = 150


class Leftovers:
    """The leftovers of one run; nobody else's process has its mark."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)

    def environment(self) -> dict[str, str]:
        """What marks a process and those that it starts."""
        return {_VARIABLE: self._mark}

    def end(self, layout: Layout | None, progress: Progress) -> None:
        """End processes and the tests' cloud; tell what there was.

        :param layout: None: it had no cloud, and another run may have one
        :raises Failure: the cloud does not end
        """
        if layout is not None and os.geteuid() == 0:
            own.down(layout)
        for process in psutil.process_iter(['environ', 'cmdline']):
            # What may not be looked at is somebody else's.
            found = process.info['environ'] or {}
            if found.get(_VARIABLE) == self._mark:
                words = ascii(' '.join(process.info['cmdline'] or ())[:_SHOWN])
                progress.say(f'ending what tests left: {process.pid} {words}')
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
