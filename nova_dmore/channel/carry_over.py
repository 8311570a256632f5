# SPDX-License-Identifier: Apache-2.0
"""What crosses hosts beside the two VMs: a few offsets and bytes."""

import base64
import binascii
from collections.abc import Callable
import dataclasses
from typing import Any

from nova_dmore.channel import control
from nova_dmore.channel import display
from nova_dmore.channel import errors
from nova_dmore.channel import input_event
from nova_dmore.channel import text
from nova_dmore import wire

#: Bytes of one stream that a carry-over holds at most.
CARRY_OVER_DATA_MAX = 1 << 19

#: The highest epoch and offset that a source can have. A hostile Domain R can
#: have moved them to JUMP_MAX; half as much again is for the hosts that have
#: gone on from there, and the rest is left for the destination.
_EPOCH_MAX = wire.EPOCH_MAX - (wire.EPOCH_MAX >> 2)
_OFFSET_MAX = wire.OFFSET_MAX - (wire.OFFSET_MAX >> 2)


@dataclasses.dataclass(frozen=True)
class Unstored:
    """Bytes of a stream that Domain R is not known to have stored.

    :ivar base: offset of the first byte
    """

    base: int
    data: bytes

    def last(self, most: int) -> 'Unstored':
        """-> the last bytes of it, no more than so many."""
        left_out = max(0, len(self.data) - most)
        return Unstored(self.base + left_out, self.data[left_out:])


@dataclasses.dataclass(frozen=True)
class CarryOver:
    """The source host's end of the channel at the stop.

    It is idempotent: bytes and offsets that Domain R knows already are
    recognised by their offsets.

    :ivar epoch: the last epoch that the source has raised
    :ivar acknowledged: Domain R has acknowledged the freeze
    :ivar taken: per TO_HOST stream, what the instance's device has taken
    :ivar unstored: per TO_DOMAIN_R stream
    :ivar picture: what the clients have been shown, None if nobody knows
    :ivar buttons: those of the pointer that are down in the instance's
        device, by their bit in ``input_event.BUTTONS``
    :ivar keys: numbers of the keys that are down there
    :ivar owed_keys: those of them that nobody holds any more
    :ivar owed_buttons: likewise
    """

    epoch: int
    acknowledged: bool
    taken: dict[wire.Stream, int]
    unstored: dict[wire.Stream, Unstored]
    picture: display.Picture | None = None
    buttons: int = 0
    keys: frozenset[int] = frozenset()
    owed_keys: frozenset[int] = frozenset()
    owed_buttons: int = 0

    def to_json(self) -> dict[str, Any]:
        """As an object that ``json.dumps`` takes."""
        return {
            'layout_version': wire.LAYOUT_VERSION,
            'epoch': self.epoch,
            'acknowledged': self.acknowledged,
            'taken': {stream.name.lower(): offset
                      for stream, offset in self.taken.items()},
            'unstored': {
                stream.name.lower(): {
                    'base': each.base,
                    'data': base64.b64encode(each.data).decode('ascii')}
                for stream, each in self.unstored.items()},
            **_pictures(self.picture),
            **_buttons(self.buttons),
            _KEYS: sorted(self.keys),
            _OWED_KEYS: sorted(self.owed_keys),
            _OWED_BUTTONS: self.owed_buttons,
        }

    def within(self, limits: Callable[[wire.Stream], int]) -> 'CarryOver':
        """-> the same without bytes that a destination has no room for.

        :param limits: called with a stream, returns how many it takes
        """
        return dataclasses.replace(self, unstored={
            stream: each.last(limits(stream))
            for stream, each in self.unstored.items()})

    @classmethod
    def from_json(cls, value: object) -> 'CarryOver':
        """Validate an object that came from another host.

        :raises CarryOverError: it is malformed, of another layout version,
            or larger than allowed
        """
        fields = _object('carry-over', value)
        version = fields.get('layout_version')
        if version != wire.LAYOUT_VERSION:
            raise errors.CarryOverError(
                f'carry-over of layout version '
                f'{text.printable(version, 40)}, not '
                f'{wire.LAYOUT_VERSION}')
        epoch = _number('epoch', fields.get('epoch'), _EPOCH_MAX)
        acknowledged = fields.get('acknowledged')
        if not isinstance(acknowledged, bool):
            raise errors.CarryOverError('acknowledged is not a boolean')
        taken = {
            stream: _number(f'taken of {stream.name}', offset, _OFFSET_MAX)
            for stream, offset in _streams(
                'taken', fields.get('taken'), wire.Direction.TO_HOST)}
        unstored = {
            stream: _unstored(stream, each)
            for stream, each in _streams(
                'unstored', fields.get('unstored'),
                wire.Direction.TO_DOMAIN_R)}
        return cls(epoch, acknowledged, taken, unstored,
                   _picture_of(fields), _buttons_of(fields),
                   _keys_of(fields, _KEYS), _keys_of(fields, _OWED_KEYS),
                   _number(_OWED_BUTTONS, fields.get(_OWED_BUTTONS, 0),
                           _ALL_BUTTONS))


def without_secrets(value: object) -> dict[str, Any]:
    """Remove the secrets from a carry-over (JSON) that leaves the host.

    The source's shadow-device process has done so already, unless it was
    started before an upgrade.

    :raises CarryOverError: the control stream is not found in it
    """
    stream = wire.Stream.CONTROL_TO_DOMAIN_R
    name = stream.name.lower()
    fields = _object('carry-over', value)
    unstored = _object('unstored', fields.get('unstored'))
    each = _object(name, unstored.get(name))
    data = control.without_secrets(
        _data(stream.name, each.get('data'), CARRY_OVER_DATA_MAX))
    return {**fields, 'unstored': {**unstored, name: {
        **each, 'data': base64.b64encode(data).decode('ascii')}}}


