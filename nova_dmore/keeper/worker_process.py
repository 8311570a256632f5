# SPDX-License-Identifier: Apache-2.0
"""The worker of a keeper: had from the host service, again when it ends.

The service forks it, so that a new worker runs the code that is installed
now, however old the keeper is. While the service is away there is no new
worker; one that is there lives on.
"""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from nova_dmore.channel import text
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module

LOG = logging.getLogger(__name__)

#: A worker that ends sooner than this is started again with a pause, which
#: doubles from the first to the last of these, in seconds.
_STEADY_S = 5.0
_PAUSE_S = (0.05, 1.0)
#: The service is asked again after so long, and has so long to answer.
_ASK_AGAIN_S = 0.1
_ANSWER_S = 10.0


class WorkerProcess:
    """Never two at a time: the next is asked for when the last one is dead.

    :param run_dir: where the service listens.
    :param on_start: called when there is a worker, which is to be told all.
    :param on_readable: called when it said something, or has ended.
    """

    def __init__(self, loop: loop_module.Loop, run_dir: str,
                 instance: str, on_start: Callable[[], None],
                 on_readable: Callable[[], object]) -> None:
        self._loop = loop
        self._run_dir = run_dir
        self._instance = instance
        self._on_start = on_start
        self._on_readable = on_readable
        #: The keeper's end of the link to it; None: there is no worker.
        self.link: socket.socket | None = None
        #: How many there were.
        self.starts = 0
        self._pidfd: int | None = None
        self._started_at = 0.0
        self._pause = _PAUSE_S[0]
        #: Connection, our end of the link, timer; None: nothing is asked.
        self._asking: tuple[socket.socket, socket.socket,
                            loop_module.Handle] | None = None

    def start(self) -> None:
        """Ask the service for a worker, until there is one."""
        ours, theirs = messages.pair()
        try:
            with theirs:
                sock = hostd_protocol.connect(self._run_dir, 0)
                hostd_protocol.send(
                    sock, {'type': hostd_protocol.Request.WORKER,
                           'instance': self._instance}, [theirs.fileno()])
        except OSError as e:
            LOG.debug('No worker yet: %s', e)
            ours.close()
            self._loop.call_later(_ASK_AGAIN_S, self.start)
            return
        timer = self._loop.call_later(_ANSWER_S, self._ask_again)
        self._asking = sock, ours, timer
        self._loop.add_reader(sock, self._answered)

    def _answered(self) -> None:
        assert self._asking is not None     # it is what can be read
        try:
            answer, descriptors = hostd_protocol.receive(self._asking[0])
        except BlockingIOError:
            return
        except ValueError as e:
            answer, descriptors = {'error': str(e)}, []
        if answer is None or len(descriptors) != 1:
            LOG.warning('The host service starts no worker: %s',
                        text.printable(answer and answer.get('error')))
            self._ask_again()
            return
        sock, self.link, timer = self._asking
        self._stop_asking(sock, timer)
        self._pidfd = descriptors[0]
        self.starts += 1
        self._started_at = time.monotonic()
        LOG.info('Worker %d has process id %s', self.starts, answer['pid'])
        self._loop.add_reader(self.link, self._on_readable)
        self._on_start()

    def _ask_again(self) -> None:
        """Without our end, a worker that was started all the same ends."""
        assert self._asking is not None     # its timer or its answer calls
        sock, ours, timer = self._asking
        self._stop_asking(sock, timer)
        ours.close()
        self._loop.call_later(_ASK_AGAIN_S, self.start)

    def _stop_asking(self, sock: socket.socket, timer: loop_module.Handle
                     ) -> None:
        timer.cancel()
        self._loop.remove_reader(sock)
        sock.close()
        self._asking = None

    def kill(self) -> None:
        """End it; its link tells when it has."""
        if self._pidfd is not None:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def ended(self) -> None:
        """Called when its link is at its end: start the next one."""
        # It was there until now.
        assert self.link is not None and self._pidfd is not None
        LOG.warning('Worker %d ended', self.starts)
        self._loop.remove_reader(self.link)
        self.link.close()
        self.link = None
        self.kill()
        self._loop.add_reader(self._pidfd, self._dead)

    def _dead(self) -> None:
        assert self._pidfd is not None      # it is what can be read
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = None
        if time.monotonic() - self._started_at >= _STEADY_S:
            self._pause = _PAUSE_S[0]
        self._loop.call_later(self._pause, self.start)
        self._pause = min(self._pause * 2, _PAUSE_S[1])

    def close(self) -> None:
        """End it, and have no other; returns when it is dead."""
        self.kill()
        if self._pidfd is not None:
            ended = select.poll()
            ended.register(self._pidfd, select.POLLIN)
            ended.poll()
