# SPDX-License-Identifier: Apache-2.0
"""A real host service, for tests that need the processes of a pair."""

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.link import hostd_protocol

#: On a busy machine Python itself takes most of a minute.
_START_S = 300.0
_REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


class Hostd:
    """One, in a folder of its own, as this user.

    :param folder: where ``run_dir`` and the log are made; a socket's path
        must be short.
    """

    def __init__(self, folder, **options):
        self.run_dir = os.path.join(folder, 'run')
        self.log = os.path.join(folder, 'log')
        os.makedirs(self.run_dir, exist_ok=True)
        self._config = os.path.join(folder, 'hostd.conf')
        self.state_dir = os.path.join(folder, 'state')
        lines = {'run_dir': self.run_dir, 'debug': True,
                 'state_dir': self.state_dir,
                 'compute_user': pwd.getpwuid(os.getuid()).pw_name, **options}
        with open(self._config, 'w') as config:
            config.write('[hostd]\n' + ''.join(
                f'{name} = {value}\n' for name, value in lines.items()))
        self.service = host_service.HostService(self.run_dir)
        self.process = None

    def start(self):
        """Start it; returns when it answers."""
        path = ':'.join(filter(
            None, [_REPOSITORY, os.environ.get('PYTHONPATH')]))
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-c', 'import sys; from nova_dmore.cmd '
                 'import hostd; sys.exit(hostd.main())',
                 '--config-file', self._config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/',
                env={**os.environ, 'PYTHONPATH': path})
        return self._wait_for_answer()

    def _wait_for_answer(self):
        deadline = time.monotonic() + _START_S
        while True:
            try:
                return self.service.instances()
            except exception.HostServiceError:
                if (self.process.poll() is not None or
                        time.monotonic() > deadline):
                    raise

    def reload(self):
        """Have it begin anew; returns when it answers as what it is then, and
        the keepers are told."""
        path = hostd_protocol.path_of(self.run_dir)
        before = os.stat(path).st_ino
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + _START_S
        while os.stat(path).st_ino == before:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError('it did not begin anew')
            time.sleep(0.01)
        self._wait_for_answer()

    def end(self, number=signal.SIGTERM):
        """End it; the processes of the pairs live on."""
        self.process.send_signal(number)
        self.process.wait(10)

    def read_log(self):
        """What it, and the processes of the pairs, have logged."""
        with open(self.log) as log:
            return log.read()


def of_test(test, **options):
    """One that is not started yet, and ends with a test if it is.

    Its folder is not that of the test, for a socket's path must be short.
    """
    folder = tempfile.TemporaryDirectory(
        prefix='dmore', dir=os.environ.get('TMPDIR', '/tmp'))
    test.addCleanup(folder.cleanup)
    hostd = Hostd(folder.name, **options)
    test.addCleanup(lambda: hostd.process and hostd.end())
    return hostd


_shared: list[Hostd] = []


def shared():
    """The one of this process of tests, started for the first of them."""
    if not _shared:
        # Not in the folder of the first test, which goes with that.
        folder = tempfile.mkdtemp(
            prefix='dmore', dir=os.environ.get('TMPDIR', '/tmp'))
        hostd = Hostd(folder)
        hostd.start()
        _shared.append(hostd)
        owner = os.getpid()

        def end():
            if os.getpid() == owner:
                hostd.end()
                shutil.rmtree(folder, ignore_errors=True)
        atexit.register(end)
    return _shared[0]
