# SPDX-License-Identifier: Apache-2.0
"""The journal's offsets and bytes as a carry-over, and back."""

from collections.abc import Iterable

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import control
from nova_dmore.channel.host import journal as journal_module
from nova_dmore import wire


def adopt(journal: journal_module.Journal,
          carried: carry_over_module.CarryOver) -> None:
    """Make the source's offsets a destination's own, all or nothing.

    What the destination has produced already follows the carried bytes.
    """
    with journal.transaction():
        for stream, each in carried.unstored.items():
            # A source of an earlier release sends its CONFIG, too.
            journal.prepend(stream, each.base,
                            _without_secrets(stream, each.data))
        for stream, offset in carried.taken.items():
            journal.jump(stream, offset)
        journal.anchored = True


def carry_over(journal: journal_module.Journal, acknowledged: bool,
               produced: Iterable[wire.Stream],
               consumed: Iterable[wire.Stream]
               ) -> carry_over_module.CarryOver:
    """What a destination needs of an anchored journal; no secret is in it."""
    unstored = {}
    for stream in produced:
        end = journal.position(stream)
        # A destination takes no more.
        base = max(journal.base(stream), end - journal.carried_limit(stream))
        unstored[stream] = carry_over_module.Unstored(
            base, _without_secrets(stream, journal.read(stream, base, end)))
    return carry_over_module.CarryOver(
        journal.epoch, acknowledged,
        {stream: journal.position(stream) for stream in consumed}, unstored)


def _without_secrets(stream: wire.Stream, data: bytes) -> bytes:
    if stream is wire.Stream.CONTROL_TO_DOMAIN_R:
        return control.without_secrets(data)
    return data
