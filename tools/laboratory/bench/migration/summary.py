# SPDX-License-Identifier: Apache-2.0
"""From rows to figures, tables and what is aimed for. Pure."""

import collections
import statistics
from collections.abc import Callable, Iterable, Sequence

from laboratory.bench.migration.plan import DMORE, SIDES, STOCK, UNSYNCHRONISED
from laboratory.bench.migration.rows import counted
from laboratory.tables import columns, Rows

#: The figures with their units, in the order in which they are reported.
UNITS = {
    'keys_lost': 'keys', 'keys_doubled': 'keys',
    'tcp_retransmits': 'segments', 'output_bytes_missing': 'bytes',
    'total_s': 's', 'instance_stop_ms': 'ms', 'domr_stop_ms': 'ms',
    'stop_skew_ms': 'ms', 'max_response_ms': 'ms'}
#: What tells one cell from another.
CELL = ('instance_mib', 'client', 'key_interval_ms', 'guest')
#: The clocks' and libvirt's opinion, to a figure by what QEMU says.
_OPINIONS = {
    'instance_stop_ms': ('instance_stop_clock_ms',
                         'instance_stop_libvirt_ms'),
    'domr_stop_ms': ('domr_stop_clock_ms', 'domr_stop_libvirt_ms')}
_OVER_STOP_MS = 150


def figures(rows: Sequence[dict]) -> list[dict]:
    """As the JSON file has them: medians, and medians of the ratios of what
    was measured in the same run."""
    made = []
    for cell, runs in _by_cell(rows).items():
        for name, unit in UNITS.items():
            values = {side: [run[side][name] for run in runs if side in run
                             and run[side][name] is not None]
                      for side in SIDES}
            if not any(values.values()):
                continue
            made.append({
                'name': name, 'unit': unit, **dict(zip(CELL, cell)),
                **{side: _median(values[side]) for side in SIDES},
                'dmore_over_stock': _median(_ratios(runs, name, STOCK)),
                'dmore_over_unsynchronised':
                    _median(_ratios(runs, name, UNSYNCHRONISED)),
                'runs': len(values[DMORE])})
    order = list(UNITS)
    return sorted(made, key=lambda each: order.index(each['name']))


def _by_cell(rows: Iterable[dict]) -> dict[tuple, list[dict[str, dict]]]:
    """For each cell, for each run, the row of each side that counts."""
    made: dict[tuple, dict[int, dict]] = collections.defaultdict(
        lambda: collections.defaultdict(dict))
    for row in counted(list(rows)):
        cell = tuple(row[name] for name in CELL)
        made[cell][row['run']][row['side']] = row
    return {cell: list(runs.values()) for cell, runs in made.items()}


def _ratios(runs: Sequence[dict[str, dict]], name: str, side: str
            ) -> list[float]:
    """The ratios of Domain R's value to another one of the same run."""
    pairs = [(run[DMORE][name], run[side][name]) for run in runs
             if DMORE in run and side in run]
    return [ours / theirs for ours, theirs in pairs
            if ours is not None and theirs]


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None


def table(rows: Sequence[dict], made: Sequence[dict]) -> str:
    """The figures for people: median (least to most)."""
    by_cell = _by_cell(rows)
    lines: Rows = [['figure', 'MiB', 'guest', 'client', 'key/ms', *SIDES,
                    '/stock', '/unsync.', 'runs']]
    for each in made:
        runs = by_cell[tuple(each[name] for name in CELL)]
        lines.append([
            each['name'], each['instance_mib'], each['guest'],
            each['client'], each['key_interval_ms'],
            *(_spread([run[side][each['name']] for run in runs
                       if side in run]) for side in SIDES),
            each['dmore_over_stock'], each['dmore_over_unsynchronised'],
            each['runs']])
    return columns(lines, digits=2)


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return '-'
    text = f'{statistics.median(known):g}'
    if len(known) > 1:
        text += f' ({min(known):g} to {max(known):g})'
    return text


def opinions(rows: Sequence[dict]) -> str:
    """How far what was measured in other ways is from what QEMU says."""
    lines: Rows = [['another way, ms more than QEMU says', 'median', 'least',
                    'most', 'of']]
    for name, others in _OPINIONS.items():
        for other in others:
            over = [row[other] - row[name] for row in counted(rows)
                    if row[name] is not None and row[other] is not None]
            if over:
                lines.append([other, statistics.median(over), min(over),
                              max(over), len(over)])
    return columns(lines, digits=1)


def directions(rows: Sequence[dict]) -> str:
    """Whether it matters where a migration starts: stock's do at both hosts,
    while each kind of the pair's starts at one."""
    names = 'total_s', 'instance_stop_ms'
    lines: Rows = [['stock, from', *names, 'of']]
    stock = [row for row in counted(rows) if row['side'] == STOCK]
    for source in sorted({row['source'] for row in stock}):
        found = [row for row in stock if row['source'] == source]
        lines.append([source, *(_spread([row[name] for row in found])
                                for name in names), len(found)])
    return columns(lines)


def where_time_goes(rows: Sequence[dict]) -> str:
    """When what happens, by side; medians of all, in seconds."""
    times: dict[str, dict[str, list[float]]] = collections.defaultdict(
        lambda: {side: [] for side in SIDES})
    for row in counted(rows):
        for what, at in row['timeline'].items():
            times[what][row['side']].append(at)
    lines: Rows = [['seconds after the request', *SIDES]]
    lines += [[what, *(statistics.median(found) if found else None
                       for found in sides.values())]
              for what, sides in sorted(times.items(), key=lambda item: (
                  statistics.median([at for each in item[1].values()
                                     for at in each])))]
    return columns(lines, digits=2)


def aims(rows: Sequence[dict], made: Sequence[dict]) -> list[str]:
    """What was aimed for; it is met if it is in every cell."""
    by_cell = _by_cell(rows)

    def of_figure(name: str, ratio: str) -> dict[tuple, float]:
        return {tuple(each[key] for key in CELL): each[ratio] for each in made
                if each['name'] == name and each[ratio] is not None}

    def of_runs(measure: Callable[[dict], float | None]) -> dict[tuple, float]:
        found = {cell: [value for run in runs if DMORE in run and (
            value := measure(run[DMORE])) is not None]
            for cell, runs in by_cell.items()}
        return {cell: statistics.median(values)
                for cell, values in found.items() if values}

    return [_aim(*each) for each in (
        ("instance's stop, with a pair / stock", 1.10, 2,
         of_figure('instance_stop_ms', 'dmore_over_stock')),
        ('whole migration, with a pair / stock', 1.15, 2,
         of_figure('total_s', 'dmore_over_stock')),
        ('whole migration, synchronised / unsynchronised', 1.05, 2,
         of_figure('total_s', 'dmore_over_unsynchronised')),
        ("longest response, ms above the instance's stop", _OVER_STOP_MS, 0,
         of_runs(lambda row: _over(row))),
        ("Domain R's stop / the instance's", 1.5, 2,
         of_runs(lambda row: row['domr_stop_ms'] / row['instance_stop_ms']
                 if row['domr_stop_ms'] and row['instance_stop_ms']
                 else None)))]


def _over(row: dict) -> float | None:
    if row['max_response_ms'] is None or row['instance_stop_ms'] is None:
        return None
    return row['max_response_ms'] - row['instance_stop_ms']


def _aim(text: str, limit: float, digits: int, values: dict[tuple, float]
         ) -> str:
    if not values:
        return f'not measured: {text}'
    met = sum(value <= limit for value in values.values())
    worst = max(values, key=values.__getitem__)
    where = ', '.join(f'{name} {value}' for name, value in zip(CELL, worst)
                      if value is not None)
    return (f'{"met" if met == len(values) else "MISSED"}: {text}: '
            f'{statistics.median(values.values()):.{digits}f}, at most '
            f'{values[worst]:.{digits}f} ({where}); aim: at most {limit:g}, '
            f'met in {met} of {len(values)} circumstances')


def excluded(rows: Sequence[dict]) -> list[str]:
    """The migrations that do not count."""
    return sorted({f'not counted: run {row["run"]}, {row["side"]}, '
                   f'{row["instance_mib"]} MiB, {row["guest"]}: '
                   f'{row["excluded"]}' for row in rows if row['excluded']})