def _object(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise errors.CarryOverError(f'{what} is not an object')
    return value


def _number(what: str, value: object, limit: int) -> int:
    # A bool is an int to isinstance.
    if type(value) is not int or not 0 <= value <= limit:
        raise errors.CarryOverError(
            f'{what} is {text.printable(value, 40)}, not a number from 0 to '
            f'{limit}')
    return value


def _streams(what: str, value: object, direction: wire.Direction
             ) -> list[tuple[wire.Stream, Any]]:
    fields = _object(what, value)
    wanted = [stream for stream, (each, _) in wire.GEOMETRY.items()
              if each is direction]
    if set(fields) != {stream.name.lower() for stream in wanted}:
        raise errors.CarryOverError(
            f'{what} does not name exactly the streams of layout version '
            f'{wire.LAYOUT_VERSION}')
    return [(stream, fields[stream.name.lower()]) for stream in wanted]


def _unstored(stream: wire.Stream, value: object) -> Unstored:
    fields = _object(stream.name, value)
    base = _number(f'base of {stream.name}', fields.get('base'),
                   _OFFSET_MAX)
    return Unstored(base, _data(stream.name, fields.get('data'),
                                CARRY_OVER_DATA_MAX))


#: Buttons of the pointer that hosts of release 0.2 know; with others they
#: would refuse the carry-over, but for a field that they do not read.
_EARLIER_BUTTONS = 0x7f
_MORE_BUTTONS = 'more_buttons'
_ALL_BUTTONS = (1 << len(input_event.BUTTONS)) - 1


def _buttons(buttons: int) -> dict[str, int]:
    """The fields of a carry-over that tell of buttons."""
    return {'buttons': buttons & _EARLIER_BUTTONS,
            _MORE_BUTTONS: buttons & ~_EARLIER_BUTTONS}


def _buttons_of(carry_over: dict[str, Any]) -> int:
    """The inverse of :func:`_buttons`; a host of an earlier release says
    nothing of more."""
    return (_number('buttons', carry_over.get('buttons'), _ALL_BUTTONS)
            | _number(_MORE_BUTTONS, carry_over.get(_MORE_BUTTONS, 0),
                      _ALL_BUTTONS))


#: Hosts of release 0.2 neither say nor read these.
_KEYS = 'keys'
_OWED_KEYS = 'owed_keys'
_OWED_BUTTONS = 'owed_buttons'
_KEY_MAX = 0xff


def _keys_of(carry_over: dict[str, Any], name: str) -> frozenset[int]:
    numbers = carry_over.get(name, [])
    if not isinstance(numbers, list) or len(numbers) > _KEY_MAX + 1:
        raise errors.CarryOverError(f'{name} is no list, or too long')
    return frozenset(_number('a key', each, _KEY_MAX) for each in numbers)


#: What a picture is called that hosts of release 0.2 would refuse, and the
#: rest of the carry-over with it: they read no other name than ``picture``.
_LARGE = 'large_picture'


def _is_large(picture: display.Picture) -> bool:
    return (picture.width > wire.EARLIER_WIDTH_MAX
            or picture.height > wire.EARLIER_HEIGHT_MAX)


def _pictures(picture: display.Picture | None) -> dict[str, Any]:
    """The fields of a carry-over that tell of a picture."""
    if picture is None:
        return {'picture': None}
    fields = {
        'width': picture.width, 'height': picture.height,
        'bands': base64.b64encode(b''.join(picture.bands)).decode('ascii')}
    return ({'picture': None, _LARGE: fields} if _is_large(picture)
            else {'picture': fields})


def _picture_of(carry_over: dict[str, Any]) -> display.Picture | None:
    """The inverse of :func:`_pictures`."""
    value = carry_over.get('picture')
    if _LARGE not in carry_over:
        return None if value is None else _picture(
            value, wire.EARLIER_WIDTH_MAX, wire.EARLIER_HEIGHT_MAX)
    picture = _picture(
        carry_over[_LARGE], display.SIDE_MAX, display.SIDE_MAX)
    if value is not None or not _is_large(picture):
        raise errors.CarryOverError(f'{_LARGE} is not one')
    return picture


def _picture(value: object, width_max: int, height_max: int
             ) -> display.Picture:
    fields = _object('picture', value)
    width = _number('width', fields.get('width'), width_max)
    height = _number('height', fields.get('height'), height_max)
    count = display.band_count(height)
    data = _data('picture', fields.get('bands'), count * display.HASH_SIZE)
    if len(data) != count * display.HASH_SIZE:
        raise errors.CarryOverError('the picture lacks bands')
    return display.Picture(width, height, tuple(
        data[start:start + display.HASH_SIZE]
        for start in range(0, len(data), display.HASH_SIZE)))


def _data(what: str, encoded: object, limit: int) -> bytes:
    if not isinstance(encoded, str) or len(encoded) > (limit + 2) // 3 * 4:
        raise errors.CarryOverError(
            f'the data of {what} is no text or too long')
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.CarryOverError(
            f'the data of {what} is not base64: {error}') from error
    if len(data) > limit:
        raise errors.CarryOverError(f'the data of {what} is too long')
    return data
