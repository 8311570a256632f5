# SPDX-License-Identifier: Apache-2.0
"""A pair in memory, and a model that knows what must arrive.

Both ends run on one buffer. A migration replaces everything that Domain R
did not write by copies of any earlier age, granule by granule, which is
harsher than what QEMU does page by page.
"""

import random

from nova_dmore.channel import carry_over
from nova_dmore.channel import changes
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire

OUT = wire.Stream.SERIAL0_OUT
IN = wire.Stream.SERIAL0_IN
TO_DOMAIN_R = wire.Direction.TO_DOMAIN_R
TO_HOST = wire.Direction.TO_HOST

#: Bytes in which no piece is like another one.
PATTERN = random.Random(0).randbytes(1 << 16)

REGION = wire.DATA_START + len(wire.Stream) * 0x1000
GRANULE = 16


def geometry(out_ring: int, in_ring: int) -> region.Geometry:
    return {
        wire.Stream.CONTROL_TO_DOMAIN_R: (TO_DOMAIN_R, 64),
        wire.Stream.CONTROL_TO_HOST: (TO_HOST, 64),
        OUT: (TO_DOMAIN_R, out_ring),
        IN: (TO_HOST, in_ring),
        wire.Stream.INPUT0_IN: (TO_HOST, 64),
    }


