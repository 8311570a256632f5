# SPDX-License-Identifier: Apache-2.0
"""What clients are told in pixels: instead of a picture, and over one."""

from nova_dmore.domr.servers.vnc import drawing
from nova_dmore.domr.servers.vnc import glyphs
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire

State = wire.InstanceState

#: Instead of a picture.
_LINES = {
    None: ('There is no picture now.', '',
           'The instance is off, or has just been started.'),
    State.OFF: ('The instance is off.', '',
                'What you type is not kept for its next start.'),
    State.PAUSED: ('The instance is paused.', '',
                   'What you type is dropped.'),
    State.CRASHED: ('The instance has crashed.', '', 'It takes no input.'),
    State.REBOOTING: ('The instance is rebooting.', '',
                      'Its display shows nothing yet.'),
    State.MIGRATING: ('The instance is being migrated.', '',
                      'Its picture comes in a moment.'),
    State.RUNNING: ('The instance runs.', '',
                    'It has no display, or shows nothing yet.'),
}
#: Over a picture.
_BANNERS: dict[State | None, str] = {
    State.PAUSED: 'paused: what you type is dropped',
    State.CRASHED: 'crashed: it takes no input',
    State.REBOOTING: 'rebooting',
    State.MIGRATING: 'being migrated: this console goes on',
}
_PASTING = 'pasting: Escape stops it'
_MARGIN = 8
_BLANK_ROWS = 40


def blank(state: State | None) -> bytes:
    """The rows in the middle of the picture that stands for one; the rest of
    it is black."""
    return drawing.draw(_LINES[state], protocol.BLANK_WIDTH, _BLANK_ROWS)


def banner(state: State | None, pasting: bool, controlled: str | None = None,
           pasted: str | None = None) -> str | None:
    """What is said over a picture, if anything.

    :param pasting: a clipboard is being typed
    :param controlled: that one client has control, if it is to be said
    :param pasted: what a user is to know of what is pasted, if anything
    """
    if state in _BANNERS:
        return _BANNERS[state]
    if controlled is not None:
        return controlled
    texts = [pasted] if pasted is not None else []
    if pasting:
        texts.append(_PASTING)
    return '; '.join(texts) or None


def strip(text: str | None, width: int) -> tuple[bytes, int, int]:
    """The banner on a picture.

    :param width: of the picture; 0: there is none
    :returns: its rows, as wide as the picture, that width, and from where on
        the rows are to be shown; without one, nothing and zeros
    """
    if text is None or not 0 < width <= protocol.BANNER_WIDTH_MAX:
        return b'', 0, 0
    wide = min(width, len(text) * glyphs.WIDTH + 2 * _MARGIN)
    part = drawing.draw([text], wide, protocol.BANNER_ROWS,
                        drawing.BLACK_ON_YELLOW)
    left = width - wide
    rows = b''.join(bytes(left * 4) + part[start:start + wide * 4]
                    for start in range(0, len(part), wide * 4))
    return rows, width, left
