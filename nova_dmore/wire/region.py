# SPDX-License-Identifier: Apache-2.0
"""The region that the host and Domain R share.

The region is transport, never truth: QEMU does not track what the host
writes to it, so after a migration its content is whatever happened to be
copied. Every position is a free-running 64-bit stream offset, each sender
keeps its data until the receiver has it, and both ends exchange offsets
whenever the epoch is raised.

Rules of the region
-------------------
* Every word is an aligned, little-endian, unsigned 64-bit integer and is
  read and written with one machine access (``memoryview.cast('Q')``;
  ``struct.pack_into('<Q')`` writes byte by byte and must not be used).
* Each word has one writer: the host page is written by the host alone, the
  Domain R page by Domain R alone. The Domain R page is therefore tracked as
  dirty by Domain R's QEMU and arrives complete at the destination.
* Data is written before the position that publishes it; a doorbell follows
  each publication. A lost doorbell costs at most ``POLL_INTERVAL_S``, and
  ``IDLE_POLL_INTERVAL_S`` in a Domain R that nobody uses.
* A reader copies a word once, validates the copy, then uses the copy.
* What the host publishes carries a checksum in the same word (PUBLISHED):
  a Domain R that was moved without a freeze finds stale copies of the
  host's pages, each of another age, and must not take them for output.

Epochs
------
The host raises ``epoch`` when a region comes to life (first start, a new
Domain R, a new worker, arrival at a destination, a rolled back migration).
It raises it by a random amount: no two openings, on no two hosts, have the
same epoch, so an acknowledgement cannot be taken for another one's.

1. the host clears its PUBLISHED words, writes its positions (for a stream it
   produces: the oldest offset it can still send; for one it consumes: what
   was taken), ``resume_from``, and last the new ``epoch``;
2. Domain R sees an epoch above its own. With ``RESUME_FROM_HOST`` it drops
   input that was taken, and skips to the host's oldest offset if its own is
   older (a gap, counted). With ``RESUME_FROM_DOMAIN_R`` (the host has
   nothing that was carried over) its own offsets stand. A Domain R that was
   in no epoch before, or is not the one ``expected``, adopts the host's
   offsets; that is no gap. It puts what it produced into its rings anew,
   from the oldest offset that it keeps, writes its ``position`` and ``base``
   words, ``ack_by``, and last ``epoch_ack``;
3. the host sees ``epoch_ack == epoch``, continues each stream it produces at
   Domain R's position (what lies before was stored: a repeat), and starts
   consuming.

A Domain R that starts writes a new random ``incarnation`` and joins only an
epoch above the ``epoch_ack`` that it finds; the host sees that the
incarnation is not the one that acknowledged, and raises the epoch. It does
so too when Domain R writes that it gave the epoch up.

Freeze
------
The host writes its final positions, then ``freeze = epoch``. Domain R stores
everything published, drops what was taken, writes its positions, then
``freeze_ack = epoch``, and touches no ring until it sees a higher epoch.
For a stream the host produces, the host's ``position`` says what it has in
all, also what found no room in the ring; Domain R copies it to its ``base``
word, so that a destination without carry-over knows how much is missing.
It believes no freeze if the host page that arrived shows a later epoch, nor an
``OPEN_ENDED`` one: the host sets that bit in ``freeze``, and Domain R repeats
it in ``freeze_ack``, where the instance's QEMU was not done when it was asked.

Display
-------
The picture is no stream: what matters is what it shows now, and after an
epoch is raised the host has all of it from the instance's QEMU again. The
host writes pixels, then one damage record per rectangle, then ``published``;
Domain R reads ``published`` first. A Domain R that fell more than
DAMAGE_RECORDS behind takes everything for damaged. The words are good only
while ``display epoch`` is the epoch that Domain R has joined, and nothing is
encoded from the pixels between a freeze and that: the pixels that arrive with
Domain R at a destination are of any age. The host makes it 0 while
it changes the picture's size, and when it pauses for want of viewers.
Of a picture for which Domain R has no room (DOMAIN_R_PICTURE_MAX) the host
writes the upper left part.
The first records of an epoch say where the picture differs from the one at
the freeze (at the source the host hashes it, see BAND_ROWS), or cover all of
it if nobody knows.

On behalf of a viewer, Domain R may ask for another size of the picture
(DOMAIN_R_SIZE_WANTED); the host passes that on to QEMU once, and says what
QEMU has answered (DISPLAY_SIZE_ANSWER). The guest then changes its size, or
does not. Both words name the epoch in which they were written, so that a
region that has come from elsewhere does not have the instance do it again;
what was not answered is asked for anew in the next epoch. A host that knows
nothing of it does not answer, and Domain R takes that for a no after
SIZE_PATIENCE_S.
"""

