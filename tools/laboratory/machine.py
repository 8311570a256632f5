# SPDX-License-Identifier: Apache-2.0
"""A machine with systemd, booted over this machine's own files.

Nothing that is installed here starts in it. This file is also the program that
holds one (``machine.py PLAN``), and that may end in any way: the first process
of a machine is of a process namespace which ends with the program, so nothing
of it lives on, and only empty control groups stay (:func:`remove`).

PLAN is JSON, see :func:`plan`. The program prints the id of the machine's
first process when all of its units are up.
"""

import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

BOOT_S, END_S = 60.0, 20.0
_CGROUPS = pathlib.Path('/sys/fs/cgroup')

#: In the folder of a layer: a file with a path of the machine in each line.
HIDES = 'hides'

#: Runs in namespaces of its own, with nobody else in them; gets the folder for
#: what is written, or nothing, the folder of the layer, or nothing, and
#: options of nspawn. No layer of an overlay may be inside another one, and
#: each is in "/": so the layer becomes a file system of its own, an overlay
#: over nothing.
#: nspawn's filter knows no Landlock, with which workers confine themselves.
_BOOT = f"""
set -eu
umask 022
mount -t tmpfs -o mode=0755 tmpfs /run
disk=${{1:-/run/disk}}
layer=$2
shift 2
mkdir -p "$disk/upper" "$disk/work" /run/root /run/layer /run/nothing
[ -z "$layer" ] ||
    mount -t overlay -o "lowerdir=$layer:/run/nothing" overlay /run/layer
lower=${{layer:+/run/layer:}}/
mount -t overlay -o "lowerdir=$lower,upperdir=$disk/upper,workdir=$disk/work" \
    overlay /run/root
cd /run/root
[ -z "$layer" ] || sed 's/^/./' "$layer/{HIDES}" | xargs -d '\\n' rm -f
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
exec systemd-nspawn --quiet --register=no --keep-unit --settings=no \
    --directory=/run/root --private-users=no --link-journal=no \
    --resolv-conf=off --timezone=off --console=pipe --notify-ready=yes \
    --system-call-filter="@keyring bpf \
        landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
    "$@"
"""

#: The machine's first process: nspawn leaves it all control groups of the
#: first version but systemd's own to read only. Those of the processors stay
#: so, see :func:`cgroups_of`.
_INIT = """
for each in /sys/fs/cgroup/*/; do
    [ -L "${each%/}" ] || [ -e "$each/cpu.shares" ] ||
        mount -o remount,bind,rw,nosuid,nodev,noexec "$each" 2> /dev/null || :
done
exec /lib/systemd/systemd --unit=multi-user.target
"""


def plan(name: str, options: Sequence[str], disk: pathlib.Path | None = None,
         detached: bool = False, network: bool = False,
         layer: pathlib.Path | None = None) -> str:
    """What the program gets.

    :param name: of its control groups; no two machines have the same
    :param options: further ones of ``systemd-nspawn``
    :param disk: folder for what is written in the machine; it may lie anywhere
        on a real file system. None: in memory, gone when it ends
    :param detached: it lives until it is killed, not until the program's
        standard input ends
    :param network: it has that of the program; else it has none
    :param layer: folder with files that it has in place of this machine's;
        those that its file :data:`HIDES` names it has not
    """
    return json.dumps({'name': name, 'options': list(options),
                       'disk': str(disk or ''), 'detached': detached,
                       'network': network, 'layer': str(layer or '')})


def enter(leader: int, argv: Sequence[str], cwd: str = '/') -> list[str]:
    """The command line that runs ``argv`` in a machine, as root."""
    return ['nsenter', '-t', str(leader), '-m', '-u', '-i', '-n', '-p', '-C',
            '-r', '-W', cwd, '--', *argv]


