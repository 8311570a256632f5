# SPDX-License-Identifier: Apache-2.0
"""How the host's end opens an epoch: from raising it to Domain R's
acknowledgement."""

import secrets
from collections.abc import Callable

from nova_dmore.channel import changes as changes_module
from nova_dmore.channel.host import found as found_module
from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel.host import streams as host_streams
from nova_dmore.channel import region as region_module
from nova_dmore import wire

#: Epochs grow by up to this much, at random, so that they are unique.
_EPOCH_STEP = 1 << 20


class Opening:
    """Writes the host page of a region; a part of the host's end.

    :param flags: what it is to ask for in the page's flags

    :ivar incarnation: the start of Domain R that has acknowledged last
    """

    def __init__(self, region: region_module.Region,
                 ring_doorbell: Callable[[wire.Vector], None],
                 journal: journal_module.Journal,
                 geometry: region_module.Geometry,
                 producers: dict[wire.Stream, host_streams.HostProducer],
                 consumers: dict[wire.Stream, host_streams.HostConsumer],
                 flags: int) -> None:
        self._region = region
        self._words = region.words
        self._doorbell = ring_doorbell
        self._journal = journal
        self._geometry = geometry
        self._out, self._in = producers, consumers
        self._flags = flags
        self._resume_from = wire.ResumeFrom.DOMAIN_R
        self.incarnation = self._raised_for = 0
        self._found: found_module.Found | None = None

    def set_flags(self, flags: int) -> None:
        """Ask for something in the flags, in this epoch and in later ones."""
        self._flags = flags
        self._words[region_module.HOST_FLAGS] = flags
        self._doorbell(wire.Vector.CONTROL)

    def raise_epoch(self, floor: int) -> None:
        """Ask Domain R to acknowledge a new epoch.

        :param floor: the new one is higher
        """
        journal = self._journal
        acknowledged = self._words[region_module.EPOCH_ACK]
        if acknowledged < wire.JUMP_MAX:
            floor = max(floor, acknowledged)
        epoch = floor + 1 + secrets.randbelow(_EPOCH_STEP)
        if (not journal.found or not
                journal.first_epoch <= acknowledged <= journal.epoch):
            # This host has not raised it since it found Domain R: so Domain R
            # is another one, or has arrived from another host.
            self._found = found_module.inspect(
                self._words, journal, self._out, self._in)
            journal.set_found(self._found.state, epoch)
        journal.epoch = epoch
        self._resume_from = (
            wire.ResumeFrom.HOST if journal.anchored
            else wire.ResumeFrom.DOMAIN_R)
        self._raised_for = self._words[region_module.INCARNATION]
        self._write()

    def _write(self) -> None:
        region_module.format_region(self._region, self._geometry)
        for producer in self._out.values():
            producer.write_opening()
        for consumer in self._in.values():
            consumer.write_opening(
                self._journal.incarnation not in (0, self._raised_for))
        self._words[region_module.HOST_FLAGS] = self._flags
        self._words[region_module.HOST_RESUME_FROM] = self._resume_from
        self._words[region_module.HOST_EXPECTED] = self._journal.incarnation
        self._words[region_module.HOST_EPOCH] = self._journal.epoch
        self._doorbell(wire.Vector.CONTROL)

    def poll(self) -> list[changes_module.Gap] | None:
        """Poll until Domain R has acknowledged the epoch.

        :returns: what is missing, once it has; None: it has not yet
        :raises RingError: Domain R did what cannot be
        """
        epoch = self._journal.epoch
        acknowledged = self._words[region_module.EPOCH_ACK]
        if acknowledged == epoch:
            if (self._words[region_module.ACK_BY] == self._raised_for
                    == self._words[region_module.INCARNATION]):
                return self._acknowledged()
            # Domain R started anew since the epoch was raised.
            self.raise_epoch(epoch)
        elif epoch < acknowledged < wire.JUMP_MAX:
            # Domain R arrived after the epoch was raised.
            self.raise_epoch(acknowledged)
        elif self._words[region_module.HOST_EPOCH] != epoch:
            # Its arrival has overwritten the host page.
            self._write()
        return None

    def _acknowledged(self) -> list[changes_module.Gap] | None:
        journal = self._journal
        adopt = not journal.anchored
        if not adopt and any(
                journal.base(stream) != producer.opening_base
                for stream, producer in self._out.items()):
            # Bytes were forgotten since Domain R was told of them.
            self.raise_epoch(journal.epoch)
            return None
        gaps: list[changes_module.Gap] = []
        forgotten = {stream: journal.base(stream) for stream in self._out}
        with journal.transaction():
            for producer in self._out.values():
                gaps += producer.begin(journal.epoch, adopt)
            for consumer in self._in.values():
                gaps += consumer.begin(adopt)
            if adopt:
                gaps += found_module.gaps(
                    found_module.FoundState(journal.found), self._found,
                    forgotten,
                    {stream: journal.position(stream)
                     for stream in self._in},
                    {stream: journal.base(stream) for stream in self._out})
            journal.anchored = True
            journal.incarnation = self._words[region_module.INCARNATION]
        self.incarnation = journal.incarnation
        return gaps
