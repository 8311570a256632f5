# SPDX-License-Identifier: Apache-2.0
"""Start the keeper of a pair so that it outlives nova-compute."""

import dataclasses
import fcntl
import logging
import os
import shutil
import signal
import subprocess
import sys

from nova_dmore.channel import text
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore import wire

LOG = logging.getLogger(__name__)

_SYSTEMD_DIRECTORY = '/run/systemd/system'


@dataclasses.dataclass(frozen=True)
class KeeperOptions:
    """How the keeper makes its files, and whose process it is.

    QEMU runs as another user than nova-compute on most hosts. It has to
    traverse the directory, make its two QMP sockets there, and connect to
    the ivshmem and serial sockets: ``group`` is then a group of that user,
    with modes 0o770 and 0o660.
    """

    directory_mode: int = 0o700
    socket_mode: int = 0o600
    #: Name or number; None: the group of this process.
    group: str | None = None
    debug: bool = False


def start_keeper(directory, log_file, *, options=KeeperOptions(),
                 timeout=20.0):
    """Start a pair's keeper, detached; return its process id.

    Called by nova-compute before the pair's VMs are defined. When a keeper
    already serves the directory, nothing is started.

    :param directory: the pair's directory; created if it is missing.
    :param log_file: standard error of keeper and worker is appended to it.
    :param options: :class:`KeeperOptions`.
    :param timeout: seconds until it must answer a STATUS.
    :raises exception.ShadowProcessError: names the log file.
    """
    shadow = shadow_client.ShadowClient(directory)
    try:
        return _start(shadow, directory, log_file, options, timeout)
    finally:
        shadow.close()


def _start(shadow, directory, log_file, options, timeout):
    if os.path.exists(shadow.path):
        try:
            return shadow.status(timeout=1.0).pid
        except exception.ShadowProcessError:
            LOG.info('Starting a new keeper in %s: the old one is gone.',
                     directory)
    command = _command(directory, options)
    try:
        with open(log_file, 'ab') as log:
            # The keeper detaches itself when its sockets listen; what is
            # waited for here is only its first, short-lived process.
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd='/', start_new_session=True, close_fds=True,
                timeout=timeout, check=True, env=_environment())
        return shadow.status(timeout=timeout).pid
    except exception.ShadowProcessError as e:
        _end(directory)
        raise exception.ShadowProcessError(
            f'The shadow-device process in {directory} does not answer; '
            f'see {log_file}') from e
    except (OSError, subprocess.SubprocessError) as e:
        _end(directory)
        raise exception.ShadowProcessError(
            f'The shadow-device process in {directory} did not start '
            f'({e}); see {log_file}') from e


def _command(directory, options):
    command = [
        sys.executable, '-m', 'nova_dmore.keeper.keeper',
        '--directory', os.path.abspath(directory), '--detach',
        '--directory-mode', f'{options.directory_mode:o}',
        '--socket-mode', f'{options.socket_mode:o}']
    if options.group is not None:
        command += ['--group', str(options.group)]
    if options.debug:
        command += ['--debug']
    systemd_run = shutil.which('systemd-run')
    if (systemd_run and os.geteuid() == 0 and
            os.path.isdir(_SYSTEMD_DIRECTORY)):
        # Out of nova-compute's control group: stopping that service would
        # otherwise end the keeper with it.
        command = [systemd_run, '--scope', '--quiet', '--collect',
                   '--'] + command
    return command


def _end(directory):
    """End the keeper that has just been started, and does not work."""
    try:
        with open(os.path.join(directory, wire.KEEPER_LOCK)) as lock:
            pid = int(lock.read())
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:     # it lives, so the number is its own
                os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError) as e:
        LOG.debug('No keeper to end in %s: %s', directory,
                  text.printable(e))


def _environment():
    """This process' environment; ``-m`` must find this very package."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    path = os.environ.get('PYTHONPATH')
    return {**os.environ, 'PYTHONPATH': f'{root}:{path}' if path else root}