def cgroups_of(pid: int) -> list[pathlib.Path]:
    """The folders of the control groups of a process, one a hierarchy.

    Not that which divides the processors, in version 1: where a machine has
    groups in groups of it, as many as systemd and libvirt make, and its
    processes wake each other often, Linux 6.18 lets processes outside wait for
    seconds. Without, the kernel divides them among sessions
    (``sched_autogroup_enabled``): a service has one, and each QEMU.
    """
    found = []
    for line in pathlib.Path(f'/proc/{pid}/cgroup').read_text().splitlines():
        _, controllers, path = line.split(':', 2)
        root = _CGROUPS
        if 'cpu' in controllers.split(','):
            continue
        if controllers:
            root /= controllers.removeprefix('name=')
        elif (_CGROUPS / 'unified').is_dir():
            root /= 'unified'
        found.append(root / path.lstrip('/'))
    return [each for each in found if (each / 'cgroup.procs').exists()]


def remove(name: str) -> None:
    """Remove the control groups of a machine, as soon as all in it has ended.

    :raises OSError: something in it does not end
    """
    for each in list(_named(name)):
        _remove(each)


def _named(name: str) -> Iterator[pathlib.Path]:
    for folder, below, _files in os.walk(_CGROUPS):
        if name in below:
            below.remove(name)
            yield pathlib.Path(folder, name)


def _enter(cgroup: pathlib.Path) -> None:
    (cgroup / 'cgroup.procs').write_text(str(os.getpid()))


def _make(cgroup: pathlib.Path) -> None:
    cgroup.mkdir()
    # Nobody can enter a new one of these before it is told its processors.
    for name in ('cpuset.cpus', 'cpuset.mems'):
        own, above = cgroup / name, cgroup.parent / name
        if own.exists() and above.exists() and not own.read_text().strip():
            own.write_text(above.read_text())
    if (inherited := cgroup / 'cgroup.clone_children').exists():
        inherited.write_text('1')


def _remove(cgroup: pathlib.Path) -> None:
    deadline = time.monotonic() + END_S
    while cgroup.exists():
        for folder, _, _ in os.walk(cgroup, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.01)


def _child(pid: int | str) -> str:
    return pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().strip()


def _command(wanted: dict) -> list[str]:
    return ['setpriv', '--pdeathsig=KILL', 'unshare', '--mount', '--pid',
            '--fork', '--kill-child=KILL', '--mount-proc', '--propagation',
            'private', 'sh', '-c', _BOOT, 'boot', wanted['disk'],
            wanted['layer'],
            f'--machine={wanted["name"]}',
            '--network-namespace-path=/proc/self/ns/net'
            if wanted['network'] else '--private-network',
            *wanted['options'], '--', '/bin/sh', '-c', _INIT]


def _hold(wanted: dict) -> None:
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind('')           # the kernel chooses an abstract name
    machine = subprocess.Popen(
        _command(wanted), stdin=subprocess.DEVNULL, stdout=sys.stderr, env={
            'PATH': os.environ['PATH'],
            'NOTIFY_SOCKET': '@' + notified.getsockname()[1:].decode(),
            **({'SYSTEMD_NSPAWN_API_VFS_WRITABLE': 'network'}
               if wanted['network'] else {})})
    ended = os.pidfd_open(machine.pid)
    watched = [notified, ended, *([] if wanted['detached'] else [sys.stdin])]
    deadline: float | None = time.monotonic() + BOOT_S
    while True:
        readable, _, _ = select.select(
            watched, [], [], None if deadline is None else
            max(0, deadline - time.monotonic()))
        if notified not in readable:
            break
        told = notified.recv(4096).splitlines()
        if deadline and b'READY=1' in told:
            # unshare, nspawn, and what is the first process in there
            print(_child(_child(machine.pid)), flush=True)
            deadline = None
    # The first of its namespace, with which all others end.
    if first := _child(machine.pid):
        os.kill(int(first), signal.SIGKILL)
    machine.wait()


def main() -> None:
    """Hold a machine until it ends, or is to end."""
    wanted = json.loads(sys.argv[1])
    before = cgroups_of(os.getpid())
    own = [each / wanted['name'] for each in before]
    try:
        for each in own:
            _make(each)
            _enter(each)
        _hold(wanted)
    finally:
        for each in before:
            _enter(each)
        for each in own:
            _remove(each)


if __name__ == '__main__':
    main()
