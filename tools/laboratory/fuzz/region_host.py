# SPDX-License-Identifier: Apache-2.0
"""The host's end of the region, with a hostile Domain R."""

from laboratory.fuzz import memory, oracle, reader as reader_module
from nova_dmore.channel import carry_over
from nova_dmore.channel import control
from nova_dmore.channel import display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore import wire

_OUT = [each for each, (direction, _) in memory.GEOMETRY.items()
        if direction is memory.TO_DOMAIN_R]
_IN = [each for each in memory.GEOMETRY if each not in _OUT]
_LIMITS = {wire.Stream.CONTROL_TO_DOMAIN_R: 128,
           wire.Stream.SERIAL0_OUT: 256}
#: Of the region, with room for 7x255 pixels.
_SIZE = wire.FRAMEBUFFER_START + 0x2000
_THEIRS = memory.places(wire.DOMAIN_R_PAGE)
_ANY = _THEIRS + memory.places(wire.HOST_PAGE)
#: Copied and not taken: rings per stream.
_RINGS_MAX = 4
_State = host_end.HostState

SEEDS = [
    bytes(range(256)),
    # Opened, acknowledged, bytes both ways, a freeze, opened again.
    bytes([0, 6, 1, 2, 0, 20, 6, 1, 7, 0, 9, 0, 5, 6, 1, 3, 0, 8, 4, 1, 1, 6,
           1, 10, 0, 6, 1]),
    bytes([0, 6, 1, 2, 1, 30, 1, 6, 5, 0, 20, 200, 3, 1, 1, 1, 8, 0, 6, 1]),
    bytes([13, 1, 40, 1, 12, 0, 14, 1, 12, 13, 1, 9, 1, 13, 4, 0, 6, 1, 10]),
]


