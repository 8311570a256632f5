# SPDX-License-Identifier: Apache-2.0
"""The host's end of the channel; the worker of the shadow devices uses it."""

import enum
import os
from collections.abc import Callable

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import changes as changes_module
from nova_dmore.channel import errors
from nova_dmore.channel.host import found as found_module
from nova_dmore.channel.host import handover
from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel.host import opening
from nova_dmore.channel.host import streams as host_streams
from nova_dmore.channel import region as region_module
from nova_dmore.channel import ring as ring_module
from nova_dmore import wire


class HostState(enum.Enum):
    """Where the host end is.

    CLOSED -> OPENING -> OPEN -> FREEZING -> FROZEN, each of them (again)
    -> OPENING by ``open``, each but OPEN -> FROZEN by ``freeze``; OPENING,
    OPEN and FREEZING -> BROKEN.
    """

    CLOSED = 'closed'       # nothing was opened by this process
    OPENING = 'opening'     # the epoch is raised, Domain R has not answered
    OPEN = 'open'           # bytes flow
    FREEZING = 'freezing'   # Domain R was asked to take the rest
    FROZEN = 'frozen'       # it did, or could not be asked
    BROKEN = 'broken'       # Domain R did what cannot be, or started anew


class HostEnd:
    """Owns the host page of a region and the journal.

    All methods are to be called from one thread.
    """

    def __init__(self, region: region_module.Region,
                 ring_doorbell: Callable[[wire.Vector], None],
                 journal: journal_module.Journal,
                 geometry: region_module.Geometry = wire.GEOMETRY) -> None:
        """Take over a region and a journal, new or left by another worker.

        :param ring_doorbell: wakes Domain R; it must not block or raise
        :raises RegionError: the rings do not fit into the region
        """
        self._region = region
        self._words = region.words
        self._doorbell = ring_doorbell
        self._journal = journal
        self._geometry = geometry
        # The worker before this one may have asked Domain R to hold. That
        # still stands if the host page is the one that it wrote.
        is_own_page = (
            0 != journal.epoch == self._words[region_module.HOST_EPOCH])
        flags = (self._words[region_module.HOST_FLAGS] & wire.FLAG_HOLD
                 if is_own_page else 0)
        region_module.format_region(region, geometry)
        self._out, self._in = host_streams.make(region, geometry, journal)
        self._opening = opening.Opening(
            region, ring_doorbell, journal, geometry, self._out, self._in,
            flags)
        self.state = HostState.CLOSED
        self.acknowledged = False

    # -- state --------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The last epoch that this host has raised; 0 before the first."""
        return self._journal.epoch

    @property
    def domain_r_complete(self) -> bool:
        """Whether Domain R's own offsets are exact.

        True when Domain R's page says that it acknowledged the freeze of its
        last epoch, and nothing was left that had found no room; and the
        host page, as it arrived, shows no epoch that it has missed. A
        destination may then open without waiting for the carry-over. Only
        to be asked once Domain R has arrived.
        """
        found = found_module.inspect(
            self._words, self._journal, self._out, self._in)
        return found.state is found_module.FoundState.COMPLETE

    def positions(self) -> dict[wire.Stream, tuple[int, int]]:
        """Per stream position and base, for STATUS.

        The base of a stream that the host consumes is what it has taken.
        """
        journal = self._journal
        return {stream: (journal.position(stream),
                         journal.base(stream) if stream in self._out
                         else journal.position(stream))
                for stream in self._geometry}

    @property
    def incarnation(self) -> int:
        """Which start of Domain R acknowledged last; 0 before the first."""
        return self._journal.incarnation

    @property
    def is_renewed(self) -> bool:
        """Whether Domain R has started anew since it acknowledged last, and
        ``lost`` was not called for that start."""
        known = self._journal.incarnation
        return (known not in (0, self._journal.lost)
                and known != self._words[region_module.INCARNATION])

    def lost(self) -> None:
        """The start of Domain R that acknowledged last has ended, and all
        that follows from it is done."""
        self._journal.lost = self._journal.incarnation

    # -- epochs -------------------------------------------------------------

    def open(self, carry_over: carry_over_module.CarryOver | None = None,
             epoch_floor: int = 0) -> None:
        """Raise the epoch: at the start, after a rollback, when BROKEN.

        An end that knows its offsets (from its journal, or from the
        carry-over) makes Domain R follow them; one that does not takes
        Domain R's, and reports what may be missing when it is open. At a
        destination only to be called once Domain R has arrived: until then
        QEMU overwrites the region.

        :param carry_over: what the source had; ignored when the offsets are
            known already: late, or this host's own
        :param epoch_floor: an epoch that Domain R may have seen elsewhere
        :raises StateError: the carry-over is later than the journal that
            this end began with; a destination has to begin with an empty one
        """
        journal = self._journal
        if carry_over is not None:
            epoch_floor = max(epoch_floor, carry_over.epoch)
            if not journal.anchored:
                handover.adopt(journal, carry_over)
            elif (self.state is HostState.CLOSED
                    and carry_over.epoch > journal.epoch > 0):
                raise errors.StateError(
                    'the carry-over is later than the journal of this host')
        self._opening.raise_epoch(max(epoch_floor, journal.epoch))
        self.acknowledged = False
        self.state = HostState.OPENING

    # -- polling ------------------------------------------------------------

    def poll(self) -> changes_module.Changes:
        """Poll everything: on each doorbell, and every POLL_INTERVAL_S."""
        changes = changes_module.Changes()
        try:
            if self.state is HostState.OPENING:
                gaps = self._opening.poll()
                if gaps is not None:
                    changes.gaps += gaps
                    changes.opened = True
                    self.state = HostState.OPEN
                    self._poll_open(changes)
            elif self.state in (HostState.OPEN, HostState.FREEZING):
                self._poll_open(changes)
        except errors.RingError as error:
            self._break(changes, str(error))
        return changes

    def _break(self, changes: changes_module.Changes, reason: str) -> None:
        self.state = HostState.BROKEN
        changes.broken = reason
        changes.restarted = (self._words[region_module.INCARNATION]
                             != self._opening.incarnation)

    def _poll_open(self, changes: changes_module.Changes) -> None:
        words = self._words
        if words[region_module.INCARNATION] != self._opening.incarnation:
            raise errors.RingError('Domain R has started anew')
        epoch = self._journal.epoch
        if words[region_module.HOST_EPOCH] != epoch:
            raise errors.RingError('the host page was overwritten')
        if words[region_module.GAVE_UP] == epoch:
            raise errors.RingError('Domain R gave the epoch up')
        # Read before the positions: it was written after them.
        frozen = words[region_module.FREEZE_ACK] & ~wire.OPEN_ENDED == epoch
        for stream, producer in self._out.items():
            if producer.poll():
                changes.writable.add(stream)
        if self.state is HostState.OPEN:
            for stream, consumer in self._in.items():
                if consumer.poll():
                    changes.readable.add(stream)
            self._publish()
        elif frozen:
            self.state = HostState.FROZEN
            self.acknowledged = True
            changes.frozen = True

    def _publish(self) -> None:
        ends: list[host_streams.End] = [
            *self._out.values(), *self._in.values()]
        for vector in {ring_module.VECTOR_OF[end.stream] for end in ends
                       if end.publish()}:
            self._doorbell(vector)

    def _publish_if_open(self, end: host_streams.End) -> None:
        if self.state is HostState.OPEN and end.publish():
            self._doorbell(ring_module.VECTOR_OF[end.stream])

    # -- bytes --------------------------------------------------------------

    def room(self, stream: wire.Stream) -> int:
        """How many bytes should be produced now.

        While OPEN as many as go into the ring, so that the guest feels the
        client's pace; otherwise as many as the journal has room for.
        """
        room = self._journal.room(stream)
        if self.state is HostState.OPEN:
            return min(room, self._out[stream].ring_room)
        return room

    def unstored(self, stream: wire.Stream) -> int:
        """How many bytes Domain R is not known to have stored."""
        return self._out[stream].unstored

    def produce(self, stream: wire.Stream, data: bytes | memoryview) -> None:
        """Keep bytes until Domain R has stored them; publish them if OPEN.

        :raises NoRoomError: they are more than can be kept
        """
        self._journal.append(stream, data)
        self._publish_if_open(self._out[stream])

    def produce_from(self, stream: wire.Stream, pipe: int,
                     count: int) -> int:
        """Produce bytes that are read from a pipe; -> how many.

        If the worker is killed meanwhile, the bytes are still in the pipe, or
        in the journal and not counted yet: see :meth:`recover`.

        :raises NoRoomError: they are more than can be kept
        :raises BlockingIOError: there are none
        """
        read = os.readv(pipe, self._journal.area(stream, count))
        self.recover(stream, read)
        return read

    def recover(self, stream: wire.Stream, count: int) -> None:
        """Produce bytes that were read into the journal, and not counted."""
        self._journal.set_position(
            stream, self._journal.position(stream) + count)
        self._publish_if_open(self._out[stream])

    def drop_from(self, stream: wire.Stream, pipe: int, count: int) -> None:
        """Read bytes from a pipe and throw them away; they are counted.

        :raises NoRoomError: there is no room to read them into
        """
        self._journal.add_dropped(stream, os.readv(
            pipe, self._journal.area(stream, count)))

    def forget(self, stream: wire.Stream, count: int) -> None:
        """Give the oldest kept bytes up while Domain R is not there.

        A Domain R that should have had them finds the gap by their offsets.

        :raises StateError: bytes flow, or are frozen
        :raises NoRoomError: more than are kept
        """
        if self.state in (HostState.OPEN, HostState.FREEZING,
                          HostState.FROZEN):
            raise errors.StateError(f'forget while {self.state.value}')
        self._out[stream].forget(count)

    def readable(self, stream: wire.Stream) -> bytes:
        """The bytes that can be taken; empty unless OPEN."""
        open_ = self.state is HostState.OPEN
        return self._in[stream].readable() if open_ else b''

    def watch_under_way(self, stream: wire.Stream,
                        under_way: Callable[[], int]) -> None:
        """Register a function that tells how many bytes of an input stream
        are on their way to the device and not taken yet."""
        self._in[stream].under_way = under_way

    def take(self, stream: wire.Stream, count: int) -> None:
        """Record that the device has the next bytes.

        Allowed in every state, since it states a fact; Domain R is told
        when it can be.
        """
        self._in[stream].take(count)
        self._publish_if_open(self._in[stream])

    def discard(self, stream: wire.Stream, most: int | None = None) -> int:
        """Take what Domain R has sent by now for no device -> how many bytes;
        none is to be on its way to one.

        :param most: no more than so many; None: all of it
        """
        count = self._in[stream].discard(most)
        self._publish_if_open(self._in[stream])
        return count

    def discard_before(self, stream: wire.Stream, offset: int) -> None:
        """Take for no device all that Domain R has sent, or will send again,
        before an offset, at the stop: the source's device will not go on.

        :param offset: not before what was taken
        """
        self._in[stream].discard_before(offset)

    # -- the stop -----------------------------------------------------------

    def copied(self, stream: wire.Stream) -> int:
        """The offset after the last byte that was copied, or was taken."""
        return self._in[stream].copied

    def freeze(self, final: bool = True) -> None:
        """Ask Domain R to store everything and to stop.

        Repeating it changes nothing. Nothing can be asked if the channel is
        not OPEN: it is FROZEN at once then, without an acknowledgement. The
        caller waits for one no longer than FREEZE_TIMEOUT_S.

        :param final: False: the instance's QEMU may still take or give bytes,
            and only the carry-over will tell
        """
        if self.state is HostState.OPEN:
            self._publish()
            self._words[region_module.HOST_FREEZE] = self._journal.epoch | (
                0 if final else wire.OPEN_ENDED)
            self.state = HostState.FREEZING
            self._doorbell(wire.Vector.CONTROL)
        elif self.state is not HostState.FREEZING:
            self.state = HostState.FROZEN

    def hold(self, on: bool) -> None:
        """Ask Domain R to keep its pre-copy from converging, or no more."""
        self._opening.set_flags(wire.FLAG_HOLD if on else 0)

    def carry_over(self) -> carry_over_module.CarryOver | None:
        """What a destination needs; None if this end was never open.

        Exact only after the last byte was produced and taken.
        """
        if not self._journal.anchored:
            return None
        return handover.carry_over(self._journal, self.acknowledged,
                                   self._out, self._in)
