# SPDX-License-Identifier: Apache-2.0
"""A cast as a picture that moves: what a page can show without a program.

All frames lie below each other, and a window moves over them in steps. A row
that several frames have is there once. Pure.
"""

import dataclasses
import json
from collections.abc import Iterable
from xml.sax import saxutils

import pyte

#: What happens within so many seconds is one frame.
_FRAME_S = 0.4
#: Nobody wants to wait longer than that, in seconds, ...
_IDLE_MAX_S = 2.0
#: ... and the last frame is shown so long before all begins anew.
_LAST_S = 4.0
#: Of a character, and around all, in pixels.
_WIDTH, _HEIGHT, _MARGIN = 8.4, 17, 12
_STYLE = ('svg{{background:#1b1e23}}'
          'text{{font:14px monospace;fill:#d8dee9;white-space:pre}}'
          '#all{{animation:all {seconds:.1f}s step-end infinite}}'
          '@keyframes all{{{steps}}}')


@dataclasses.dataclass(frozen=True)
class Frame:
    """What is shown for a while.

    :ivar seconds: how long
    """

    rows: tuple[str, ...]
    seconds: float


def picture(cast: Iterable[str]) -> str:
    """An SVG of an asciinema cast of version 2.

    :param cast: its lines
    :raises ValueError: it is none
    """
    head, *events = map(json.loads, cast)
    columns, rows = head['width'], head['height']
    return _drawn(list(frames(columns, rows, events)), columns, rows,
                  head.get('title', ''))


def frames(columns: int, rows: int, events: Iterable[tuple[float, str, str]]
           ) -> Iterable[Frame]:
    """What a terminal of that size shows, and how long."""
    screen = pyte.Screen(columns, rows)
    stream = pyte.Stream(screen)
    shown: tuple[str, ...] | None = None
    since = latest = 0.0
    for at, kind, text in events:
        if kind != 'o':
            continue
        if at - latest > _FRAME_S or shown is None:
            now = tuple(line.rstrip() for line in screen.display)
            if shown is not None and now != shown:
                yield Frame(shown, min(latest - since, _IDLE_MAX_S))
                since = latest
            shown, latest = now, at
        stream.feed(text)
    if shown is not None:
        yield Frame(shown, min(latest - since, _IDLE_MAX_S))
        yield Frame(tuple(line.rstrip() for line in screen.display), _LAST_S)


def _drawn(shown: list[Frame], columns: int, rows: int, title: str) -> str:
    seconds = sum(frame.seconds for frame in shown)
    width = round(columns * _WIDTH + 2 * _MARGIN)
    height = rows * _HEIGHT + 2 * _MARGIN
    steps, passed = [], 0.0
    names: dict[str, str] = {}
    places = []
    for number, frame in enumerate(shown):
        steps.append(f'{100 * passed / seconds:.3f}%'
                     f'{{transform:translateY({-number * height}px)}}')
        passed += frame.seconds
        for row, text in enumerate(frame.rows):
            if text:
                name = names.setdefault(text, f'r{len(names)}')
                top = number * height + _MARGIN + (row + 0.8) * _HEIGHT
                places.append(f'<use href="#{name}" y="{top:.1f}"/>')
    rows_once = ''.join(
        f'<text id="{name}" x="{_MARGIN}">{saxutils.escape(text)}</text>'
        for text, name in names.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}">'
        f'<title>{saxutils.escape(title)}</title><style>'
        + _STYLE.format(seconds=seconds, steps=''.join(steps))
        + f'</style><defs>{rows_once}</defs>'
        f'<g id="all">{"".join(places)}</g></svg>\n')
