# SPDX-License-Identifier: Apache-2.0
"""Which pairs the host had when it went down.

What a QEMU opens of its pair lies in ``run_dir``, which is empty after a boot.
Whoever starts an instance without Nova then (libvirt-guests, ``virsh start``)
starts a QEMU that finds no serial port, and ends. So the FIFOs of each pair
are made again before that; all else is made when nova-compute finds that the
instance runs.
"""

import logging
import os
import pathlib

from nova_dmore.channel import text
from nova_dmore.hostd import folders
from nova_dmore import places
from nova_dmore.posix import fifos

LOG = logging.getLogger(__name__)


class Remembered:
    """An empty file for each pair, in a directory that outlives a boot.

    :param state_dir: ``[hostd] state_dir``; None: nothing is remembered.
    """

    def __init__(self, state_dir: str | None) -> None:
        self._state_dir = pathlib.Path(state_dir) if state_dir else None

    def add(self, instance: str) -> None:
        """It has a keeper. Called at each start of one."""
        if self._state_dir is None:
            return
        try:
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self._state_dir / instance).touch(mode=0o600)
        except OSError as e:
            # The pair is as good without.
            LOG.warning('After a boot of the host only Nova can start '
                        'instance %s: [hostd] state_dir: %s', instance,
                        text.printable(e))

    def forget(self, instance: str) -> None:
        """Its instance is not here any more, or does not run."""
        if self._state_dir is None:
            return
        try:
            (self._state_dir / instance).unlink(missing_ok=True)
        except OSError as e:
            LOG.warning('Instance %s is gone, and remembered all the same: '
                        '[hostd] state_dir: %s', instance, text.printable(e))

    def instances(self) -> list[str]:
        """-> the uuids of the pairs, sorted; none where nobody can tell."""
        if self._state_dir is None:
            return []
        try:
            return sorted(filter(folders.is_uuid, os.listdir(
                self._state_dir)))
        except FileNotFoundError:
            return []
        except OSError as e:
            # Nobody gets a console from a service that has not started.
            LOG.warning('Not known which pairs there were: %s',
                        text.printable(e))
            return []


def make_fifos(instance: str, run_dir: str, qemu_group: int | None) -> bool:
    """Have what the QEMU of an instance does not start without.

    :returns: whether it was not there: the host was booted since, or the
        service ended while it made it.
    :raises OSError: it cannot be made.
    """
    directory = places.of_pair(os.path.join(run_dir, instance)).instance
    if fifos.are_there(directory):
        return False
    fifos.make_domain_directory(directory, qemu_group)
    fifos.make(directory, fifos.mode_for(qemu_group), qemu_group)
    return True