import enum

MAGIC = int.from_bytes(b'DMOREreg', 'little')
LAYOUT_VERSION = 3

#: Size of a region in bytes: a power of two, as a PCI BAR must be. There are
#: two, by the largest picture that finds room; in a migration a region keeps
#: its own. Hosts of release 0.2 know the first alone.
REGION_SIZE = 1 << 24           # 2560x1600 pixels
LARGE_REGION_SIZE = 1 << 25     # 3840x2160

HOST_PAGE = 0x0000      # written by the host only
DOMAIN_R_PAGE = 0x1000  # written by Domain R only
DISPLAY_PAGE = 0x2000   # written by the host only
DATA_START = 0x4000     # the rings' data

#: Offsets of the words of the host page, in bytes from HOST_PAGE.
HOST_MAGIC = 0x00
HOST_LAYOUT_VERSION = 0x08
HOST_REGION_SIZE = 0x10
HOST_STREAM_COUNT = 0x18
HOST_PEER_ID = 0x20
HOST_DOMAIN_R_PEER_ID = 0x28
HOST_VECTOR_COUNT = 0x30
HOST_EPOCH = 0x38           # written last; 0: the host is not ready
HOST_FREEZE = 0x40          # the epoch that is to be frozen | OPEN_ENDED
HOST_FLAGS = 0x48
HOST_RESUME_FROM = 0x50
HOST_EXPECTED = 0x58        # the incarnation it has opened with; 0: unknown

#: Offsets of the words of the Domain R page, in bytes from DOMAIN_R_PAGE.
DOMAIN_R_MAGIC = 0x00
DOMAIN_R_LAYOUT_VERSION = 0x08
DOMAIN_R_INCARNATION = 0x10  # random, not 0: which start of Domain R this is
DOMAIN_R_ACK_BY = 0x18      # the incarnation that wrote epoch_ack
DOMAIN_R_EPOCH_ACK = 0x38   # written last
DOMAIN_R_FREEZE_ACK = 0x40  # HOST_FREEZE, when all of it is stored
DOMAIN_R_GAVE_UP = 0x48     # the epoch whose words made no sense to it
DOMAIN_R_VIEWERS = 0x50     # viewers of the display now
#: How many damage records of a display epoch it has dealt with: the low half
#: of the number | the low half of the epoch << 32.
DOMAIN_R_DAMAGE_SEEN = 0x58
#: Bytes of the largest picture that it shows, from the framebuffer's start |
#: the low half of its incarnation << 32. From another incarnation: that is
#: of release 0.2, see EARLIER_WIDTH_MAX.
DOMAIN_R_PICTURE_MAX = 0x60
#: The size that a viewer wants: width | height << 16 | a number << 32 (8 bits)
#: that tells it from the one before | the low 24 bits of the epoch << 40.
DOMAIN_R_SIZE_WANTED = 0x68

#: Geometry of the streams, in the host page: per stream DATA, SIZE, DIRECTION.
STREAM_TABLE = 0x100
STREAM_TABLE_ENTRY = 0x20
STREAM_DATA = 0x00          # offset of the ring's first byte in the region
STREAM_SIZE = 0x08          # bytes, a power of two
STREAM_DIRECTION = 0x10

