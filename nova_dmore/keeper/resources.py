# SPDX-License-Identifier: Apache-2.0
"""What a keeper owns for its pair: memory, eventfds and listening sockets."""

import fcntl
import os
import socket

from nova_dmore.channel.host import ivshmem
from nova_dmore.channel.host import journal
from nova_dmore.link import notes
from nova_dmore.posix import fifos
from nova_dmore import wire

_SIZES = {'region': wire.REGION_SIZE, 'journal': journal.journal_size(),
          'notes': notes.NOTES_SIZE}

_SOCKETS = (wire.CONTROL_SOCKET, wire.IVSHMEM_SOCKET, wire.SERIAL0_SOCKET)


class Resources:
    """What is made before anybody is told of the keeper.

    :raises OSError: a file cannot be made.
    """

    def __init__(self, directory, socket_mode, group):
        self.directory = directory
        fifos.make(directory, socket_mode, group)
        self.memory = {name: _memory(name, size)
                       for name, size in _SIZES.items()}
        self.from_domain_r = ivshmem.make_eventfds()
        self.to_domain_r = ivshmem.make_eventfds()
        self.listeners = {name: self._listen(name, socket_mode, group)
                          for name in _SOCKETS}

    def start_descriptors(self, line):
        """What goes with START.

        :param line: :class:`nova_dmore.keeper.line.Line`.
        """
        return [*self.memory.values(), *line.descriptors,
                *self.from_domain_r, *self.to_domain_r]

    def remove_files(self):
        """Remove the sockets; the lock goes with the process, and the FIFOs
        stay: the instance may live on."""
        for name, listener in self.listeners.items():
            listener.close()
            _unlink(os.path.join(self.directory, name))

    def _listen(self, name, mode, group):
        path = os.path.join(self.directory, name)
        _unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        if name != wire.CONTROL_SOCKET:
            if group is not None:
                os.chown(path, -1, group)
            os.chmod(path, mode)
        listener.listen(16)
        listener.setblocking(False)
        return listener


def _memory(name, size):
    """-> a memfd whose size nobody can change: QEMU holds one, too."""
    descriptor = os.memfd_create(
        f'nova-dmore-{name}', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK |
                fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


def _unlink(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
