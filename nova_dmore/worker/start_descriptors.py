# SPDX-License-Identifier: Apache-2.0
"""The descriptors that come with the keeper's START message, taken over."""

import mmap
import os

from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel import region as region_module
from nova_dmore.link import messages
from nova_dmore.link import notes as notes_module
from nova_dmore import wire
from nova_dmore.worker.devices import base


class Given:
    """What they are for.

    :param start: the START message.
    :param descriptors: what came with it; those of memory are closed.
    :ivar from_domain_r: an eventfd for each vector that Domain R rings.
    :ivar to_domain_r: an eventfd for each vector to ring it with.
    """

    def __init__(self, start: messages.Message, descriptors: list[int]
                 ) -> None:
        count = len(messages.START_DESCRIPTORS)
        given = dict(zip(messages.START_DESCRIPTORS, descriptors[:count]))
        vectors = len(wire.Vector)
        self.from_domain_r = descriptors[count:count + vectors]
        self.to_domain_r = descriptors[count + vectors:]
        self.notes = notes_module.Notes(
            _map(given['notes'], notes_module.NOTES_SIZE))
        self.journal = journal_module.Journal(
            _map(given['journal'], journal_module.journal_size()))
        # Of one of two sizes: see wire.REGION_SIZE. A file's size is where it
        # ends; fstat(2) would be forbidden here.
        self.region = region_module.Region(_map(
            given['region'], os.lseek(given['region'], 0, os.SEEK_END)))
        self.serial = base.SerialPipes(
            given['serial_in'], given['serial_out'],
            given['serial_unread'], **start['serial'])


def _map(descriptor: int, size: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
