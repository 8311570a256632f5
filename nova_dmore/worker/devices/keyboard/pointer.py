# SPDX-License-Identifier: Apache-2.0
"""Whether a guest's pointer is put where it is to be, or moved there.

A guest with a tablet is told positions. One without can only be told of
movements: these are from where its pointer was put last, as far as the worker
knows.
"""

import logging

from nova_dmore.channel import input_event
from nova_dmore.worker.devices.keyboard import qemu_events

LOG = logging.getLogger(__name__)

#: QEMU's words if the guest has no tablet.
_NO_TABLET = 'event type abs'


class Pointer:
    """The pointer of one QEMU's guest."""

    def __init__(self) -> None:
        self._is_relative = False
        # Where a pointer without position is.
        self._place: qemu_events.Place | None = None

    def forget(self) -> None:
        """It may be another QEMU."""
        self._is_relative = False
        self._place = None

    def told(self, event: input_event.Pointer, place: qemu_events.Place,
             buttons: int) -> list[qemu_events.QemuEvent]:
        """-> what QEMU is told of an event.

        :param place: the event's, in pixels
        :param buttons: those that are down before it
        """
        if self._is_relative:
            moved = qemu_events.moved_by(self._place or place, place)
        else:
            moved = qemu_events.moved_to(event)
        return moved + qemu_events.buttons(buttons, event.buttons)

    def is_at(self, place: qemu_events.Place | None) -> None:
        """It was moved there; None: it was not moved."""
        if place is not None:
            self._place = place

    def is_refused(self, error: str) -> bool:
        """Take QEMU's error.

        :returns: whether it was that there is no tablet: the event is to be
            sent again, and moves the pointer then
        """
        if _NO_TABLET not in error or self._is_relative:
            return False
        LOG.info('The guest has no tablet: its pointer is moved')
        self._is_relative = True
        return True