#: The positions of an end, in its own page: per stream POSITION and BASE.
POSITIONS = 0x800
POSITIONS_ENTRY = 0x10
#: What the end has produced, or has consumed (host: taken, Domain R: stored).
POSITION = 0x00
#: The oldest offset a producer still keeps. Domain R as a consumer: what the
#: host said at the freeze that it had produced. The host as a consumer: 0.
BASE = 0x08

#: Per stream that the host produces, in the host page: one word that says
#: what is in the ring, 0 before the host has seen ``epoch_ack``. Bits 63..32
#: are the low half of the offset; bits 31..0 are, with bit 0 set always, the
#: CRC-32 of everything published in this epoch. The CRC starts from that of
#: two words: the epoch, and the position that Domain R wrote at its start.
PUBLISHED = 0xc00
PUBLISHED_ENTRY = 0x08

#: Offsets of the words of the display, in bytes from DISPLAY_PAGE.
DISPLAY_EPOCH = 0x00        # written after the others; see "Display"
#: width | height << 16 of what is shown, 0: there is no picture | the same of
#: the instance's whole picture << 32 (0 from hosts of release 0.2).
DISPLAY_MODE = 0x08
#: width | height << 8 | hot x << 16 | hot y << 24 | a count << 32 that tells
#: one shape from the next; 0: the guest draws its pointer itself.
DISPLAY_CURSOR = 0x10
DISPLAY_PUBLISHED = 0x18    # damage records written in this epoch
#: The lights of the instance's keyboard, as RFB has them (1: Scroll Lock, 2:
#: Num Lock, 4: Caps Lock) | LEDS_KNOWN; 0: they are not known.
DISPLAY_LEDS = 0x20
LEDS_KNOWN = 1 << 8
#: The answer to DOMAIN_R_SIZE_WANTED: its number | a SizeAnswer << 8 | the low
#: half of the epoch << 32.
DISPLAY_SIZE_ANSWER = 0x28
#: Damage record n is the word n modulo DAMAGE_RECORDS of this table, and
#: ``published`` is raised after each:
#: x | y << 16 | width << 32 | height << 48, in pixels.
DISPLAY_DAMAGE = 0x800
DAMAGE_RECORDS = 256

#: Pixels are 4 bytes (blue, green, red, unused), a row follows the other
#: without a gap. Both areas are written by the host only.
CURSOR_START = 0x30000
CURSOR_SIDE_MAX = 128       # pixels
FRAMEBUFFER_START = 0x40000
#: What a Domain R of release 0.2 shows, in pixels, and what a host of that
#: takes in a carry-over.
EARLIER_WIDTH_MAX = 2560
EARLIER_HEIGHT_MAX = 1600

#: The picture at a freeze is hashed in bands of so many rows.
BAND_ROWS = 16

#: The host asks QEMU for the next picture when Domain R has dealt with the
#: last, or after this many seconds.
DISPLAY_PATIENCE_S = 0.5

#: How long Domain R waits for the answer to a size that it has asked for, in
#: seconds.
SIZE_PATIENCE_S = 2.0

#: Epochs and offsets above these are taken for garbage.
EPOCH_MAX = 1 << 62
OFFSET_MAX = 1 << 62
#: A word of Domain R moves the host's epoch or offset no further than this,
#: so that what a hostile Domain R wrote leaves room for its successors.
JUMP_MAX = 1 << 61

#: HOST_FLAGS: Domain R must keep more pages dirty than QEMU's switch-over
#: threshold, so that its pre-copy cannot end before the instance's.
FLAG_HOLD = 1

#: So many bytes it keeps dirty then. The stop of Domain R lasts as long as it
#: takes to send them: they are no more than needed.
HOLD_BYTES = 2 << 20
#: While it holds, the host gives its migration no more than this, in MiB/s,
#: once little else is left to be sent: QEMU measures for 100 ms, and must not
#: be able to send HOLD_BYTES in that time.
HOLD_BANDWIDTH_MIB_MAX = 16

