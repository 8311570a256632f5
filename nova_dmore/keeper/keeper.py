# SPDX-License-Identifier: Apache-2.0
"""The keeper of a pair: holds everything that must outlive a worker.

It owns the memory, the eventfds, the sockets, the serial line and the QMP
connections of one pair, and has the worker started again when it ends. It
parses nothing that comes from the region or from the instance's console. The
host service forks it (:func:`run`); it ends on SIGTERM or SHUTDOWN, and takes
a new worker on SIGHUP.
"""

import asyncio
import dataclasses
import logging
import os
import signal
import socket

from nova_dmore.channel import errors
from nova_dmore.channel.host import ivshmem
from nova_dmore.channel import text
from nova_dmore.keeper import line as line_module
from nova_dmore.keeper import qmp
from nova_dmore.keeper import resources as resources_module
from nova_dmore.keeper import worker_process
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore.posix import crash
from nova_dmore.posix import locks
from nova_dmore.posix import log
from nova_dmore.posix import privileges
from nova_dmore.posix import unix_connect
from nova_dmore import wire

LOG = logging.getLogger(__name__)

_QMP_SOCKETS = {messages.INSTANCE: wire.INSTANCE_QMP_SOCKET,
                messages.DOMAIN_R: wire.DOMAIN_R_QMP_SOCKET}

#: How soon a Domain R that is to run, and does not, is told again, in seconds.
_RUN_AGAIN_S = 0.1

#: After a connection that QEMU has made the next is accepted so much later,
#: and any after one that could not be, in seconds.
_ACCEPT_PAUSE_S = 0.05
#: Control connections that wait for a worker.
_CONTROLS_MAX = 64


@dataclasses.dataclass(frozen=True)
class Options:
    """What the host service tells all of its keepers."""

    run_dir: str
    #: Group id of QEMU's user, which has to reach its folder and sockets;
    #: None: QEMU is root, or of this user.
    qemu_group: int | None = None
    debug: bool = False


