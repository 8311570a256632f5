# SPDX-License-Identifier: Apache-2.0
"""Domain R's end of the region, with a hostile host."""

from laboratory.fuzz import memory, oracle, reader as reader_module
from nova_dmore.channel import display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore.domr import screen
from nova_dmore import wire

_OUT = [each for each, (direction, _) in wire.GEOMETRY.items()
        if direction is memory.TO_DOMAIN_R]
_IN = [each for each in wire.GEOMETRY if each not in _OUT]
_LIMITS = {wire.Stream.CONTROL_TO_DOMAIN_R: 128,
           wire.Stream.SERIAL0_OUT: 256}
_HOSTS = memory.places(wire.HOST_PAGE)
_KEPT_MAX = 100
#: Bytes of the largest picture.
_PIXELS = 1 << 16

SEEDS = [
    bytes(range(256)),
    bytes([6, 0, 1, 2, 0, 20, 8, 0, 7, 0, 9, 0, 9, 6, 1, 5, 0, 200, 3, 0, 6,
           3, 1, 4, 10, 0, 6, 1, 11, 0, 12, 9, 3]),
    bytes([6, 6, 0, 5, 0, 9, 1, 0, 5, 1, 4, 130, 3, 1, 3, 0, 2, 40, 0, 0]),
]


class _Viewer:
    """A screen.Viewer; a rectangle has to lie inside the picture."""

    def freeze(self, everything):
        """See screen.Viewer."""

    def flush(self):
        """See screen.Viewer."""

    def show(self, changes, shown):
        width, height = shown.size
        oracle.check(width * height * display.PIXEL_SIZE <= _PIXELS,
                     'a picture of %dx%d', width, height)
        for x, y, wide, high in changes.damage or []:
            oracle.check(0 <= x < x + wide <= width
                         and 0 <= y < y + high <= height,
                         '%dx%d at %d,%d of %dx%d', wide, high, x, y,
                         width, height)
        cursor = shown.cursor()
        if cursor is not None:
            oracle.check(
                cursor.hot_x < cursor.width and cursor.hot_y < cursor.height
                and len(cursor.pixels) == cursor.width * cursor.height * 4,
                'a cursor of %dx%d', cursor.width, cursor.height)
        shown.acknowledge()


class _World:
    """Domain R's end, a host to begin with, and its hostile hand."""

    def __init__(self, reader: reader_module.Reader) -> None:
        self.reader = reader
        # The pixels are not looked at here, but their sizes are.
        self.buffer = bytearray(wire.FRAMEBUFFER_START + _PIXELS)
        self.region = memory.HostileRegion(self.buffer, wire.DOMAIN_R_PAGE)
        self.host = host_end.HostEnd(
            region.Region(self.buffer), lambda vector: None,
            journal.Journal(bytearray(journal.journal_size(_LIMITS)),
                            memory.GEOMETRY, _LIMITS), memory.GEOMETRY)
        self.start()

    def start(self) -> None:
        """Domain R starts."""
        self.end = domr_end.DomainREnd(self.region, lambda vector: None,
                                       _KEPT_MAX)
        self.screen = screen.Screen(self.region, lambda vector: None)
        self.screen.viewer = _Viewer()
        self.sent = {stream: b'' for stream in _IN}
        self.positions = {stream: 0 for stream in wire.GEOMETRY}
        self.epoch = 0

    def near(self) -> list[int]:
        """Numbers that a clever host would lie about."""
        words = self.region.true_words
        return [self.end.epoch, self.host.epoch] + [
            self.end.position(stream) for stream in wire.GEOMETRY] + [
            words[wire.DOMAIN_R_PAGE + wire.DOMAIN_R_INCARNATION >> 3]]

    def step(self) -> None:
        """One thing happens on either side."""
        kind = self.reader.byte() % 13
        if kind < 7:
            before = memory.foreign(self.buffer, wire.HOST_PAGE,
                                    memory.TO_DOMAIN_R)
            armed = bool(self.region.words.armed)
            (self.poll, self.receive, self.send, self.pause, self.poll,
             self.look, self.poll)[kind]()
            oracle.check(armed or before == memory.foreign(
                self.buffer, wire.HOST_PAGE, memory.TO_DOMAIN_R),
                'Domain R wrote what is the host\'s')
        elif kind == 7:
            self.host.open()
        elif kind == 8:
            self.host.poll()
        elif kind == 9:
            stream = self.reader.pick(_OUT)
            self.host.produce(stream, self.reader.take(min(
                self.reader.byte(), self.host.room(stream))))
        elif kind == 10:
            self.host.freeze(bool(self.reader.byte() & 1))
        elif kind == 11:
            for _ in range(1 + self.reader.byte() % 8):
                self.region.spoil(self.reader, _HOSTS, self.near())
        else:
            self.start()
        self.hold()

    def poll(self) -> None:
        """Look at the region."""
        changes = self.end.poll()
        oracle.check(changes.broken is None or changes.broken.isprintable(),
                     'broken: %a', changes.broken)
        for gap in changes.gaps:
            oracle.check(gap.count and gap.count > 0, 'a gap of %r bytes',
                         gap.count)
        self.screen.poll(self.end, changes)

    def look(self) -> None:
        """Look at the picture."""
        self.screen.set_viewers(self.reader.byte())
        if self.reader.byte() & 1:
            self.screen.ask_size(1 + self.reader.byte(), 1)
        self.poll()
        oracle.check(self.screen.size_answer() in (None, *wire.SizeAnswer),
                     'an answer that there is not')

    def receive(self) -> None:
        """Take output."""
        stream = self.reader.pick(_OUT)
        data = self.end.received(stream)
        oracle.check(len(data) <= 2 * len(self.buffer),
                     '%d bytes at once', len(data))

    def send(self) -> None:
        """A client types."""
        stream = self.reader.pick(_IN)
        room = self.end.sendable(stream)
        oracle.check(0 <= room <= _KEPT_MAX, 'room for %d bytes', room)
        data = self.reader.take(min(room, self.reader.byte()))
        self.end.send(stream, data)
        self.sent[stream] += data

    def pause(self) -> None:
        """A client is slow, or was."""
        stream = self.reader.pick(_OUT)
        (self.end.pause if self.reader.byte() & 1
         else self.end.resume)(stream)

    def hold(self) -> None:
        """What must hold after each step."""
        end = self.end
        oracle.check(0 <= end.epoch < wire.EPOCH_MAX, 'the epoch is %#x',
                     end.epoch)
        if end.epoch != self.epoch:
            # A host that has lost what it knew says where output begins; what
            # a freeze has copied, and nobody has taken, was before that.
            self.epoch = end.epoch
            self.positions.update({
                stream: min(0, end.position(stream)) for stream in _OUT})
        for stream in wire.GEOMETRY:
            position = end.position(stream)
            oracle.check(position >= self.positions[stream],
                         '%s went back to %d', stream.name, position)
            self.positions[stream] = position
        for stream in _IN:
            kept = _KEPT_MAX - end.sendable(stream)
            oracle.check(0 <= kept <= len(self.sent[stream]),
                         '%s: %d bytes are kept, %d were sent', stream.name,
                         kept, len(self.sent[stream]))


def run(data: bytes) -> None:
    """The host writes what it likes, at any time."""
    world = _World(reader_module.Reader(data))
    for _ in world.reader.steps(80):
        world.step()