class _World:
    """The host end and what it must come to."""

    def __init__(self, reader: reader_module.Reader) -> None:
        self.reader = reader
        self.buffer = bytearray(_SIZE)
        self.region = memory.HostileRegion(self.buffer, wire.HOST_PAGE)
        self.journal_buffer = bytearray(journal.journal_size(_LIMITS))
        # What was produced and carried over, of which a tail is kept.
        self.given = {stream: b'' for stream in _OUT}
        self.offsets: dict[wire.Stream, int] = {}
        self.new_worker()
        self.domain_r = self.new_domain_r()

    def new_worker(self) -> None:
        """A worker takes over what another one has left."""
        self.journal = journal.Journal(self.journal_buffer, memory.GEOMETRY,
                                       _LIMITS)
        self.host = host_end.HostEnd(
            self.region, lambda vector: None, self.journal, memory.GEOMETRY)
        self.display = display.HostDisplay(self.region)
        self.display.set_mode(0, 0)

    def new_domain_r(self) -> domr_end.DomainREnd:
        """An honest one, to get to where bytes flow."""
        honest = memory.region.Region(self.buffer)
        return domr_end.DomainREnd(honest, lambda vector: None, 100)

    def near(self) -> list[int]:
        """Numbers that a clever Domain R would lie about."""
        return [self.host.epoch, self.journal.incarnation] + [
            each for pair in self.host.positions().values() for each in pair]

    # -- steps

    def step(self) -> None:
        """One thing happens on either side."""
        kind = self.reader.byte() % 17
        if kind < 6:
            before = memory.foreign(self.buffer, wire.DOMAIN_R_PAGE,
                                    memory.TO_HOST)
            armed = bool(self.region.words.armed)
            (self.open, self.poll, self.produce, self.take, self.forget,
             self.stop)[kind]()
            after = memory.foreign(self.buffer, wire.DOMAIN_R_PAGE,
                                   memory.TO_HOST)
            oracle.check(armed or before == after,
                         'the host wrote what is Domain R\'s')
        elif kind == 6:
            self.domain_r.poll()
        elif kind == 7:
            stream = self.reader.pick(_IN)
            self.domain_r.send(stream, self.reader.take(
                min(40, self.domain_r.sendable(stream))))
        elif kind == 8:
            self.domain_r.received(self.reader.pick(_OUT))
        elif kind == 9:
            self.region.spoil(self.reader, _THEIRS, self.near())
        elif kind == 10:
            self.region.spoil(self.reader, _ANY, self.near())
        elif kind == 11:
            self.new_worker()
        elif kind == 12:
            self.domain_r = self.new_domain_r()
        else:
            self.show(kind - 13)
        self.hold()

    def open(self) -> None:
        """Raise the epoch."""
        self.offsets.clear()
        epoch = self.host.epoch
        carried = None
        if self.reader.byte() & 1:
            carried = carry_over.CarryOver(
                self.reader.word() % (wire.JUMP_MAX + 1), True,
                {stream: self.reader.word() % (wire.JUMP_MAX + 1)
                 for stream in _IN},
                {stream: carry_over.Unstored(
                    self.reader.word() % (wire.JUMP_MAX + 1),
                    self.reader.take(self.reader.byte()))
                 for stream in _OUT})
            if not self.journal.anchored:
                for stream, each in carried.unstored.items():
                    data = each.data
                    if stream is wire.Stream.CONTROL_TO_DOMAIN_R:
                        data = control.without_secrets(data)
                    self.given[stream] = data + self.given[stream]
        try:
            self.host.open(carried)
        except errors.StateError:
            return      # later than this host's own
        oracle.check(self.host.epoch > epoch, 'the epoch was not raised')

    def poll(self) -> None:
        """Look at the region."""
        changes = self.host.poll()
        if changes.opened or changes.broken:
            self.offsets.clear()
        for gap in changes.gaps:
            oracle.check(gap.count is None or gap.count > 0,
                         'a gap of %r bytes', gap.count)
            gap.message()
        oracle.check(changes.broken is None or changes.broken.isprintable(),
                     'broken: %a', changes.broken)

    def produce(self) -> None:
        """The instance prints."""
        stream = self.reader.pick(_OUT)
        data = self.reader.take(min(self.reader.byte(),
                                    self.host.room(stream)))
        self.host.produce(stream, data)
        self.given[stream] += data

    def take(self) -> None:
        """The device takes input."""
        stream = self.reader.pick(_IN)
        self.host.take(stream, min(self.reader.byte(),
                                   len(self.host.readable(stream))))

    def forget(self) -> None:
        """Output is given up."""
        stream = self.reader.pick(_OUT)
        try:
            self.host.forget(stream, min(self.reader.byte(),
                                         self.host.unstored(stream)))
        except errors.StateError:
            oracle.check(self.host.state in (
                _State.OPEN, _State.FREEZING, _State.FROZEN),
                'forgetting was refused')
        self.offsets.clear()

    def stop(self) -> None:
        """The instance stops to leave."""
        self.host.hold(bool(self.reader.byte() & 1))
        self.host.freeze(bool(self.reader.byte() & 1))

    def show(self, kind: int) -> None:
        """The picture changes, or is asked for."""
        shown = self.display
        if kind == 0:
            shown.set_mode(self.reader.byte() % 8, self.reader.byte())
        elif kind == 1 and shown.height:
            y = self.reader.number(shown.height - 1)
            height = 1 + self.reader.number(shown.height - 1 - y)
            shown.writing(y, height)
            if shown.is_open and self.reader.byte() & 1:
                shown.damage([(0, y, shown.width, height)])
        elif kind == 2 and self.host.epoch:
            shown.open(self.host.epoch, [(0, 0, shown.width, shown.height)])
        picture = shown.seen_picture()
        oracle.check(picture is None or len(picture.bands)
                     == display.band_count(picture.height),
                     'a picture with %d bands too many',
                     picture and len(picture.bands))

    # -- what must hold

    def hold(self) -> None:
        """After each step."""
        host = self.host
        oracle.check(0 <= host.epoch < wire.EPOCH_MAX,
                     'the epoch is %#x', host.epoch)
        for stream, (position, base) in host.positions().items():
            oracle.check(0 <= base <= position <= wire.OFFSET_MAX,
                         '%s: base %d, position %d', stream.name, base,
                         position)
            if host.state is _State.OPEN:
                oracle.check(position >= self.offsets.get(stream, 0) <= base
                             or stream in _OUT,
                             '%s went back to %d', stream.name, base)
                oracle.check(base >= self.offsets.get(stream, 0),
                             '%s: stored went back to %d', stream.name, base)
                self.offsets[stream] = base
        for stream in _OUT:
            position, base = host.positions()[stream]
            oracle.check(position - base <= _LIMITS[stream],
                         '%s keeps %d bytes', stream.name, position - base)
            oracle.check(
                self.given[stream].endswith(
                    self.journal.read(stream, base, position)),
                '%s: other bytes are kept than were produced', stream.name)
        for stream in _IN:
            copied = len(host.readable(stream))
            oracle.check(copied <= _RINGS_MAX * memory.LAYOUT[stream].size,
                         '%s: %d bytes are copied', stream.name, copied)
        carried = host.carry_over()
        if carried is not None:
            again = carry_over.CarryOver.from_json(carried.to_json())
            oracle.check(again == carried, 'a carry-over became another')

    def settle(self) -> None:
        """A new, honest Domain R: it can be served, whatever was before."""
        self.region.words.armed.clear()
        self.domain_r = self.new_domain_r()
        self.host.open()
        for _ in range(50):
            if self.host.poll().broken:
                self.host.open()
            self.domain_r.poll()
            for stream in _OUT:
                self.domain_r.received(stream)
            if (self.host.state is _State.OPEN
                    and not any(map(self.host.unstored, _OUT))):
                return
        oracle.check(False, 'a new Domain R is not served: %s, %s',
                     self.host.state, self.domain_r.state)


def run(data: bytes) -> None:
    """Domain R writes what it likes, at any time."""
    world = _World(reader_module.Reader(data))
    for _ in world.reader.steps(80):
        world.step()
    world.settle()