class Keeper:
    """The keeper, running.

    :param run_dir: where the host service listens.
    :param resources: :class:`resources.Resources`.
    """

    def __init__(self, loop, run_dir, instance, resources):
        self._loop = loop
        self._resources = resources
        self._server = ivshmem.IvshmemServer(
            resources.memory['region'], resources.from_domain_r,
            resources.to_domain_r)
        self._generation = 0
        self._waiting_controls = []     # accepted while no worker was there
        self._last_input = None     # see messages.ToWorker.START
        self._worker = worker_process.WorkerProcess(
            loop, run_dir, instance, self._worker_started,
            self._worker_readable)
        self._vms = {vm: (False, None, False) for vm in _QMP_SOCKETS}
        self._links = {
            vm: qmp.QmpLink(
                loop, vm, os.path.join(resources.directory, name),
                lambda *state, vm=vm: self._vm_changed(vm, state),
                lambda event, at, vm=vm: self._event(vm, event, at))
            for vm, name in _QMP_SOCKETS.items()}
        self._line = line_module.Line(
            loop, resources.directory, self._links[messages.INSTANCE].look,
            self._send)
        self._adopted = False
        # The Domain R that arrived:
        self._has_come = self._is_let_run = self._has_run = False
        self._run_timer = None
        self._ended = loop.create_future()

    async def run(self):
        """Serve until SHUTDOWN or SIGTERM."""
        loop = self._loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._worker.kill)
        for name in self._resources.listeners:
            self._listen(name)
        for link in self._links.values():
            link.start()
        self._worker.start()
        try:
            await self._ended
        finally:
            for listener in self._resources.listeners.values():
                loop.remove_reader(listener)
            self._resources.remove_files()
            for link in self._links.values():
                link.close()
            self._line.make_room()
            self._worker.close()

    def _end(self):
        if not self._ended.done():
            self._ended.set_result(None)

    # -- sockets

    def _listen(self, name):
        listener = self._resources.listeners[name]
        if listener.fileno() >= 0:      # not ended meanwhile
            self._loop.add_reader(listener, self._accept, name)

    def _accept(self, name):
        handlers = {wire.CONTROL_SOCKET: self._control_accepted,
                    wire.IVSHMEM_SOCKET: self._ivshmem_accepted,
                    wire.SERIAL0_SOCKET: self._serial_accepted}
        listener = self._resources.listeners[name]
        try:
            sock, _ = listener.accept()
        except OSError as e:
            LOG.warning('Not accepted: %s', e)
            sock = None
        if sock is None or name != wire.CONTROL_SOCKET:
            # Whoever connects again and again is not served at that rate.
            self._loop.remove_reader(listener)
            self._loop.call_later(_ACCEPT_PAUSE_S, self._listen, name)
        if sock is not None:
            handlers[name](sock)

    def _control_accepted(self, sock):
        if self._worker.link is None:
            self._waiting_controls.append(sock)
            if len(self._waiting_controls) > _CONTROLS_MAX:
                self._waiting_controls.pop(0).close()
            return
        self._send({'type': messages.ToWorker.CONTROL}, [sock.fileno()])
        sock.close()

    def _serial_accepted(self, sock):
        LOG.info('The instance was started by 0.1: it has a socket')
        self._line.connect(sock)

    def _ivshmem_accepted(self, sock):
        if self._server.connection is not None:
            self._loop.remove_reader(self._server.connection)
        try:
            self._server.connected(sock)
        except errors.IvshmemError as e:
            LOG.warning('%s', e)
        else:
            self._loop.add_reader(sock, self._ivshmem_readable, sock)
        self._generation += 1
        LOG.info('Domain R connection %d', self._generation)
        self._send_domain_r()
        self._send_vm(messages.DOMAIN_R)    # it may have been known before

    def _ivshmem_readable(self, sock):
        if sock is not self._server.connection:
            return
        # Before it is closed: a closed one cannot be looked up any more.
        self._loop.remove_reader(sock)
        if self._server.readable():
            self._loop.add_reader(sock, self._ivshmem_readable, sock)
        else:
            LOG.info('Domain R connection %d ended', self._generation)
            self._send_domain_r()

    def _send_domain_r(self):
        self._send({'type': messages.ToWorker.DOMAIN_R,
                    'connected': self._server.connection is not None,
                    'generation': self._generation})

    # -- QMP

    def _vm_changed(self, vm, state):
        connected, status, arriving = state
        if vm == messages.DOMAIN_R:
            # One that is found paused has arrived: one that starts here is in
            # prelaunch until it runs.
            self._has_come = connected and (
                self._has_come or
                status == 'paused' and not self._vms[vm][0])
            state = (connected, status, arriving or self._has_come)
        if state == self._vms[vm]:
            return
        self._vms[vm] = state
        if vm == messages.INSTANCE:
            self._line.status(*state)
        elif not state[0]:
            self._is_let_run = self._has_run = False
        elif state[1] == 'running':
            self._has_run = True
        self._send_vm(vm)
        self._let_domain_r_run()

    def _send_vm(self, vm):
        connected, status, arriving = self._vms[vm]
        self._send({'type': messages.ToWorker.VM, 'vm': vm,
                    'connected': connected, 'status': status,
                    'arriving': arriving})

    def _event(self, vm, event, at):
        if vm == messages.INSTANCE:
            self._line.event(event, at)
        elif event == messages.SAVED:
            self._let_domain_r_run(again=True)
        if qmp.EVENTS.get(event, event) is None:
            # Nobody does anything about it.
            LOG.info('%s: %s', vm, event)
            return
        self._send({'type': messages.ToWorker.EVENT, 'vm': vm,
                    'event': event, 'at': at})

    def _let_domain_r_run(self, again=False):
        """Let a Domain R run that arrived, paused, once its instance runs.

        So it never runs on two hosts, nor ahead of its instance, whoever was
        migrated first. QEMU obeys at once. While it loads the state it only
        does for a Domain R that ran when it was saved (qmp_cont and
        process_incoming_migration_bh): it is told again when it has loaded it,
        and in case that is not heard, until it runs.
        """
        def replied(reply):
            if 'error' in reply:
                LOG.warning('Domain R cannot run: %s',
                            text.printable(reply['error']))
            if self._run_timer is None:
                self._run_timer = self._loop.call_later(
                    _RUN_AGAIN_S, self._look_whether_it_runs)
        connected, _, arriving = self._vms[messages.DOMAIN_R]
        is_here = (self._adopted or
                   self._vms[messages.INSTANCE][1] == 'running')
        if not (connected and arriving and is_here) or self._has_run or (
                self._is_let_run and not again):
            return
        if not self._is_let_run:
            LOG.info('Domain R may run')
        self._is_let_run = True
        self._links[messages.DOMAIN_R].execute('cont', None, replied)

    def _look_whether_it_runs(self):
        self._run_timer = None
        self._let_domain_r_run(again=True)

    def _execute(self, message):
        """Have a QEMU run a command for the worker."""
        last = None
        if message['note'] is not None:
            # At once: the worker may be gone before there is an answer.
            self._last_input = last = {
                **message['note'], 'id': message['id'], 'answer': None}

        def replied(outcome):
            # What QEMU returns may be long, and nobody needs it.
            reply = {'type': messages.ToWorker.REPLY, 'id': message['id'],
                     **({'result': None} if 'result' in outcome else outcome)}
            if last is not None:
                last['answer'] = reply
            self._send(reply)
        vm, command = message['vm'], message['command']
        if qmp.is_allowed(vm, command, message['arguments']):
            self._links[vm].execute(command, message['arguments'], replied)
        else:
            replied({'error': f'{text.printable(command)} is not allowed',
                     'failure': messages.Failure.REFUSED})

    def _open_display(self):
        answer = {'type': messages.ToWorker.DISPLAY, 'error': None}
        try:
            with unix_connect.connect(os.path.join(
                    self._resources.directory, wire.DISPLAY_SOCKET)) as sock:
                self._send(answer, [sock.fileno()])
        except OSError as e:
            self._send({**answer, 'error': str(e)})

    # -- the worker

    def _worker_started(self):
        self._send({'type': messages.ToWorker.START,
                    'version': messages.VERSION,
                    'worker_starts': self._worker.starts,
                    'keeper_pid': os.getpid(),
                    'serial': self._line.totals(),
                    'last_input': self._last_input},
                   self._resources.start_descriptors(self._line))
        self._send_domain_r()
        for vm in self._vms:
            self._send_vm(vm)
        self._line.repeat()
        waiting, self._waiting_controls = self._waiting_controls, []
        for sock in waiting:
            self._control_accepted(sock)

    def _worker_readable(self):
        try:
            message, descriptors = messages.receive(self._worker.link)
            for each in descriptors:    # it has none to give
                os.close(each)
            if message is not None:
                messages.check_to_keeper(message)
        except BlockingIOError:
            return
        except (ValueError, RecursionError) as e:
            LOG.error('The worker sent what is no message, and is ended: %s',
                      text.printable(e))
            self._worker.kill()
            return
        if message is None:
            self._worker.ended()
        elif message['type'] == messages.ToKeeper.QMP:
            self._execute(message)
        elif message['type'] == messages.ToKeeper.LEAVING:
            self._line.leaving(message['on'])
            if message['on']:
                self._adopted = False
        elif message['type'] == messages.ToKeeper.ADOPTED:
            self._adopted = True
            self._line.adopted()
            self._let_domain_r_run()
        elif message['type'] == messages.ToKeeper.OPEN_DISPLAY:
            self._open_display()
        elif message['type'] == messages.ToKeeper.SHUTDOWN:
            self._end()

    def _send(self, message, descriptors=()):
        """Tell the worker, if there is one; a new one is told everything."""
        if self._worker.link is None:
            return
        try:
            messages.send(self._worker.link, message, descriptors)
        except (OSError, ValueError) as e:
            LOG.warning('The worker does not listen: %s', e)
            # Not from here: the caller may be starting it.
            self._worker.kill()


