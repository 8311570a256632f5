# SPDX-License-Identifier: Apache-2.0
"""What QEMU is told of keys and the pointer: its QMP's InputEvents."""

from typing import Any, TypeAlias

from nova_dmore.channel import errors
from nova_dmore.channel import input_event
from nova_dmore import wire

_SIZE = wire.INPUT_RECORD_SIZE

#: What a pointer without a position has moved over, if nothing is known.
_DEFAULT_SIZE = (1024, 768)

#: An InputEvent of QEMU's QMP.
QemuEvent: TypeAlias = dict[str, Any]
#: x and y in pixels.
Place: TypeAlias = tuple[int, int]


def key(number: int, down: bool) -> QemuEvent:
    """A key, by its number as in :class:`input_event.Key`."""
    return {'type': 'key', 'data': {
        'key': {'type': 'number', 'data': number}, 'down': down}}


def buttons(before: int, after: int) -> list[QemuEvent]:
    """What changes between two states of all buttons."""
    return [{'type': 'btn', 'data': {
                'button': name, 'down': bool(after >> bit & 1)}}
            for bit, name in enumerate(input_event.BUTTONS)
            if (before ^ after) >> bit & 1]


def moved_to(event: input_event.Pointer) -> list[QemuEvent]:
    """The events of a pointer that has positions."""
    return [{'type': 'abs', 'data': {'axis': axis, 'value': value}}
            for axis, value in (('x', event.x), ('y', event.y))]


def moved_by(before: Place, after: Place) -> list[QemuEvent]:
    """The events of a pointer that has none; nothing if it stands still."""
    return [{'type': 'rel', 'data': {'axis': axis, 'value': new - old}}
            for axis, old, new in zip('xy', before, after, strict=True)
            if new != old]


def pixels(event: input_event.Pointer, mode: int) -> Place:
    """-> where a pointer is.

    :param mode: the word of the region's DISPLAY_MODE, 0: not known
    """
    mode = mode >> 32 or mode   # that of the whole picture, if it is said
    width, height = ((mode & 0xffff, mode >> 16) if mode
                     else _DEFAULT_SIZE)
    return (event.x * width // (input_event.POINTER_MAX + 1),
            event.y * height // (input_event.POINTER_MAX + 1))


def following(data: bytes) -> tuple[int, input_event.Event | None]:
    """-> (records, event): the next one, and how many it stands for.

    Of a pointer that moves with the same buttons only the last place counts.
    The event is None if the first record is none.
    """
    event: input_event.Event | None = None
    count = 0
    for start in range(0, len(data) - _SIZE + 1, _SIZE):
        try:
            found = input_event.unpack(data[start:start + _SIZE])
        except errors.InputEventError:
            break
        if event is not None and not (
                isinstance(event, input_event.Pointer) and
                isinstance(found, input_event.Pointer) and
                event.buttons == found.buttons):
            break
        event, count = found, count + 1
        if isinstance(event, input_event.Key):
            break
    return count, event
