# SPDX-License-Identifier: Apache-2.0
"""The keeper of a pair: holds everything that must outlive a worker.

It owns the memory, the eventfds, the sockets, the serial line and the QMP
connections of one pair, and has the worker started again when it ends. It
parses nothing that comes from the region or from the instance's console. The
host service forks its process (:mod:`.life`); it ends on SIGTERM or SHUTDOWN,
and takes a new worker on SIGHUP.
"""

import functools
import logging
import math
import os
import signal
import socket
from collections.abc import Iterable

from nova_dmore.channel import text
from nova_dmore.keeper import allowed
from nova_dmore.keeper import callers
from nova_dmore.keeper import display
from nova_dmore.keeper import domain_r as domain_r_module
from nova_dmore.keeper import earlier
from nova_dmore.keeper import line as line_module
from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from nova_dmore.keeper import qmp_events
from nova_dmore.keeper import resources as resources_module
from nova_dmore.keeper import worker_process
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module

LOG = logging.getLogger(__name__)

_VMS = (messages.INSTANCE, messages.DOMAIN_R)

#: Control connections that wait for a worker.
_CONTROLS_MAX = 64

#: Messages of a worker that are taken before an event of QEMU is.
_HEARD_AT_ONCE = 64

#: Least time between two resets of the instance that are told, in seconds.
_RESETS_APART_S = 1.0


