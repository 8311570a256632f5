# SPDX-License-Identifier: Apache-2.0
"""What a keeper owns for its pair: memory, eventfds and listening sockets."""

import enum
import fcntl
import os
import socket

from nova_dmore.channel.host import ivshmem
from nova_dmore.channel.host import journal
from nova_dmore.keeper import line as line_module
from nova_dmore.link import notes
from nova_dmore import places
from nova_dmore.posix import fifos
from nova_dmore.posix import unix_listen
from nova_dmore import wire

#: So many connections wait at each socket until they are accepted.
_BACKLOG = 16
#: Of what a worker is given, but the region.
_SIZES = {'journal': journal.journal_size(), 'notes': notes.NOTES_SIZE}


class Listener(enum.Enum):
    """The sockets that the keeper listens at."""

    CONTROL = 'control'
    JOURNAL = 'journal'
    INSTANCE_QMP = 'instance qmp'
    DOMAIN_R_QMP = 'domain r qmp'
    IVSHMEM = 'ivshmem'
    LARGE_IVSHMEM = 'large ivshmem'
    #: Of domains that an earlier release started.
    EARLIER_IVSHMEM = 'earlier ivshmem'
    EARLIER_SERIAL = 'earlier serial'


class Resources:
    """What is made before anybody is told of the keeper.

    There is a region of each size, for only here they can be made. They take
    no memory before they are written to.

    :param large: which of them is the first one's.
    :raises OSError: a file cannot be made.
    """

    def __init__(self, directory: str, socket_mode: int, group: int | None,
                 large: bool) -> None:
        self.places = where = places.of_pair(directory)
        for each in (where.instance, where.domain_r):
            fifos.make_domain_directory(each, group)
        # Before new FIFOs are made: the instance may have some of release 0.2.
        fifos.share(where.instance, directory)
        fifos.make(where.instance, socket_mode, group)
        fifos.share(where.instance, directory)
        #: By whether it is the large one.
        self.regions = {False: _memory('region', wire.REGION_SIZE),
                        True: _memory('large-region',
                                      wire.LARGE_REGION_SIZE)}
        #: The one that is used, and that the next worker is given.
        self.is_large = large
        self._memory = {name: _memory(name, size)
                        for name, size in _SIZES.items()}
        self.from_domain_r = ivshmem.make_eventfds()
        self.to_domain_r = ivshmem.make_eventfds()
        paths = {
            Listener.CONTROL: os.path.join(directory, wire.CONTROL_SOCKET),
            Listener.JOURNAL: os.path.join(directory, wire.JOURNAL_SOCKET),
            Listener.INSTANCE_QMP: os.path.join(
                where.instance, wire.QMP_SOCKET),
            Listener.DOMAIN_R_QMP: os.path.join(
                where.domain_r, wire.QMP_SOCKET),
            Listener.IVSHMEM: os.path.join(
                where.domain_r, wire.IVSHMEM_SOCKET),
            Listener.LARGE_IVSHMEM: os.path.join(
                where.domain_r, wire.LARGE_IVSHMEM_SOCKET),
            Listener.EARLIER_IVSHMEM: os.path.join(
                directory, wire.IVSHMEM_SOCKET),
            Listener.EARLIER_SERIAL: os.path.join(
                directory, wire.SERIAL0_SOCKET)}
        self.listeners = {
            which: unix_listen.listen(path, 0o600, _BACKLOG)
            if which in (Listener.CONTROL, Listener.JOURNAL)
            else unix_listen.listen(path, socket_mode, _BACKLOG, group)
            for which, path in paths.items()}

    def start_descriptors(self, line: line_module.Line) -> list[int]:
        """What goes with START."""
        return [self.regions[self.is_large], *self._memory.values(),
                *line.descriptors, *self.from_domain_r, *self.to_domain_r]

    def give_journal(self, sock: socket.socket) -> None:
        """Let the recorder read the journal.

        :raises OSError: it does not want it any more.
        """
        socket.send_fds(sock, [b'journal'], [self._memory['journal']])

    def close_listeners(self) -> None:
        """Have nobody else come; all files stay."""
        for each in self.listeners.values():
            each.close()


def _memory(name: str, size: int) -> int:
    """-> a memfd whose size nobody can change: QEMU holds one, too."""
    descriptor = os.memfd_create(
        f'nova-dmore-{name}', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK |
                fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor
