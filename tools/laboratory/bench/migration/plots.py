# SPDX-License-Identifier: Apache-2.0
"""Draws the figures, as the authors of D-MORE did theirs.

They are ``keys-lost.png``, ``total.png``, ``stop.png`` and ``response.png``.
"""

import pathlib
import statistics
from collections.abc import Callable, Sequence

import matplotlib

from laboratory.bench.migration.plan import CLIENTS, DMORE, SIDES, STOCK
from laboratory.bench.migration.rows import counted

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (needs the line above)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

_TITLES = {'stock': 'stock', 'unsynchronised': 'unsynchronised pair',
           'dmore': 'synchronised pair'}
_COLOURS = {'stock': '#888888', 'unsynchronised': '#e69f00',
            'dmore': '#0072b2'}
_MARKERS = {'stock': 'o', 'unsynchronised': 's', 'dmore': 'x'}
_CLIENTS = {'ssh': 'SSH (stock: serial)', 'vnc': 'VNC'}
_SIZE = (11, 4.5)
_DPI = 110

Value = Callable[[dict], float | None]


def draw(rows: Sequence[dict], folder: pathlib.Path) -> list[pathlib.Path]:
    """Make the files; which they are.

    :param rows: as in ``raw`` of the JSON file
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = counted(rows)
    made = []
    for name, make in (('keys-lost', _keys_lost), ('total', _total),
                       ('stop', _stop), ('response', _response)):
        figure, axes = pyplot.subplots(1, 2, figsize=_SIZE,
                                       layout='constrained')
        make(rows, list(axes))
        # Both have the same, or the second one fewer.
        figure.legend(*axes[0].get_legend_handles_labels(),
                      loc='outside upper center', ncols=3, fontsize=8)
        made.append(folder / f'{name}.png')
        figure.savefig(made[-1], dpi=_DPI)
        pyplot.close(figure)
    return made


def _keys_lost(rows: Sequence[dict], axes: Sequence[Axes]) -> None:
    for client, axis in zip(CLIENTS, axes):
        typed = [row for row in rows if row['client'] == client
                 and row['keys_lost'] is not None]
        for interval, style in ((50, '-'), (5, '--')):
            for side in SIDES:
                lost = [row['keys_lost'] for row in typed
                        if row['side'] == side
                        and row['key_interval_ms'] == interval]
                axis.plot(range(1, len(lost) + 1), lost, style,
                          marker=_MARKERS[side], markersize=9,
                          fillstyle='none', color=_COLOURS[side],
                          label=f'{_TITLES[side]}, a key per {interval} ms')
        axis.set(title=_CLIENTS[client], xlabel='migration',
                 ylabel='keys lost')
        axis.set_yscale('symlog', linthresh=1)
        axis.set_ylim(bottom=-0.2)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _total(rows: Sequence[dict], axes: Sequence[Axes]) -> None:
    for client, axis in zip(CLIENTS, axes):
        _bars(axis, [row for row in rows if row['client'] == client],
              {_TITLES[side]: (side, _COLOURS[side], _of('total_s'))
               for side in SIDES})
        axis.set(title=_CLIENTS[client], ylabel='whole migration, s')


def _stop(rows: Sequence[dict], axes: Sequence[Axes]) -> None:
    _bars(axes[0], rows, {
        _TITLES[side]: (side, _COLOURS[side], _of('instance_stop_ms'))
        for side in SIDES})
    axes[0].set(title='the instance', ylabel='stood still, ms')
    _bars(axes[1], rows, {
        _TITLES[side]: (side, _COLOURS[side], _of('domr_stop_ms'))
        for side in SIDES if side != STOCK})
    axes[1].set(title='Domain R', ylabel='stood still, ms')


def _response(rows: Sequence[dict], axes: Sequence[Axes]) -> None:
    for client, axis in zip(CLIENTS, axes):
        typed = [row for row in rows if row['client'] == client
                 and row['max_response_ms'] is not None]
        _bars(axis, typed, {
            **{_TITLES[side]: (side, _COLOURS[side], _of('max_response_ms'))
               for side in SIDES},
            "the instance's own stop": (DMORE, '#56b4e9',
                                        _of('instance_stop_ms'))})
        axis.set(title=_CLIENTS[client],
                 ylabel='longest response, ms (stock: until it is back)')
        axis.set_yscale('log')


def _of(name: str) -> Value:
    return lambda row: row[name]


def _bars(axis: Axes, rows: Sequence[dict],
          series: dict[str, tuple[str, str, Value]]) -> None:
    """Medians, with a line from the least to the most.

    :param series: a label to a side, a colour, and what of its rows
    """
    groups: dict[str, list[dict]] = {}
    for row in rows:
        groups.setdefault(_circumstance(row), []).append(row)
    width = 0.8 / len(series)
    for place, (label, (side, colour, value)) in enumerate(series.items()):
        found = {at: values for at, group in enumerate(groups.values()) if (
            values := [number for row in group if row['side'] == side
                       and (number := value(row)) is not None])}
        heights = [statistics.median(values) for values in found.values()]
        spread = [[height - min(values) for height, values
                   in zip(heights, found.values())],
                  [max(values) - height for height, values
                   in zip(heights, found.values())]]
        axis.bar([at + place * width for at in found], heights, width,
                 yerr=spread if heights else None, capsize=2, color=colour,
                 label=label)
    axis.set_xticks([at + 0.4 - width / 2 for at in range(len(groups))],
                    list(groups), rotation=30, ha='right', fontsize=8)


def _circumstance(row: dict) -> str:
    typing = (f'{row["key_interval_ms"]} ms' if row['key_interval_ms']
              else 'no input')
    return f'{row["instance_mib"]} MiB, {row["guest"]}, {typing}'
