# SPDX-License-Identifier: Apache-2.0
"""The shadow-device processes of a host, as nova-compute starts them."""

import errno
import os
import threading

from nova_dmore.client import spawn
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.posix import fifos
from nova_dmore.posix import groups
from nova_dmore.virt.pair import sink
from nova_dmore import wire

#: Linux' table of the sockets of this network namespace (net/unix/af_unix.c).
_UNIX_SOCKETS = '/proc/net/unix'
_ACCEPTS = 1 << 16      # __SO_ACCEPTCON, include/linux/net.h


class ShadowProcesses:
    """Starts them, and makes their directories.

    :param options: the ``[dmore]`` options.
    :param records: a :class:`nova_dmore.virt.pair.record.Records`.
    """

    def __init__(self, options, records):
        self._options = options
        self._records = records
        self._lock = threading.Lock()
        self._sinks: dict[str, sink.Sink] = {}

    def start(self, instance_uuid: str, arrives: bool = False) -> None:
        """Start that of a pair, if it does not live.

        :param arrives: whether the pair comes from another host, perhaps one
            of an earlier release.
        :raises nova_dmore.exception.DMoreError: it did not start.
        """
        log_dir = self._options.log_dir
        try:
            os.makedirs(log_dir, mode=0o755, exist_ok=True)
        except OSError as error:
            raise exception.ConfigurationError(
                f'[dmore] log_dir: {log_dir} cannot be made: '
                f'{error.strerror}') from error
        spawn.start_keeper(
            self._records.directory(instance_uuid),
            os.path.join(log_dir, f'shadow-{instance_uuid}.log'),
            options=self._keeper_options(arrives))
        # QEMU connects to the new one within a second.
        self.close_sink(instance_uuid)

    def make_directory(self, instance_uuid: str, arrives: bool = True
                       ) -> None:
        """Have the directories for an instance that has no such process.

        Called when it arrives, or is resumed, without its pair: its QEMU
        does not start without the FIFOs. What it prints is dropped until a
        process is started.

        :param arrives: or is resumed: it may be of an earlier release.
        :raises nova_dmore.exception.ConfigurationError: it cannot be made.
        """
        options = self._keeper_options(arrives)
        directory = self._records.directory(instance_uuid)
        where = places.of_pair(directory)
        try:
            group = groups.group_id(options.group)
            os.makedirs(directory, exist_ok=True)
            if group is not None:
                os.chown(directory, -1, group)
            os.chmod(directory, options.directory_mode)
            fifos.make_domain_directory(where.instance, group)
            fifos.share(where.instance, directory)
            fifos.make(where.instance, options.socket_mode, group)
            fifos.share(where.instance, directory)
            self._open_sink(where, instance_uuid)
        except (OSError, LookupError) as error:
            raise exception.ConfigurationError(
                f'[dmore] run_dir: {directory} cannot be made: {error}'
            ) from error

    def _open_sink(self, where: places.Places, instance_uuid: str) -> None:
        """Take what an instance's serial port says, unless somebody does."""
        path = os.path.join(where.own, wire.SERIAL0_SOCKET)
        with self._lock:
            try:
                opened = sink.Sink(where)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                if _is_served(path):
                    return
                os.unlink(path)     # of a process that is no more
                opened = sink.Sink(where)
            opened.start()
            self._sinks[instance_uuid] = opened

    def close_sink(self, instance_uuid: str) -> None:
        """Drop nothing any more that an instance prints."""
        with self._lock:
            opened = self._sinks.pop(instance_uuid, None)
        if opened is not None:
            opened.close()

    def _keeper_options(self, arrives: bool) -> spawn.KeeperOptions:
        """How a keeper makes its files.

        The QEMUs of release 0.2 make their sockets in the keeper's own
        directory. They may do so where they arrive; what others have made
        there they cannot remove.
        """
        group = self._options.qemu_group
        if group is None:
            return spawn.KeeperOptions()
        return spawn.KeeperOptions(
            directory_mode=0o1770 if arrives else 0o700, socket_mode=0o660,
            group=group)


def _is_served(path: str) -> bool:
    """Whether somebody listens at a socket, who shall not be bothered."""
    with open(_UNIX_SOCKETS) as sockets:
        for line in sockets:
            # Num RefCount Protocol Flags Type St Inode Path
            fields = line.rstrip('\n').split(' ', 7)
            if fields[7:] == [path] and int(fields[3], 16) & _ACCEPTS:
                return True
    return False
