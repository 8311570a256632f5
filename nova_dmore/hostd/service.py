# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-hostd``: starts the processes of all pairs of a host.

It answers nova-compute and the keepers
(:mod:`nova_dmore.link.hostd_protocol`), and reads nothing that comes from a
guest, a QEMU, a Domain R or the network. Each request is answered at once, by
one thread: the loop has no tasks, and a child that is forked from it finds
nothing under way.

=========  ==============================================================
SIGTERM    ends; the processes of the pairs go on
SIGHUP     begins anew with the code that is installed now, as the same
           process, and has every keeper take a new worker
SIGCHLD    a keeper or a worker has ended
=========  ==============================================================
"""

import dataclasses
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import Any

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.hostd import children
from nova_dmore.hostd import folders
from nova_dmore.hostd import remembered
from nova_dmore.hostd import room
from nova_dmore.hostd import systemd
from nova_dmore.keeper import life
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore.posix import locks
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import unix_connect
from nova_dmore.posix import unix_listen
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: How long a connection waits for its request, in seconds: who connects sends
#: at once.
_PATIENCE_S = 2.0

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
#: A keeper that was told to end, and still lives so much later, is killed when
#: it is to end the next time, in seconds.
_END_S = 2.0

#: Requests without an instance.
_OF_NO_PAIR = (hostd_protocol.Request.LIST, hostd_protocol.Request.STATUS)

#: Tells a service that has begun anew to have the workers replaced.
RELOADED = 'NOVA_DMORE_RELOADED'


@dataclasses.dataclass(frozen=True)
class Options:
    """What the options say."""

    run_dir: str
    state_dir: str | None
    #: User ids: who may connect, and who of them is nova-compute.
    clients: frozenset[int]
    compute: frozenset[int]
    keeper: life.Options


class _Refused(Exception):
    """A request is not granted."""

    def __init__(self, failure: hostd_protocol.Failure, message: str
                 ) -> None:
        super().__init__(message)
        self.failure = failure


class Service:
    """The service, running."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._loop = loop_module.Loop()
        self._folders = folders.Folders(options.run_dir)
        self._remembered = remembered.Remembered(options.state_dir)
        self._children = children.Children(
            self._loop, options.keeper, self._folders)
        #: Those that wait, and what closes each that has for too long.
        self._connections: dict[
            socket.socket, tuple[room.Peer, loop_module.Handle]] = {}
        #: Which keeper of a pair was told to end, and when.
        self._told_to_end: dict[str, tuple[int, float]] = {}
        self._has_ended = self._is_to_begin_anew = False
        self._listener = _listen(options)
        self._loop.add_reader(self._listener, self._accept)

    def run(self) -> None:
        """Serve until SIGTERM."""
        for number, handle in (
                (signal.SIGTERM, self._stop), (signal.SIGINT, self._stop),
                (signal.SIGHUP, self._want_to_begin_anew),
                (signal.SIGCHLD, self._children.reap)):
            self._loop.add_signal_handler(number, handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._prepare_remembered()
        self._find_workers()
        systemd.tell('READY=1')
        self._children.reap()       # what ended while it began anew
        found = self._folders.instances()
        LOG.info('Serving %s; %d pairs live',
                 hostd_protocol.path_of(self._options.run_dir), len(found))
        if os.environ.pop(RELOADED, None):
            self._replace_workers(found)
        while not self._has_ended:
            self._loop.turn()
            if self._is_to_begin_anew and not self._has_ended:
                self._begin_anew()
        LOG.info('Ending; the processes of the pairs go on')

    def _prepare_remembered(self) -> None:
        """After a boot: see :mod:`nova_dmore.hostd.remembered`."""
        for instance in self._remembered.instances():
            try:
                if remembered.make_fifos(
                        instance, self._options.run_dir,
                        self._options.keeper.qemu_group):
                    LOG.info('Instance %s can be started, also without Nova',
                             instance)
            except OSError as e:
                LOG.warning('Instance %s cannot be started without Nova: %s',
                            instance, text.printable(e))

    def _find_workers(self) -> None:
        """Find the workers that an earlier service has started, or this one
        before it began anew."""
        for instance in self._folders.all():
            try:
                self._children.find_worker(instance)
            except OSError as e:
                LOG.warning('The worker of %s is not known: %s', instance,
                            text.printable(e))

    # -- signals

    def _stop(self) -> None:
        self._has_ended = True

    def _want_to_begin_anew(self) -> None:
        self._is_to_begin_anew = True

    def _begin_anew(self) -> None:
        """Run the program that is installed now. All descriptors close; who
        connects meanwhile tries again."""
        LOG.info('Beginning anew')
        systemd.tell('RELOADING=1')
        os.environ[RELOADED] = '1'
        # Those that come meanwhile wait until they are expected again.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        # Some say where the program is started from, and how.
        os.execv(sys.executable, sys.orig_argv)

    def _replace_workers(self, instances: Iterable[str]) -> None:
        for instance in instances:
            pid = self._folders.keeper(instance)
            if pid:
                _signal_keeper(self._folders, instance, pid, signal.SIGHUP)

    # -- connections

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as e:
            LOG.warning('Not accepted: %s', text.printable(e))
            time.sleep(0.01)    # out of descriptors, say: not at that rate
            return
        sock.setblocking(False)
        pid, uid, _ = unix_connect.credentials(sock)
        peer = room.Peer(pid, uid in self._options.compute)
        if uid not in self._options.clients or not room.has_room(
                [each for each, _ in self._connections.values()], peer):
            LOG.warning(
                'Process %d of user %d is refused: %s', pid, uid,
                'too many connections wait' if uid in self._options.clients
                else 'only nova-compute ([hostd] compute_user), root and '
                'keepers are answered')
            sock.close()
            return
        self._connections[sock] = peer, self._loop.call_later(
            _PATIENCE_S, self._close, sock)
        self._loop.add_reader(sock, self._request, sock, pid, uid)

    def _close(self, sock: socket.socket) -> None:
        self._connections.pop(sock)[1].cancel()
        self._loop.remove_reader(sock)
        sock.close()

    def _request(self, sock: socket.socket, pid: int, uid: int) -> None:
        descriptors: list[int] = []
        try:
            try:
                message, descriptors = hostd_protocol.receive(sock)
            except BlockingIOError:
                return
            if message is not None:
                self._answer(sock, message, descriptors, pid, uid)
        except _Refused as e:
            _send(sock, {'error': str(e), 'failure': e.failure})
        except ValueError as e:
            _send(sock, {'error': f'bad request: {text.printable(e)}',
                         'failure': hostd_protocol.Failure.REFUSED})
        except OSError as e:
            LOG.warning('A request failed: %s', text.printable(e))
            _send(sock, {'error': text.printable(e),
                         'failure': hostd_protocol.Failure.FAILED})
        finally:
            for each in descriptors:
                os.close(each)
        self._close(sock)

    # -- requests

    def _answer(self, sock: socket.socket, message: messages.Message,
                descriptors: list[int], pid: int, uid: int) -> None:
        named = message.get('type')
        if type(named) is not str:
            raise ValueError('type is no text')
        kind = hostd_protocol.Request(named)
        instance: Any = message.get('instance')
        if kind not in _OF_NO_PAIR and not folders.is_uuid(instance):
            raise ValueError('instance is no uuid')
        if kind is hostd_protocol.Request.WORKER:
            self._start_worker(sock, instance, descriptors, pid)
            return
        if uid not in self._options.compute:
            raise _Refused(hostd_protocol.Failure.REFUSED,
                           f'{kind} is not for this user')
        if kind is hostd_protocol.Request.LIST:
            self._list(sock, message.get('after', ''))
        elif kind is hostd_protocol.Request.STATUS:
            _send(sock, {'qemu_group': self._options.keeper.qemu_group})
        elif kind is hostd_protocol.Request.EARLIER:
            _send(sock, {'earlier': self._folders.is_earlier(instance)})
        elif kind is hostd_protocol.Request.START:
            self._start(sock, instance, message.get('arrives') is True,
                        message.get('large') is True)
        elif kind is hostd_protocol.Request.LARGE:
            _send(sock, {'large': self._folders.knows_large(instance)})
        elif kind is hostd_protocol.Request.OPEN:
            self._open(sock, instance)
        elif kind is hostd_protocol.Request.END:
            self._end(sock, instance)
        elif kind is hostd_protocol.Request.REMOVE:
            self._remove(sock, instance)

    def _list(self, sock: socket.socket, after: object) -> None:
        if type(after) is not str:
            raise ValueError('after is no text')
        _send(sock, {'instances': self._folders.instances(
            after, hostd_protocol.LIST_MAX)})

    def _start(self, sock: socket.socket, instance: str, arrives: bool,
               large: bool) -> None:
        pid = self._folders.keeper(instance)
        if pid is not None:
            _send(sock, {'pid': pid})
        else:
            self._children.start_keeper(
                instance, arrives, large, sock.fileno())
        self._remembered.add(instance)

    def _start_worker(self, sock: socket.socket, instance: str,
                      descriptors: list[int], pid: int) -> None:
        if self._folders.keeper(instance) != pid or len(descriptors) != 1:
            raise _Refused(hostd_protocol.Failure.REFUSED,
                           'a worker is started for its keeper alone')
        if self._children.end_left_over(instance):
            raise _Refused(hostd_protocol.Failure.LIVES,
                           'its last worker is ending')
        started, pidfd = self._children.start_worker(
            pid, instance, descriptors[0])
        _send(sock, {'pid': started}, [pidfd])

    def _open(self, sock: socket.socket, instance: str) -> None:
        path = os.path.join(self._folders.of_pair(instance),
                            wire.CONTROL_SOCKET)
        try:
            with unix_connect.connect(path) as opened:
                self._check_keeper(instance, opened)
                _send(sock, {}, [opened.fileno()])
        except BlockingIOError as e:
            raise _Refused(hostd_protocol.Failure.STUCK,
                           'its process does not accept') from e
        except (FileNotFoundError, ConnectionRefusedError) as e:
            if self._folders.keeper(instance) is not None:
                raise _Refused(hostd_protocol.Failure.LIVES,
                               'its process begins or ends') from e
            raise _Refused(hostd_protocol.Failure.GONE,
                           'it has no process here') from e

    def _check_keeper(self, instance: str, opened: socket.socket) -> None:
        """Make sure that it is the keeper who listens: where a domain of an
        earlier release may arrive, QEMU's user can write the folder.

        :raises ConnectionRefusedError: it is somebody else.
        """
        pid, _, _ = unix_connect.credentials(opened)
        # The kernel names the process that called listen(2). With a release
        # that had no host service, that was not yet the keeper's own process.
        if pid != self._folders.keeper(instance) and not (
                self._folders.is_earlier(instance)):
            LOG.warning('Process %d listens in the place of the keeper of %s',
                        pid, instance)
            raise ConnectionRefusedError

    def _end(self, sock: socket.socket, instance: str) -> None:
        pid = self._folders.keeper(instance)
        if pid is None:
            raise _Refused(hostd_protocol.Failure.GONE,
                           'it has no process here')
        told_pid, told_at = self._told_to_end.get(instance, (0, 0.0))
        is_late = pid == told_pid and time.monotonic() - told_at > _END_S
        if pid != told_pid:
            self._told_to_end[instance] = pid, time.monotonic()
        _signal_keeper(self._folders, instance, pid,
                       signal.SIGKILL if is_late else signal.SIGTERM)
        _send(sock, {})

    def _remove(self, sock: socket.socket, instance: str) -> None:
        if self._folders.keeper(instance) is not None:
            raise _Refused(hostd_protocol.Failure.LIVES, 'its process lives')
        self._children.end_left_over(instance)
        self._told_to_end.pop(instance, None)
        self._remembered.forget(instance)
        self._folders.remove(instance)
        _send(sock, {})


def _signal_keeper(known: folders.Folders, instance: str, pid: int,
                   number: signal.Signals) -> None:
    """Send a signal to a keeper, and to nobody else."""
    try:
        found = locks.pidfd_of(
            lambda: pid if known.keeper(instance) == pid else None)
    except (OSError, ValueError) as e:
        LOG.warning('The keeper of %s: %s', instance, text.printable(e))
        return
    if found is not None:
        children.send_signal(found[1], number)


def _send(sock: socket.socket, message: messages.Message,
          descriptors: Iterable[int] = ()) -> None:
    try:
        hostd_protocol.send(sock, message, descriptors)
    except (OSError, ValueError) as e:      # it does not read, or cannot
        LOG.info('An answer was not taken: %s', text.printable(e))


def _listen(options: Options) -> socket.socket:
    """-> the listening socket, in the place of that of a service before.

    :raises exception.ConfigurationError: it cannot be made.
    """
    try:
        return _make_listener(options)
    except OSError as e:
        raise exception.ConfigurationError(
            f'[hostd] run_dir: {e}; it must be a directory of the user that '
            'this service runs as') from e


def _make_listener(options: Options) -> socket.socket:
    os.makedirs(options.run_dir, mode=0o711, exist_ok=True)
    path = hostd_protocol.path_of(options.run_dir)
    scratch = f'{path}.new'
    # For the group of this user, of which nova-compute's is a member.
    listener = unix_listen.listen(
        scratch, 0o660, hostd_protocol.BACKLOG, kind=socket.SOCK_SEQPACKET)
    # Nobody finds a path at which nobody listens.
    os.rename(scratch, path)
    return listener
