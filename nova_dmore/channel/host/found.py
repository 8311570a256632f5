# SPDX-License-Identifier: Apache-2.0
"""What is known when Domain R arrives and nothing was carried over."""

import dataclasses
import enum

from nova_dmore.channel import changes
from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel.host import streams
from nova_dmore.channel import region
from nova_dmore import wire


class FoundState(enum.IntEnum):
    """How this host found Domain R before it raised an epoch.

    The journal keeps the number; 0 is left for "not inspected yet".
    """

    NEW = 1         # it was in no epoch
    COMPLETE = 2    # it froze, and nothing was left over
    REMAINDER = 3   # it froze, but the host had more than the ring took
    #: It did not freeze, or not in the source's last epoch, or the source
    #: went on for a moment (OPEN_ENDED).
    TORN = 4


@dataclasses.dataclass(frozen=True)
class Found:
    """The state, and what the words of Domain R's page told.

    :ivar missing: per TO_DOMAIN_R stream, how many bytes the source had
        announced beyond those that Domain R has stored
    :ivar produced: per TO_HOST stream, what Domain R had produced
    """

    state: FoundState
    missing: dict[wire.Stream, int]
    produced: dict[wire.Stream, int]


def inspect(words: memoryview, journal: journal_module.Journal,
            out: dict[wire.Stream, streams.HostProducer],
            in_: dict[wire.Stream, streams.HostConsumer]) -> Found:
    """Find out from the region's words how Domain R is.

    A source whose migration was rolled back goes on in a new epoch. If Domain
    R is moved again before it has joined that, the freeze that it shows is one
    of an older epoch. The host page that arrived tells so: QEMU sends each
    page at least once after a migration has begun. Once this host has written
    the page itself, only its journal can tell.

    :param out: the TO_DOMAIN_R streams
    :param in_: the TO_HOST streams
    """
    stored = {stream: each.domain_r_words() for stream, each in out.items()}
    produced = {stream: each.domain_r_words()[0]
                for stream, each in in_.items()}
    missing = {stream: announced - position
               for stream, (position, announced) in stored.items()}
    # What an earlier start of Domain R has acknowledged means nothing.
    joined = words[region.ACK_BY] == words[region.INCARNATION]
    epoch_ack = words[region.EPOCH_ACK] if joined else 0
    raised = words[region.HOST_EPOCH]
    if raised == journal.epoch:
        left_behind = journal.found == FoundState.TORN
    else:
        left_behind = raised > epoch_ack
    if epoch_ack == 0:
        state = FoundState.NEW
    elif epoch_ack != words[region.FREEZE_ACK] or left_behind:
        state = FoundState.TORN
    elif any(missing.values()):
        state = FoundState.REMAINDER
    else:
        state = FoundState.COMPLETE
    return Found(state, missing, produced)


def gaps(state: FoundState, found: Found | None,
         forgotten: dict[wire.Stream, int], taken: dict[wire.Stream, int],
         stored: dict[wire.Stream, int]) -> list[changes.Gap]:
    """What may be missing once Domain R's own offsets were adopted.

    :param found: None if it was an earlier worker that inspected it
    :param forgotten: per TO_DOMAIN_R stream, how many bytes this host gave up
    :param taken: per TO_HOST stream, the offset to go on from
    :param stored: per TO_DOMAIN_R stream, likewise
    """
    result = []
    if state is not FoundState.NEW:
        for stream, offset in stored.items():
            missing = _missing(state, found, stream)
            if missing is not None:
                missing += forgotten[stream]
            if missing is None:
                result.append(changes.Gap(
                    stream, offset, None, wire.GapKind.UNKNOWN,
                    'nothing was carried over and Domain R did not freeze'))
            elif missing:
                result.append(changes.Gap(
                    stream, offset, missing, wire.GapKind.EXACT,
                    'nothing was carried over of what found no room, or '
                    'this host gave it up'))
    if state is FoundState.TORN:
        for stream, offset in taken.items():
            # Domain R sends them again: most of them were not taken.
            count = found.produced[stream] - offset if found else None
            if count != 0:
                result.append(changes.Gap(
                    stream, offset, count if count and count > 0 else None,
                    wire.GapKind.AMBIGUOUS,
                    'nothing was carried over and Domain R did not freeze: '
                    'these may arrive a second time'))
    return result


def _missing(state: FoundState, found: Found | None, stream: wire.Stream
             ) -> int | None:
    if state is FoundState.COMPLETE:
        return 0
    if state is FoundState.TORN or found is None:
        return None
    missing = found.missing[stream]
    return missing if missing >= 0 else None
