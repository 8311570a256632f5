# SPDX-License-Identifier: Apache-2.0
"""How the host service starts keepers and workers: it forks them.

All that they run is imported before, so they share its memory, and a process
of a pair costs the host what it writes itself. None of them is ended when the
service ends; what it has to know of them it learns again from the lock files
(:mod:`nova_dmore.hostd.folders`).
"""

import dataclasses
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import setproctitle

from nova_dmore.channel import text
from nova_dmore.hostd import folders
from nova_dmore.keeper import life
from nova_dmore.posix import locks
from nova_dmore.posix import loop as loop_module
from nova_dmore.worker import worker

LOG = logging.getLogger(__name__)

#: The number of the first descriptor that a child closes: those before it are
#: standard input, standard output and standard error, which is the log.
_FIRST = 3
_DESCRIPTORS_MAX = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@dataclasses.dataclass
class _Worker:
    """The worker of a keeper, by pidfds: they name no other process, ever."""

    keeper: int
    worker: int


class Children:
    """The processes that one service has started, and those that it found.

    :param loop: of the service.
    :param options: :class:`nova_dmore.keeper.life.Options`.
    """

    def __init__(self, loop: loop_module.Loop, options: life.Options,
                 known: folders.Folders) -> None:
        self._loop = loop
        self._options = options
        self._folders = known
        #: By the process id of its keeper.
        self._workers: dict[int, _Worker] = {}
        # What is here now is not visited by a child's collections, which
        # would copy it. It is not collected before: what a child makes would
        # fill the gaps, and copy the pages around them.
        gc.freeze()

    def start_keeper(self, instance: str, arrives: bool, large: bool,
                     answer: int) -> None:
        """Start a keeper.

        :param arrives: see :attr:`hostd_protocol.Request.START`.
        :param large: likewise.
        :param answer: descriptor of the connection of whoever wants it: the
            keeper answers when its sockets listen, or that it cannot be.
        :raises OSError: the host is out of processes.
        """
        pid = self._fork(
            f'keeper {instance}', answer,
            lambda kept: life.run(
                instance, arrives, large, self._options, kept))
        LOG.info('The keeper of %s has process id %d', instance, pid)

    def start_worker(self, keeper_pid: int, instance: str, link: int
                     ) -> tuple[int, int]:
        """Start the worker of a keeper, and end the one that it had.

        :param keeper_pid: as the kernel says.
        :param link: the descriptor of its end of their link.
        :returns: (its process id, a pidfd, which stays this object's).
        :raises OSError: the keeper is gone, or the host is out of processes.
        """
        keeper_pidfd = os.pidfd_open(keeper_pid)
        try:
            pid = self._fork(
                f'worker {instance}', link,
                lambda kept: worker.run(
                    kept, instance, self._options.debug,
                    self._folders.of_pair(instance)))
            # It is a child that nobody has waited for, so this is itself.
            worker_pidfd = os.pidfd_open(pid)
        except OSError:
            os.close(keeper_pidfd)
            raise
        self._end_worker(keeper_pid)
        self._watch(keeper_pid, _Worker(keeper_pidfd, worker_pidfd))
        LOG.info('The worker of %s has process id %d', instance, pid)
        return pid, worker_pidfd

    def find_worker(self, instance: str) -> None:
        """Know a worker that an earlier service has started; end one whose
        keeper has ended meanwhile."""
        its_keeper = locks.pidfd_of(lambda: self._folders.keeper(instance))
        if its_keeper is None:
            self.end_left_over(instance)
            return
        found = locks.pidfd_of(lambda: self._folders.worker(instance))
        if found is None:
            os.close(its_keeper[1])     # it is about to ask for one
        else:
            self._watch(its_keeper[0], _Worker(its_keeper[1], found[1]))

    def end_left_over(self, instance: str) -> bool:
        """Kill a worker that nobody has any more -> whether there was one."""
        found = locks.pidfd_of(lambda: self._folders.worker(instance))
        if found is not None:
            LOG.warning('Worker %d of %s is left over, and is killed',
                        found[0], instance)
            send_signal(found[1], signal.SIGKILL)
        return found is not None

    def _watch(self, keeper_pid: int, known: _Worker) -> None:
        self._workers[keeper_pid] = known
        self._loop.add_reader(known.keeper, self._end_worker, keeper_pid)

    def _end_worker(self, keeper_pid: int) -> None:
        """No worker outlives its keeper; one that obeys ends by itself."""
        known = self._workers.pop(keeper_pid, None)
        if known is None:
            return
        self._loop.remove_reader(known.keeper)
        os.close(known.keeper)
        send_signal(known.worker, signal.SIGKILL)

    def reap(self) -> None:
        """Called when children may have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            LOG.info('Process %d ended: %d', pid,
                     os.waitstatus_to_exitcode(status))

    def _fork(self, title: str, kept: int, run: Callable[[int], None]
              ) -> int:
        """-> the process id of a child that runs ``run(kept)``.

        :param kept: the only descriptor that it has of this process.
        """
        pid = os.fork()
        if not pid:
            be(title, kept, run)
        return pid


def send_signal(pidfd: int, number: signal.Signals) -> None:
    """Send a signal, unless the process has ended, and close its pidfd."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def be(title: str, kept: int, run: Callable[[int], None]) -> NoReturn:
    """Be a child; never returns.

    :param title: what the process is called.
    :param kept: the only descriptor that it has, beside those of the log.
    :param run: called with it. SystemExit, with the reason, is one that was
        expected.
    """
    status = 1
    try:
        # What is here is never cleaned up: it would close descriptors that
        # are the child's own by then.
        gc.freeze()
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # A keeper has no worker to replace yet; a worker never has one.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        _close_all_but(kept)
        setproctitle.setproctitle(f'nova-dmore-{title}')
        run(kept)
        status = 0
    except SystemExit as e:
        LOG.error('%s: %s', title, text.printable(e))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        logging.shutdown()
        os._exit(status)


def _close_all_but(kept: int) -> None:
    """Leave a child the log, and one more descriptor."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in range(2):
        os.dup2(nothing, standard)
    os.closerange(_FIRST, kept)
    os.closerange(kept + 1, _DESCRIPTORS_MAX)
