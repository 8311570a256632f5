# SPDX-License-Identifier: Apache-2.0
"""A machine with systemd, booted over this machine's own files.

What is written in it is in memory, and is gone when it ends; so is all else of
it. It has no network, and nothing that is installed here starts in it.

This file is also the program that holds it, a child of the test: it ends the
machine when the test closes its input, or has died. If that program itself is
killed, the machine dies with it, and only its empty control groups stay.
"""

import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

_BOOT_S, _END_S = 60.0, 20.0
_CGROUPS = pathlib.Path('/sys/fs/cgroup')

#: Runs in namespaces of its own, with nobody else in them.
#: nspawn's filter knows no Landlock, with which workers confine themselves.
_BOOT = """
set -eu
umask 022
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work \
    overlay /run/root
cd /run/root
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
exec systemd-nspawn --quiet --register=no --keep-unit --settings=no \
    --directory=/run/root --machine=dmore --private-network \
    --private-users=no --link-journal=no --resolv-conf=off --timezone=off \
    --console=pipe --notify-ready=yes --system-call-filter="
        landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
    "$@" -- /lib/systemd/systemd --unit=multi-user.target
"""


class Machine:
    """One; root alone can have it.

    :param shown: folders of this machine by the paths that they have in it,
        where they can be read only, by whoever may here.
    """

    def __init__(self, shown):
        self._shown = shown
        self._holder = None
        #: The id, here, of its first process.
        self.leader = None

    def start(self):
        """Boot it; returns when all units are up.

        :raises RuntimeError: it does not boot; says what it said.
        """
        self._console = tempfile.TemporaryFile()
        self._holder = subprocess.Popen(
            [sys.executable, '-I', __file__, *(
                f'--bind-ro={here}:{there}'
                for there, here in self._shown.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._console, start_new_session=True)
        self.leader = self._holder.stdout.readline().decode().strip()
        if not self.leader:
            self.end()
            self._console.seek(0)
            raise RuntimeError(self._console.read().decode())

    def end(self):
        """End it, as a crash would; returns when nothing is left of it."""
        self._holder.communicate(timeout=2 * _END_S)

    def cgroups(self):
        """-> the folders of its control groups."""
        return _cgroups_of(self._holder.pid)

    def run(self, *command, user=None, group=None):
        """Run a program in it -> :class:`subprocess.CompletedProcess`.

        :param user: as whom, and whose other groups it has; None: root.
        :param group: of the process; None: one that is called as the user.
        """
        become = [] if user is None else [
            'setpriv', f'--reuid={user}', f'--regid={group or user}',
            '--init-groups']
        return subprocess.run(
            ['nsenter', '-t', self.leader, '-m', '-u', '-i', '-n', '-p',
             '-C', '-r', '-w', *become, *command],
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=_BOOT_S)

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
                ['nsenter', '-t', self.leader, '-m', '-p', '-r', '-w',
                 'install', '-D', '-m', mode, '/dev/stdin', path],
                stdin=file, check=True)


def _cgroups_of(pid):
    """-> the folders of the control groups of a process: systemd's."""
    found = []
    for line in pathlib.Path(f'/proc/{pid}/cgroup').read_text().splitlines():
        _, controllers, path = line.split(':', 2)
        root = _CGROUPS
        if controllers == 'name=systemd':
            root /= 'systemd'
        elif controllers:
            continue
        elif (_CGROUPS / 'unified').is_dir():
            root /= 'unified'
        found.append(root / path.lstrip('/'))
    return [each for each in found if (each / 'cgroup.procs').exists()]


def _enter(cgroup):
    (cgroup / 'cgroup.procs').write_text(str(os.getpid()))


def _remove(cgroup):
    """Remove a control group as soon as all that was in it has ended."""
    deadline = time.monotonic() + _END_S
    while cgroup.exists():
        for folder, _, _ in os.walk(cgroup, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.01)


def _child(pid):
    return pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().strip()


def _hold(arguments):
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind('')           # the kernel chooses an abstract name
    machine = subprocess.Popen(
        ['setpriv', '--pdeathsig=KILL', 'unshare', '--mount', '--pid',
         '--fork', '--kill-child=KILL', '--mount-proc', '--propagation',
         'private', 'sh', '-c', _BOOT, 'boot', *arguments],
        stdin=subprocess.DEVNULL, stdout=sys.stderr, env={
            'PATH': os.environ['PATH'],
            'NOTIFY_SOCKET': '@' + notified.getsockname()[1:].decode()})
    ended = os.pidfd_open(machine.pid)
    deadline = time.monotonic() + _BOOT_S
    while True:
        readable, _, _ = select.select(
            [sys.stdin, notified, ended], [], [],
            None if deadline is None else
            max(0, deadline - time.monotonic()))
        if notified in readable:
            told = notified.recv(4096).splitlines()
            if deadline and b'READY=1' in told:
                # unshare, nspawn, and what is the first process in there
                print(_child(_child(machine.pid)), flush=True)
                deadline = None
        else:
            break
    # The first of its namespace, with which all others end.
    if first := _child(machine.pid):
        os.kill(int(first), signal.SIGKILL)
    machine.wait()


def main():
    """Hold a machine until the input ends."""
    before = _cgroups_of(os.getpid())
    own = [each / f'dmore-machine-{os.getpid()}' for each in before]
    try:
        for each in own:
            each.mkdir()
            _enter(each)
        _hold(sys.argv[1:])
    finally:
        for each in before:
            _enter(each)
        for each in own:
            _remove(each)


if __name__ == '__main__':
    main()
