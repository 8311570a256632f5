# SPDX-License-Identifier: Apache-2.0
"""The keeper's part of Domain R: its QEMU's connections, and letting it run.
"""

import logging
import socket
from collections.abc import Callable

from nova_dmore.channel import errors
from nova_dmore.channel.host import ivshmem
from nova_dmore.channel import text
from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from nova_dmore.keeper import resources as resources_module
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import unix_connect

LOG = logging.getLogger(__name__)

#: How soon a Domain R that is to run, and does not, is told again, in seconds.
_RUN_AGAIN_S = 0.1


class DomainR:
    """Domain R as the keeper sees it.

    :param resources: :class:`resources.Resources`.
    :param link: its :class:`qmp.QmpLink`.
    :param tell: called with a message for the worker.
    :param replace_worker: called when the region is the other one: a worker
        has one for its life.
    :param is_instance_here: called; whether the instance runs or belongs
        here.
    """

    def __init__(self, loop: loop_module.Loop,
                 resources: resources_module.Resources, link: qmp.QmpLink,
                 tell: Callable[[messages.Message], None],
                 replace_worker: Callable[[], None],
                 is_instance_here: Callable[[], bool]) -> None:
        self._loop = loop
        self._link = link
        self._tell = tell
        self._replace_worker = replace_worker
        self._is_instance_here = is_instance_here
        self._resources = resources
        self._server = ivshmem.IvshmemServer(
            resources.regions[resources.is_large], resources.from_domain_r,
            resources.to_domain_r)
        #: Of the ivshmem connection.
        self._peer: peers.Peer | None = None
        self._generation = 0
        self._is_connected = self._is_arriving = False     # of QMP
        # One that has arrived:
        self._has_come = self._is_let_run = self._has_run = False
        self._run_timer: loop_module.Handle | None = None

    # -- its connections

    def device_connected(self, sock: socket.socket, peer: peers.Peer,
                         large: bool = False) -> None:
        """Its QEMU connects its ivshmem device.

        :param large: it has a region of wire.LARGE_REGION_SIZE.
        :raises peers.RefusedError: another QEMU lives.
        """
        connection = self._server.connection
        if connection is not None and unix_connect.has_hung_up(connection):
            self._loop.remove_reader(connection)
            self._server.disconnected()
            self._told_ended()
        if self._server.connection is not None:
            raise peers.RefusedError(
                f'{self._peer} is connected, not {peer}')
        _check_same(self._link.living_peer(), peer)
        self._server.memory = self._resources.regions[large]
        try:
            self._server.connected(sock)
        except errors.IvshmemError as e:
            raise peers.RefusedError(str(e)) from e
        self._peer = peer
        self._loop.add_reader(sock, self._device_readable, sock)
        self._generation += 1
        LOG.info('Domain R connection %d, %s, %s region', self._generation,
                 peer, 'large' if large else 'small')
        if large != self._resources.is_large:
            self._resources.is_large = large
            self._replace_worker()
        self.repeat()

    def monitor_connected(self, sock: socket.socket, peer: peers.Peer
                          ) -> None:
        """Its QEMU connects its monitor.

        :raises peers.RefusedError: another QEMU lives.
        """
        connection = self._server.connection
        if connection is not None and not unix_connect.has_hung_up(
                connection):
            _check_same(self._peer, peer)
        self._link.connected(sock, peer)

    def _device_readable(self, sock: socket.socket) -> None:
        if sock is not self._server.connection:
            return
        # First, since a socket that is closed cannot be removed any more.
        self._loop.remove_reader(sock)
        if self._server.readable():
            self._loop.add_reader(sock, self._device_readable, sock)
        else:
            self._told_ended()

    def _told_ended(self) -> None:
        LOG.info('Domain R connection %d ended', self._generation)
        self.repeat()

    def repeat(self) -> None:
        """Tell the worker whether its device is connected."""
        self._tell({'type': messages.ToWorker.DOMAIN_R,
                    'connected': self._server.connection is not None,
                    'generation': self._generation})

    # -- letting it run

    def status(self, connected: bool, status: str | None, arriving: bool
               ) -> bool:
        """Its run state, as :class:`qmp.QmpLink` tells it.

        :returns: whether it is arriving.
        """
        # One that is found paused has arrived: one that starts here is in
        # prelaunch until it runs.
        self._has_come = connected and (
            self._has_come or
            status == 'paused' and not self._is_connected)
        self._is_connected = connected
        self._is_arriving = arriving or self._has_come
        if not connected:
            self._is_let_run = self._has_run = False
        elif status == 'running':
            self._has_run = True
        return self._is_arriving

    def let_run(self, again: bool = False) -> None:
        """Let a Domain R run that arrived, paused, once its instance runs.

        So it never runs on two hosts, nor ahead of its instance, whoever was
        migrated first. QEMU obeys at once, with one exception: while it loads
        the state, ``cont`` has an effect only if Domain R ran when that was
        saved (qmp_cont and process_incoming_migration_bh in QEMU). So it is
        told again when the state is loaded, and, in case the event of that is
        not heard, until Domain R runs.
        """
        def run_again() -> None:
            self._run_timer = None
            self.let_run(again=True)

        def replied(reply: messages.Message) -> None:
            if 'error' in reply:
                LOG.warning('Domain R cannot run: %s',
                            text.printable(reply['error']))
            if self._run_timer is None:
                self._run_timer = self._loop.call_later(
                    _RUN_AGAIN_S, run_again)
        if (not (self._is_connected and self._is_arriving and
                 self._is_instance_here()) or self._has_run or
                self._is_let_run and not again):
            return
        if not self._is_let_run:
            LOG.info('Domain R may run')
        self._is_let_run = True
        self._link.execute('cont', None, replied)


def _check_same(known: peers.Peer | None, peer: peers.Peer) -> None:
    """Domain R has one QEMU: both connections are of one process."""
    if known is not None and known.pid != peer.pid:
        raise peers.RefusedError(f'{known} is connected, not {peer}')
