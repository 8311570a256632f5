# SPDX-License-Identifier: Apache-2.0
"""Domain R's end of the channel."""

import enum
import secrets
from collections.abc import Callable

from nova_dmore.channel import changes as changes_module
from nova_dmore.channel.domr import streams as domr_streams
from nova_dmore.channel import errors
from nova_dmore.channel import region as region_module
from nova_dmore.channel import ring as ring_module
from nova_dmore import wire

#: Bytes kept per stream to the host until they are taken.
SEND_LIMIT = 1 << 16


class DomainRState(enum.Enum):
    """Where Domain R's end is; all of them -> OPEN by a higher epoch."""

    WAITING = 'waiting'     # for a first or higher epoch; no ring is touched
    OPEN = 'open'           # bytes flow
    FROZEN = 'frozen'       # no ring is touched until a higher epoch


class DomainREnd:
    """Owns the Domain R page of a region.

    What it holds in memory travels with Domain R. All methods are to be
    called from one thread.

    :ivar state: see DomainRState
    :ivar epoch: the last epoch that was joined, or may have been joined by
        an earlier start of Domain R
    """

    def __init__(self, region: region_module.Region,
                 ring_doorbell: Callable[[wire.Vector], None],
                 send_limit: int = SEND_LIMIT) -> None:
        """Start anew on a region, whatever an earlier start left in it.

        :param ring_doorbell: wakes the host; it must not block or raise
        :param send_limit: bytes kept per stream to the host
        """
        self._region = region
        self._words = words = region.words
        self._doorbell = ring_doorbell
        self.state = DomainRState.WAITING
        self._in: dict[wire.Stream, domr_streams.DomainRConsumer] = {}
        self._out: dict[wire.Stream, domr_streams.DomainRProducer] = {}
        for stream, (direction, _) in wire.GEOMETRY.items():
            if direction is wire.Direction.TO_DOMAIN_R:
                self._in[stream] = domr_streams.DomainRConsumer(
                    region, stream)
            else:
                self._out[stream] = domr_streams.DomainRProducer(
                    region, stream, send_limit)
        self._fresh = True
        seen = words[region_module.EPOCH_ACK]
        self.epoch = seen if seen < wire.JUMP_MAX else 0
        words[region_module.DOMAIN_R_LAYOUT_VERSION] = wire.LAYOUT_VERSION
        words[region_module.DOMAIN_R_MAGIC] = wire.MAGIC
        self._incarnation = secrets.randbelow((1 << 62) - 1) + 1
        words[region_module.VIEWERS] = words[region_module.DAMAGE_SEEN] = 0
        words[region_module.SIZE_WANTED] = 0
        words[region_module.PICTURE_MAX] = (
            region.framebuffer_size | (self._incarnation & 0xffffffff) << 32)
        words[region_module.INCARNATION] = self._incarnation
        self._doorbell(wire.Vector.CONTROL)

    @property
    def hold_wanted(self) -> bool:
        """Whether the host asks for many dirty pages.

        Also true in FROZEN: the pages must stay dirty up to the stop.
        """
        words = self._words
        return (words[region_module.HOST_EPOCH] == self.epoch
                and bool(words[region_module.HOST_FLAGS] & wire.FLAG_HOLD))

    @property
    def freeze_wanted(self) -> bool:
        """Whether the host waits for a freeze, which ``poll`` does."""
        freeze = self._words[region_module.HOST_FREEZE]
        return (self.state is DomainRState.OPEN
                and freeze & ~wire.OPEN_ENDED == self.epoch)

    def poll(self) -> changes_module.Changes:
        """Poll everything: on each interrupt, and every POLL_INTERVAL_S."""
        changes = changes_module.Changes()
        words = self._words
        epoch = words[region_module.HOST_EPOCH]
        if epoch != self.epoch or self._fresh:
            # A lower epoch is in an old copy of the host page.
            if self.epoch < epoch < wire.EPOCH_MAX:
                self._join(epoch, changes)
            return changes
        if self.state is not DomainRState.OPEN:
            return changes
        # Read before the positions: it was written after them.
        freeze = words[region_module.HOST_FREEZE]
        try:
            for producer in self._out.values():
                if producer.poll():
                    changes.writable.add(producer.stream)
            if freeze & ~wire.OPEN_ENDED == epoch:
                self._freeze(freeze, changes)
            else:
                self._flow(changes)
        except errors.RingError as error:
            changes.broken = self._give_up(error)
        return changes

    def _flow(self, changes: changes_module.Changes) -> None:
        for stream, consumer in self._in.items():
            if consumer.available():
                changes.readable.add(stream)
        for stream, producer in self._out.items():
            if producer.publish():
                self._doorbell(ring_module.VECTOR_OF[stream])

    def _freeze(self, asked: int, changes: changes_module.Changes) -> None:
        for stream, consumer in self._in.items():
            if consumer.freeze():
                changes.readable.add(stream)
        self._words[region_module.FREEZE_ACK] = asked
        self.state = DomainRState.FROZEN
        changes.frozen = True
        self._doorbell(wire.Vector.CONTROL)

    def _give_up(self, error: errors.RingError) -> str:
        # Either Domain R was moved and a new epoch comes anyway, or the
        # region was damaged and the host has to be told.
        self.state = DomainRState.WAITING
        self._words[region_module.GAVE_UP] = self.epoch
        self._doorbell(wire.Vector.CONTROL)
        return str(error)

    def _join(self, epoch: int, changes: changes_module.Changes) -> None:
        words = self._words
        try:
            layout = region_module.read_layout(self._region)
            resume_from = wire.ResumeFrom(
                words[region_module.HOST_RESUME_FROM])
        except (errors.RegionError, ValueError) as error:
            # Tried again at the next poll: the host may still be writing.
            changes.broken = str(error)
            return
        data = self._region.data
        fresh = self._fresh or words[region_module.HOST_EXPECTED] not in (
            0, self._incarnation)
        for stream, consumer in self._in.items():
            missing = consumer.begin(
                ring_module.RingBuffer(data, layout[stream]), epoch,
                resume_from, fresh)
            if missing:
                changes.gaps.append(changes_module.Gap(
                    stream, consumer.stored - missing, missing,
                    wire.GapKind.EXACT, 'the host has these bytes no more'))
        for stream, producer in self._out.items():
            producer.begin(ring_module.RingBuffer(data, layout[stream]),
                           resume_from, fresh)
        self.epoch = epoch
        self._fresh = False
        self.state = DomainRState.OPEN
        changes.opened = True
        words[region_module.ACK_BY] = self._incarnation
        words[region_module.EPOCH_ACK] = epoch
        self._doorbell(wire.Vector.CONTROL)

    def received(self, stream: wire.Stream) -> bytes:
        """The new bytes of a stream; the caller keeps them.

        They count as stored from now on. A paused stream yields only what
        a freeze has copied: call this after a poll that froze, so that the
        bytes are not taken for those after a gap of the next epoch.
        """
        consumer = self._in[stream]
        data = consumer.hand_out() if consumer.pending else b''
        if (self.state is DomainRState.OPEN and not consumer.paused
                and self._words[region_module.HOST_EPOCH] == self.epoch):
            try:
                data += consumer.copy()
            except errors.StaleError as error:
                self._give_up(error)
            else:
                if consumer.host_waits():
                    self._doorbell(ring_module.VECTOR_OF[stream])
        return data

    def position(self, stream: wire.Stream) -> int:
        """The offset after the last byte handed out, or sent, of a stream."""
        if stream in self._in:
            consumer = self._in[stream]
            return consumer.stored - len(consumer.pending)
        return self._out[stream].end

    def pause(self, stream: wire.Stream) -> None:
        """Take no more of a stream, so that the host waits."""
        self._in[stream].paused = True

    def resume(self, stream: wire.Stream) -> None:
        """Take a paused stream's bytes again; ``poll`` tells of them."""
        self._in[stream].paused = False

    def sendable(self, stream: wire.Stream) -> int:
        """How many bytes ``send`` takes; grows as the host takes them."""
        return self._out[stream].sendable

    def send(self, stream: wire.Stream, data: bytes) -> None:
        """Keep bytes until the host has taken them; publish them if OPEN.

        :raises NoRoomError: they are more than ``sendable``
        """
        producer = self._out[stream]
        producer.keep(data)
        if (self.state is DomainRState.OPEN
                and self._words[region_module.HOST_EPOCH] == self.epoch
                and producer.publish()):
            self._doorbell(ring_module.VECTOR_OF[stream])
