# SPDX-License-Identifier: Apache-2.0
"""Writes what a worker leaves to its successor, and has it find room.

The memory for it is the keeper's, of one size. A carry-over may take most of
that, and what is to be told nova-compute has no end if that does not ask. A
worker that could not write its notes would end, and so would its successors.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nova_dmore.link import notes as notes_module


class NotesWriter:
    """Writes the notes of one worker.

    :param notes: where they lie.
    :param collect: called; returns all that is to be noted, as an object for
        JSON.
    :param shorten: what can be kept for less: each drops some of it, counts
        that, and returns whether there was any. They are called in this order
        as long as there is no room. The rest always finds room.
    """

    def __init__(self, notes: notes_module.Notes,
                 collect: Callable[[], dict[str, Any]],
                 shorten: Sequence[Callable[[], bool]]) -> None:
        self._notes = notes
        self._collect = collect
        self._shorten = shorten

    def write(self) -> None:
        """Leave everything to a successor."""
        while True:
            try:
                self._notes.write(self._collect())
                return
            except notes_module.NoRoomError:
                if not any(shorten() for shorten in self._shorten):
                    raise