def _make_directory(path, mode, group):
    os.makedirs(path, mode=0o700, exist_ok=True)
    if group is not None:
        os.chown(path, -1, group)
    os.chmod(path, mode)


async def _run(run_dir, instance, resources):
    loop = asyncio.get_running_loop()
    crash.install(loop)
    await Keeper(loop, run_dir, instance, resources).run()


def run(instance, options, answer):
    """The life of a keeper, in a process of its own.

    :param instance: the uuid of the pair's instance.
    :param options: :class:`Options`.
    :param answer: descriptor of the connection of whoever wants it: it is
        told the process id when the sockets listen.
    :raises SystemExit: it cannot be.
    """
    log.set_up(f'keeper {instance}', options.debug)
    directory = os.path.join(options.run_dir, instance)
    with socket.socket(fileno=answer) as sock:
        try:
            resources = _take(directory, options.qemu_group)
        except BlockingIOError:
            hostd_protocol.send(sock, {'pid': locks.holder(directory)})
            return
        except OSError as e:
            hostd_protocol.send(sock, {'error': str(e),
                                 'failure': hostd_protocol.Failure.FAILED})
            raise SystemExit(f'It cannot use {directory}: {e}') from e
        privileges.restrict()
        hostd_protocol.send(sock, {'pid': os.getpid()})
    asyncio.run(_run(options.run_dir, instance, resources))


def _take(directory, group):
    """-> :class:`resources.Resources`; the folder is this process' then.

    :raises BlockingIOError: it is another keeper's.
    :raises OSError: it cannot be used.
    """
    _make_directory(directory, 0o700 if group is None else 0o770, group)
    locks.take(directory)
    return resources_module.Resources(
        directory, 0o600 if group is None else 0o660, group)
