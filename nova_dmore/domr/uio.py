# SPDX-License-Identifier: Apache-2.0
"""The ivshmem device as user space sees it through ``uio_ivshmem``."""

import mmap
import os
import pathlib

from nova_dmore import wire

DEVICE = pathlib.Path('/dev/uio0')
CLASS = pathlib.Path('/sys/class/uio/uio0')

# Byte offset of the doorbell register: (peer << 16) | vector is written.
_DOORBELL = 12


class UioDevice:
    """Region, doorbell and interrupts of the ivshmem device.

    :ivar region: the shared memory
    """

    def __init__(self) -> None:
        """Open and map the device.

        :raises OSError: there is none
        """
        self._file = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        registers = self._map(0)
        # One 32-bit access each: the device ignores any other size.
        self._registers = memoryview(registers).cast('I')
        self.region = self._map(1)

    def _map(self, index: int) -> mmap.mmap:
        size = int((CLASS / f'maps/map{index}/size').read_text(), 16)
        return mmap.mmap(self._file, size, mmap.MAP_SHARED,
                         mmap.PROT_READ | mmap.PROT_WRITE,
                         offset=index * mmap.PAGESIZE)

    def fileno(self) -> int:
        """Becomes readable when the host rings."""
        return self._file

    def acknowledge(self) -> None:
        """Make ``fileno`` unreadable until the host rings again."""
        try:
            os.read(self._file, 4)
        except BlockingIOError:
            pass    # woken for nothing: harmless

    def ring(self, vector: wire.Vector) -> None:
        """Interrupt the host."""
        self._registers[_DOORBELL >> 2] = (wire.HOST_PEER << 16) | vector