class Keeper:
    """The keeper, running.

    :param run_dir: where the host service listens.
    """

    def __init__(self, loop: loop_module.Loop, run_dir: str, instance: str,
                 resources: resources_module.Resources) -> None:
        self._loop = loop
        self._resources = resources
        self._callers = callers.Callers(run_dir)
        #: Accepted while no worker was there.
        self._waiting_controls: list[socket.socket] = []
        #: See messages.ToWorker.START.
        self._last_input: messages.Message | None = None
        self._last_break: messages.Message | None = None
        self._worker = worker_process.WorkerProcess(
            loop, run_dir, instance, self._worker_started,
            self._hear_one)
        #: Of each: connected, run state, arriving.
        self._vms: dict[str, tuple[bool, str | None, bool]] = {
            vm: (False, None, False) for vm in _VMS}
        self._links = {
            vm: qmp.QmpLink(
                loop, vm, functools.partial(self._vm_changed, vm),
                functools.partial(self._event, vm))
            for vm in _VMS}
        link = self._links[messages.INSTANCE]
        self._line = line_module.Line(
            loop, resources.places.instance, link.receive, self._send)
        self._display = display.Display(link)
        self._domain_r = domain_r_module.DomainR(
            loop, resources, self._links[messages.DOMAIN_R], self._send,
            self._worker.kill, self._is_instance_here)
        self._adopted = False
        self._reset_at = -math.inf      # when the worker was told of one
        profiles = {
            messages.INSTANCE: os.path.basename(resources.places.instance),
            messages.DOMAIN_R: os.path.basename(resources.places.domain_r)}
        self._earlier = earlier.Earlier(
            loop, resources.places.own, profiles, self._links,
            self._monitor_connected)
        which = resources_module.Listener
        of_instance = profiles[messages.INSTANCE]
        of_domain_r = profiles[messages.DOMAIN_R]
        accepted: dict[resources_module.Listener,
                       tuple[str | None, peers.Accepted]] = {
            which.CONTROL: (None, self._control_accepted),
            which.JOURNAL: (None, self._journal_accepted),
            which.INSTANCE_QMP: (of_instance, self._instance_accepted),
            which.DOMAIN_R_QMP: (
                of_domain_r, self._domain_r.monitor_connected),
            which.IVSHMEM: (of_domain_r, self._device_accepted),
            which.LARGE_IVSHMEM: (of_domain_r, self._large_device_accepted),
            which.EARLIER_IVSHMEM: (of_domain_r, self._device_accepted),
            which.EARLIER_SERIAL: (of_instance, self._serial_accepted)}
        self._acceptors = [
            peers.Acceptor(loop, resources.listeners[listener], *each)
            for listener, each in accepted.items()]
        self._has_ended = False
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._worker.kill)

    def run(self) -> None:
        """Serve until SHUTDOWN or SIGTERM."""
        for acceptor in self._acceptors:
            acceptor.start()
        self._earlier.start()
        self._line.has_worker(False)
        self._worker.start()
        try:
            while not self._has_ended:
                self._loop.turn()
        finally:
            for acceptor in self._acceptors:
                acceptor.stop()
            self._earlier.shut_out()    # or others could listen here
            self._resources.close_listeners()
            self._earlier.close()
            for link in self._links.values():
                link.close()
            self._line.make_room()
            self._worker.close()

    def _end(self) -> None:
        self._has_ended = True

    # -- sockets

    def _control_accepted(self, sock: socket.socket, peer: peers.Peer
                          ) -> None:
        self._callers.check_control(peer)
        self._to_worker(sock)

    def _to_worker(self, sock: socket.socket) -> None:
        if self._worker.link is None:
            self._waiting_controls.append(sock)
            if len(self._waiting_controls) > _CONTROLS_MAX:
                self._waiting_controls.pop(0).close()
            return
        self._send({'type': messages.ToWorker.CONTROL}, [sock.fileno()])
        sock.close()

    def _journal_accepted(self, sock: socket.socket, peer: peers.Peer
                          ) -> None:
        self._callers.check_journal(peer)
        with sock:
            sock.setblocking(False)
            self._resources.give_journal(sock)

    def _instance_accepted(self, sock: socket.socket, peer: peers.Peer
                           ) -> None:
        self._monitor_connected(messages.INSTANCE, sock, peer)
        # Its source is of this release, too, and so is its Domain R: nothing
        # comes that would need the directory.
        self._earlier.shut_out()

    def _monitor_connected(self, vm: str, sock: socket.socket,
                           peer: peers.Peer) -> None:
        if vm == messages.DOMAIN_R:
            self._domain_r.monitor_connected(sock, peer)
        else:
            self._links[vm].connected(sock, peer)

    def _serial_accepted(self, sock: socket.socket, _peer: peers.Peer
                         ) -> None:
        self._line.connect(sock)

    def _large_device_accepted(self, sock: socket.socket, peer: peers.Peer
                               ) -> None:
        self._device_accepted(sock, peer, large=True)

    def _device_accepted(self, sock: socket.socket, peer: peers.Peer,
                         large: bool = False) -> None:
        self._domain_r.device_connected(sock, peer, large)
        # Its run state may have been known before its device was there.
        self._send_vm(messages.DOMAIN_R)

    # -- QMP

    def _vm_changed(self, vm: str, connected: bool, status: str | None,
                    arriving: bool) -> None:
        if not connected:
            self._earlier.start()
        if vm == messages.DOMAIN_R:
            arriving = self._domain_r.status(connected, status, arriving)
        state = (connected, status, arriving)
        if state == self._vms[vm]:
            return
        self._vms[vm] = state
        if vm == messages.INSTANCE:
            self._line.status(*state)
        self._send_vm(vm)
        self._domain_r.let_run()

    def _is_instance_here(self) -> bool:
        return (self._adopted
                or self._vms[messages.INSTANCE][1] in messages.AWAKE)

    def _send_vm(self, vm: str) -> None:
        connected, status, arriving = self._vms[vm]
        self._send({'type': messages.ToWorker.VM, 'vm': vm,
                    'connected': connected, 'status': status,
                    'arriving': arriving})

    def _event(self, vm: str, event: str, at: float) -> None:
        if vm == messages.INSTANCE:
            self._hear_worker()
            self._line.event(event, at)
        elif event == messages.SAVED:
            self._domain_r.let_run(again=True)
        if event == messages.RESET and vm == messages.INSTANCE:
            # A guest may reset itself as often as it can.
            if at - self._reset_at < _RESETS_APART_S:
                return
            self._reset_at = at
        elif not qmp_events.is_acted_on(event):
            LOG.info('%s: %s', vm, event)
            return
        self._send({'type': messages.ToWorker.EVENT, 'vm': vm,
                    'event': event, 'at': at})

    def _execute(self, message: messages.Message) -> None:
        """Have a QEMU run a command for the worker."""
        last = None
        if message['note'] is not None:
            # At once: the worker may be gone before there is an answer.
            self._last_input = last = {
                **message['note'], 'id': message['id'], 'answer': None}

        vm, command = message['vm'], message['command']
        if command == messages.BREAK:
            self._last_break = last = {'id': message['id'], 'answer': None}

        def replied(outcome: messages.Message) -> None:
            reply = {'type': messages.ToWorker.REPLY, 'id': message['id'],
                     **({'result': allowed.told_of(command, outcome['result'])}
                        if 'result' in outcome else outcome)}
            if command == messages.BREAK and self._line.saving is not None:
                reply['late'] = self._line.saving
            if last is not None:
                last['answer'] = reply
            self._send(reply)
        if allowed.is_allowed(vm, command, message['arguments']):
            self._links[vm].execute(command, message['arguments'], replied)
        else:
            replied({'error': f'{text.printable(command)} is not allowed',
                     'failure': messages.Failure.REFUSED})

    def _open_display(self) -> None:
        link = self._worker.link

        def opened(sock: socket.socket | None, error: str | None) -> None:
            # The next worker has not asked for it.
            if self._worker.link is link:
                self._send({'type': messages.ToWorker.DISPLAY,
                            'error': error},
                           [] if sock is None else [sock.fileno()])
        if not self._earlier.is_here(messages.INSTANCE):
            self._display.open(opened)
            return
        try:
            with self._earlier.connect_display() as sock:
                opened(sock, None)
        except OSError as e:
            opened(None, str(e))

    # -- the worker

    def _worker_started(self) -> None:
        start = {'type': messages.ToWorker.START,
                 'version': messages.VERSION,
                 'worker_starts': self._worker.starts,
                 'keeper_pid': os.getpid(),
                 'serial': self._line.totals(),
                 'last_input': self._last_input}
        if self._last_break is not None:
            start['last_break'] = self._last_break
        self._send(start, self._resources.start_descriptors(self._line))
        self._line.has_worker(True)
        self._domain_r.repeat()
        for vm in self._vms:
            self._send_vm(vm)
        self._line.repeat()
        waiting, self._waiting_controls = self._waiting_controls, []
        for sock in waiting:
            self._to_worker(sock)

    def _hear_worker(self) -> None:
        """Take what it has said until now. A keeper that had no processor for
        a while finds both: that the instance is to leave, and that it stopped,
        which came later."""
        for _each in range(_HEARD_AT_ONCE):
            if self._worker.link is None or not self._hear_one():
                break

    def _hear_one(self) -> bool:
        """Take one message; whether there was one."""
        assert self._worker.link is not None    # it is what can be read
        try:
            message, descriptors = messages.receive(self._worker.link)
            for each in descriptors:    # it has none to give
                os.close(each)
            if message is not None:
                messages.check_to_keeper(message)
        except BlockingIOError:
            return False
        except (ValueError, RecursionError) as e:
            LOG.error('The worker sent what is no message, and is ended: %s',
                      text.printable(e))
            self._worker.kill()
            return False
        if message is None:
            self._line.has_worker(False)
            self._worker.ended()
            return False
        self._obey(message)
        return True

    def _obey(self, message: messages.Message) -> None:
        if message['type'] == messages.ToKeeper.QMP:
            self._execute(message)
        elif message['type'] == messages.ToKeeper.LEAVING:
            self._line.leaving(message['on'])
            if message['on']:
                self._adopted = False
        elif message['type'] == messages.ToKeeper.HEARD:
            self._line.heard(message['written'])
        elif message['type'] == messages.ToKeeper.ADOPTED:
            self._adopted = True
            self._line.adopted()
            self._earlier.shut_out()
            self._domain_r.let_run()
        elif message['type'] == messages.ToKeeper.OPEN_DISPLAY:
            self._open_display()
        elif message['type'] == messages.ToKeeper.SHUTDOWN:
            self._end()

    def _send(self, message: messages.Message,
              descriptors: Iterable[int] = ()) -> None:
        """Tell the worker, if there is one; a new one is told everything."""
        if self._worker.link is None:
            return
        try:
            messages.send(self._worker.link, message, descriptors)
        except (OSError, ValueError) as e:
            LOG.warning('The worker does not listen: %s', e)
            # The next one is not started from here: the caller may be just
            # starting this one.
            self._worker.kill()
