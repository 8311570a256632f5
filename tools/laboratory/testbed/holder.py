# SPDX-License-Identifier: Apache-2.0
"""The first process of a host: makes its mounts, then reaps what is orphaned.

Runs alone (``holder.py READY PLAN``), in namespaces of its own. PLAN is JSON:
``hostname``; ``tmpfs``: paths that get an empty file system of their own;
``folders``: paths made in these; ``binds``: pairs of (source, path).
READY is a file written when all is mounted.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys


def _mount(*arguments: str) -> None:
    subprocess.run(['mount', *arguments], check=True)


def main() -> None:
    ready = pathlib.Path(sys.argv[1])
    plan = json.loads(sys.argv[2])
    socket.sethostname(plan['hostname'])
    for path in plan['tmpfs']:
        _mount('-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', path)
    for path, mode in plan['folders']:
        os.makedirs(path, exist_ok=True)
        os.chmod(path, int(mode, 8))
    for source, path in plan['binds']:
        _mount('--bind', source, path)
    # Blocked, they are waited for below; a default action would be ignored for
    # the first process of a namespace anyway.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    ready.touch()
    while signal.sigwait({signal.SIGCHLD, signal.SIGTERM}) != signal.SIGTERM:
        _reap()


def _reap() -> None:
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return


if __name__ == '__main__':
    main()