class World:
    """One instance, one Domain R, and the host that both are on."""

    def __init__(self, out_ring: int = 16, in_ring: int = 16,
                 retain: int = 512) -> None:
        self.geometry = geometry(out_ring, in_ring)
        self.limits = {wire.Stream.CONTROL_TO_DOMAIN_R: 128, OUT: retain}
        self.buffer = bytearray(REGION)
        self.region = region.Region(self.buffer)
        self.journal_buffer = bytearray(journal.journal_size(self.limits))
        self.host = self.new_host()
        self.domr = self.new_domr()
        self.snapshots = [bytes(self.buffer)]
        # Indices into PATTERN. The instance has printed and the clients
        # have typed up to .._sent; .._next is what has to arrive next.
        self.out_sent = self.out_next = 0
        self.in_sent = self.in_taken = 0
        # What clients have typed and the device has still to get.
        self.in_due: list[int] = []
        # No carry-over was applied since the arrival: where the output of
        # this host begins.
        self.local_start: int | None = None
        # This Domain R has joined no epoch; no host has opened one with it.
        self.fresh = self.new = True
        self.replaced = False
        self.gap_kinds: list[wire.GapKind] = []

    def new_host(self) -> host_end.HostEnd:
        return host_end.HostEnd(
            self.region, lambda vector: None,
            journal.Journal(self.journal_buffer, self.geometry, self.limits),
            self.geometry)

    def new_domr(self) -> domr_end.DomainREnd:
        return domr_end.DomainREnd(
            self.region, lambda vector: None, send_limit=40)

    # -- the host's steps ---------------------------------------------------

    def produce(self, count: int) -> None:
        data = PATTERN[self.out_sent:self.out_sent + count]
        self.host.produce(OUT, data)
        self.out_sent += len(data)

    def host_poll(self) -> changes.Changes:
        first = self.host.carry_over() is None and self.new
        result = self.host.poll()
        for gap in result.gaps:
            self._host_gap(gap)
        if result.opened:
            self.local_start = None
            self.new = False
            if first:
                self.out_next = self.out_sent - self.host.unstored(OUT)
        self.snapshot()
        return result

    def _host_gap(self, gap: changes.Gap) -> None:
        self.gap_kinds.append(gap.kind)
        if gap.stream is OUT:
            assert self.local_start is not None, gap
            if gap.kind is wire.GapKind.EXACT:
                self.out_next += gap.count
            else:
                self.out_next = self.out_sent - self.host.unstored(OUT)
        elif gap.stream is IN and self.replaced and self.local_start is None:
            # A lost worker had them from a lost Domain R: see _bury.
            assert gap.kind is wire.GapKind.AMBIGUOUS, gap
        elif gap.stream is IN:
            assert self.local_start is not None, gap
            assert gap.kind is wire.GapKind.AMBIGUOUS, gap
            # They come again: no more than was said.
            again = self.in_sent - len(self.in_due) - self.in_base()
            assert again >= 0
            assert gap.count is None or again <= gap.count, (again, gap)
            self.in_due = self.kept()

    def kept(self) -> list[int]:
        """What Domain R keeps."""
        return list(range(self.in_base(), self.in_sent))

    def in_base(self) -> int:
        """Index of the oldest byte that Domain R keeps."""
        return self.in_sent - (40 - self.domr.sendable(IN))

    def take(self, count: int) -> None:
        data = self.host.readable(IN)[:count]
        expected = bytes(PATTERN[each] for each in self.in_due[:len(data)])
        assert data == expected, (self.in_due[:1], data, expected)
        self.host.take(IN, len(data))
        self.was_taken(len(data))
        self.snapshot()

    def take_after_the_stop(self, count: int) -> None:
        """The device takes what it had been sent before the stop."""
        count = min(count, len(self.host._in[IN].readable()))
        self.host.take(IN, count)
        self.was_taken(count)
        self.snapshot()

    def was_taken(self, count: int) -> None:
        del self.in_due[:count]
        self.in_taken += count

    @property
    def stopped(self) -> bool:
        """The instance stopped for a freeze, perhaps of an earlier worker."""
        asked = self.region.words[region.HOST_FREEZE]
        return (self.host.epoch != 0 and
                asked & ~wire.OPEN_ENDED == self.host.epoch)

    @property
    def open_ended(self) -> bool:
        """Stopped, but the device may still take and give some."""
        return bool(self.stopped and wire.OPEN_ENDED &
                    self.region.words[region.HOST_FREEZE])

    def roll_back(self) -> None:
        """The host opens again, after a freeze because nobody moves."""
        stopped = self.stopped
        self.host.open()
        if stopped:
            # The migration is over, and what was copied for it is gone: for
            # the next one QEMU copies each page anew. An older copy would
            # not tell the destination that Domain R missed this epoch.
            self.snapshots = [bytes(self.buffer)]

    def restart_worker(self) -> None:
        self.host = self.new_host()
        self._bury()

    def _bury(self) -> None:
        """Only the process of the host had what a lost Domain R had sent."""
        if self.replaced:
            self.in_due = [each for each in self.in_due
                           if each >= self.in_base()]

    # -- Domain R's steps ---------------------------------------------------

    def domr_poll(self) -> changes.Changes:
        result = self.domr.poll()
        if result.frozen:
            self.receive()
        for gap in result.gaps:
            assert gap.kind is wire.GapKind.EXACT
            self.gap_kinds.append(gap.kind)
            if gap.stream is OUT:
                self.out_next += gap.count
        if result.opened:
            self.fresh = False
            if self.new:
                self.out_next = self.out_sent - self.announced()
        self.snapshot()
        return result

    def announced(self) -> int:
        """How many unstored bytes the host said it has at the opening."""
        at = region.position_word(wire.HOST_PAGE, OUT)
        return self.host.positions()[OUT][0] - self.region.words[at + 1]

    def receive(self) -> bytes:
        data = self.domr.received(OUT)
        expected = PATTERN[self.out_next:self.out_next + len(data)]
        assert data == expected, (self.out_next, data, expected)
        assert self.out_next + len(data) <= self.out_sent
        self.out_next += len(data)
        self.snapshot()
        return data

    def send(self, count: int) -> None:
        count = min(count, self.domr.sendable(IN))
        self.domr.send(IN, PATTERN[self.in_sent:self.in_sent + count])
        self.in_due += range(self.in_sent, self.in_sent + count)
        self.in_sent += count
        self.snapshot()

    def replace_domr(self) -> None:
        """Domain R is lost, and a new one starts on the same memory."""
        self.domr = self.new_domr()
        self.fresh = self.new = self.replaced = True
        # What the host has copied still gets to the device.
        del self.in_due[len(self.host._in[IN].readable()):]
        self.snapshot()

    # -- migration ----------------------------------------------------------

    def snapshot(self) -> None:
        if self.snapshots[-1] != self.buffer:
            self.snapshots.append(bytes(self.buffer))
            del self.snapshots[1:-40]

    def arrive(self, chooser: random.Random
               ) -> carry_over.CarryOver | None:
        """Both VMs stop, and go on elsewhere; Domain R sees old copies.

        :returns: what the source carries over
        """
        carried = self.host.carry_over()
        stale = bytearray(chooser.choice(self.snapshots))
        for start in range(wire.DISPLAY_PAGE, REGION, GRANULE):
            stale[start:start + GRANULE] = chooser.choice(
                self.snapshots)[start:start + GRANULE]
        for stream, ring in region.layout_of(self.geometry).items():
            if ring.direction is TO_HOST:
                end = ring.start + ring.size
                stale[ring.start:end] = self.buffer[ring.start:end]
        mine = slice(wire.DOMAIN_R_PAGE, wire.DISPLAY_PAGE)
        stale[mine] = self.buffer[mine]
        self.buffer[:] = stale
        self.snapshots = [bytes(self.buffer)]
        self.journal_buffer[:] = bytes(len(self.journal_buffer))
        self.host = self.new_host()
        self._bury()
        self.local_start = self.out_sent
        if carried is None:
            return None
        return carry_over.CarryOver.from_json(carried.to_json())

    def adopt(self, carried: carry_over.CarryOver) -> None:
        """The destination opens with the carry-over."""
        self.host.open(carried)
        self.local_start = None

    def quiesce(self) -> None:
        """Bring everything to rest, with a working Domain R."""
        self.domr.resume(OUT)
        if self.host.state in (host_end.HostState.FREEZING,
                               host_end.HostState.FROZEN,
                               host_end.HostState.CLOSED,
                               host_end.HostState.BROKEN):
            self.host.open()
        for _ in range(300):
            if self.host_poll().broken:
                self.host.open()
            self.domr_poll()
            self.receive()
            self.take(64)
            # Domain R keeps 40 bytes at most, but the host may have copied
            # others before from ones that are lost: more than one take.
            if (self.host.state is host_end.HostState.OPEN
                    and not self.host.unstored(OUT)
                    and not self.host.readable(IN)
                    and self.domr.sendable(IN) == 40):
                break
        assert self.host.state is host_end.HostState.OPEN, self.host.state
        assert self.domr.state is domr_end.DomainRState.OPEN
        assert self.out_next == self.out_sent, (self.out_next, self.out_sent)
        assert not self.in_due, self.in_due
        assert self.host.unstored(OUT) == 0
        assert self.domr.sendable(IN) == 40