#: HOST_FREEZE and what acknowledges it: what Domain R knows is not all. The
#: instance stands still, but its QEMU may still take a byte or give some.
OPEN_ENDED = 1 << 63


class SizeAnswer(enum.IntEnum):
    """What becomes of a size that was asked for; RFB's numbers, as they are in
    the rectangle ExtendedDesktopSize."""

    PROHIBITED = 1
    NO_RESOURCES = 2
    INVALID = 3         # QEMU: the instance's display cannot be told
    FORWARDED = 4       # the guest was told


class ResumeFrom(enum.IntEnum):
    """Whose offsets stand when an epoch is raised (HOST_RESUME_FROM)."""

    DOMAIN_R = 0
    HOST = 1


class Direction(enum.IntEnum):
    """Who produces a stream."""

    TO_DOMAIN_R = 0
    TO_HOST = 1


class Stream(enum.IntEnum):
    """The streams of layout version 3; the value is the table index."""

    CONTROL_TO_DOMAIN_R = 0
    CONTROL_TO_HOST = 1
    SERIAL0_OUT = 2     # what the instance printed
    SERIAL0_IN = 3      # what the clients typed
    INPUT0_IN = 4       # keys and pointer: records of channel/input_event.py


#: Direction and ring size in bytes of each stream.
GEOMETRY = {
    Stream.CONTROL_TO_DOMAIN_R: (Direction.TO_DOMAIN_R, 1 << 16),
    Stream.CONTROL_TO_HOST: (Direction.TO_HOST, 1 << 14),
    # Small: what lies in it comes before the answer to a key, and has to
    # be stored before a freeze is acknowledged.
    Stream.SERIAL0_OUT: (Direction.TO_DOMAIN_R, 1 << 14),
    Stream.SERIAL0_IN: (Direction.TO_HOST, 1 << 14),
    Stream.INPUT0_IN: (Direction.TO_HOST, 1 << 12),
}

#: Bytes of a record of INPUT0_IN.
INPUT_RECORD_SIZE = 8


class InputKind(enum.IntEnum):
    """First byte of a record of INPUT0_IN."""

    KEY = 1         # QEMU's number of the key, and whether it is down
    POINTER = 2     # all buttons, and where the pointer is


#: Peer ids. QEMU insists that a device with ``master=on`` is the first peer.
DOMAIN_R_PEER = 0
HOST_PEER = 1


class Vector(enum.IntEnum):
    """Interrupt vectors, the same in both directions.

    A vector is a hint what to poll; whoever is woken polls everything.
    """

    CONTROL = 0
    SERIAL = 1
    INPUT = 2
    DISPLAY = 3


#: How often each end polls the region without being woken, in seconds.
POLL_INTERVAL_S = 0.1

#: How often Domain R does so while its epoch is open, no client is attached
#: and no pre-copy is to be held: each poll costs an emulated processor 2 ms.
IDLE_POLL_INTERVAL_S = 1.0

#: How long after the stop the host waits for the instance's QEMU to save its
#: state before it asks Domain R to freeze without knowing all (OPEN_ENDED).
FREEZE_DELAY_S = 0.01

#: How long the host waits for ``freeze_ack`` before it goes on without.
FREEZE_TIMEOUT_S = 0.05

#: Whoever takes less of the serial output than so many bytes a second, while
#: the guest waits for it, uses up the time for which it may hold the guest up
#: (``stall_ms``); one that takes as much never does. It is what a line of 4800
#: baud carries, and each end goes by it: see channel/patience.py.
SERIAL_RATE_LEAST = 480

#: Domain R tells the host when it has stored so many bytes of a stream, if not
#: before. The host lets at least as many be on their way, or it would wait for
#: what it is never told.
STORED_TOLD_BYTES = 1 << 10

#: Protocol version that QEMU's ivshmem server sends first
#: (QEMU docs/specs/ivshmem-spec.txt, "Client-Server protocol").
IVSHMEM_PROTOCOL_VERSION = 0
