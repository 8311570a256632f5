# SPDX-License-Identifier: Apache-2.0
"""Between what was typed before a boot of the instance and what comes after.

Domain R alone knows what was typed when: it is told of the boot, drops what it
has not sent, and says up to which offset it has (wire.BOOT_HEARD). From the
boot on nothing is given to the instance until all before that offset is gone.
"""

from typing import Any


class Fence:
    """The fence between what was typed before the last boot and after it.

    :param kept: :meth:`to_notes` of an earlier worker, or None.
    :ivar number: number of that boot, on this host.
    :ivar is_up: whether something typed before it may be left.
    :ivar before: what has a lower offset was typed before it; None: Domain R
        has yet to say it.
    :ivar dropped: how many bytes of that were thrown away.
    """

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        kept = kept or {'number': 0, 'is_up': False, 'dropped': 0}
        self.number: int = kept['number']
        self.is_up: bool = kept['is_up']
        self.dropped: int = kept['dropped']
        self.before: int | None = None

    def begin(self, dropped: int) -> None:
        """The instance boots anew.

        :param dropped: so many bytes are thrown away at once. As long as it is
            up no others come, and the keeper may still have these.
        """
        self.number += 1
        if not self.is_up:
            self.dropped += dropped
        self.is_up = True
        self.before = None

    def ask_again(self) -> None:
        """Another Domain R is there, or may be: it has yet to say it."""
        self.before = None

    def is_at(self, number: object, offset: int) -> None:
        """What was typed before a boot ends at an offset; of another boot
        than the last one it is of no use."""
        if self.is_up and number == self.number and self.before is None:
            self.before = offset

    def was_before(self, offset: int) -> bool:
        """Whether a break at an offset, of which Domain R says now, was wanted
        before it had heard of that boot."""
        return self.is_up and (self.before is None or offset < self.before)

    def end(self) -> int:
        """All of it is gone -> how many bytes were thrown away."""
        dropped, self.dropped = self.dropped, 0
        self.is_up = False
        self.before = None
        return dropped

    def stay_up(self) -> None:
        """What is here is gone, and Domain R may have more of it."""
        self.is_up = True

    def to_notes(self) -> dict[str, Any]:
        """-> a JSON object for :class:`nova_dmore.link.notes.Notes`."""
        return {'number': self.number, 'is_up': self.is_up,
                'dropped': self.dropped}
