# SPDX-License-Identifier: Apache-2.0
"""A machine with systemd, for tests; it ends with the test.

What is written in it is in memory, and is gone when it ends; so is all else of
it. It has no network, or that of the test's thread, and nothing that is
installed here starts in it. It ends when the test ends it or has died.
"""

import itertools
import os
import subprocess
import sys
import tempfile

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory import machine

_numbers = itertools.count()


class Machine:
    """One; root alone can have it.

    :param shown: folders of this machine by the paths that they have in it,
        where they can be read only, by whoever may here.
    :param network: whether it has that of the thread that starts it.
    """

    def __init__(self, shown, network=False):
        self._shown = shown
        self._network = network
        self._holder = None
        #: The id, here, of its first process.
        self.leader = None

    def start(self):
        """Boot it; returns when all units are up.

        :raises RuntimeError: it does not boot; says what it said.
        """
        self._console = tempfile.TemporaryFile()
        self._holder = subprocess.Popen(
            [sys.executable, '-I', machine.__file__, machine.plan(
                f'dmore-machine-{os.getpid()}-{next(_numbers)}', [
                    f'--bind-ro={here}:{there}'
                    for there, here in self._shown.items()],
                network=self._network)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._console, start_new_session=True)
        self.leader = self._holder.stdout.readline().decode().strip()
        if not self.leader:
            self.end()
            self._console.seek(0)
            raise RuntimeError(self._console.read().decode())

    def end(self):
        """End it, as a crash would; returns when nothing is left of it."""
        self._holder.communicate(timeout=2 * machine.END_S)

    def cgroups(self):
        """-> the folders of its control groups."""
        return machine.cgroups_of(self._holder.pid)

    def run(self, *command, user=None, group=None):
        """Run a program in it -> :class:`subprocess.CompletedProcess`.

        :param user: as whom, and whose other groups it has; None: root.
        :param group: of the process; None: one that is called as the user.
        """
        become = [] if user is None else [
            'setpriv', f'--reuid={user}', f'--regid={group or user}',
            '--init-groups']
        return subprocess.run(
            machine.enter(self.leader, [*become, *command]),
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=machine.BOOT_S)

    def says(self, *command, **keywords):
        """-> the output of a program that ends well.

        :raises AssertionError: it does not.
        """
        ended = self.run(*command, **keywords)
        if ended.returncode:
            raise AssertionError(f'{command}: {ended.stdout}')
        return ended.stdout.strip()

    def write(self, path, content, mode='644'):
        """Make a file in it, of root."""
        with tempfile.NamedTemporaryFile('w') as file:
            file.write(content)
            file.flush()
            self.install(file.name, path, mode)

    def install(self, here, path, mode='644'):
        """Copy a file of this machine into it, as install(1) does."""
        with open(here, 'rb') as file:
            subprocess.run(
                machine.enter(self.leader, ['install', '-D', '-m', mode,
                                            '/dev/stdin', path]),
                stdin=file, check=True)
