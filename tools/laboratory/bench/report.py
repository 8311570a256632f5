# SPDX-License-Identifier: Apache-2.0
"""The graphical console: names, medians of the runs, JSON, tables. Pure."""

import statistics
from collections.abc import Mapping, Sequence

from laboratory.tables import columns
from laboratory.users.figures import percentile

#: The figures with their units, in the order in which they are reported.
UNITS = {
    'key_to_pixel_ms_p50': 'ms',
    'key_to_pixel_ms_p99': 'ms',
    'updates_per_s_1024x768': '1/s',
    'updates_per_s_1920x1080': '1/s',
    'cpu_idle_pct': '% of a core',
    'cpu_busy_pct': '% of a core',
    'wire_mib_per_s': 'MiB/s',
}
SIDES = ('qemu', 'dmore')
#: What is aimed for with each accelerator. Under TCG Domain R's encoder is
#: emulated, so that nothing is asked of its rate.
_LATENCY_MS = {'kvm': 5, 'tcg': 25}
_RATE_RATIO = 0.9
_IDLE_PCT = 0.5

#: Of one side, a name to the value of each run.
Runs = Mapping[str, Sequence[float]]


def figures(qemu: Runs, dmore: Runs) -> list[dict]:
    """As the JSON file has them."""
    made = []
    for name, unit in UNITS.items():
        ours, theirs = (statistics.median(side[name])
                        for side in (dmore, qemu))
        made.append({
            'name': name, 'unit': unit, 'qemu': round(theirs, 3),
            'dmore': round(ours, 3),
            'ratio': round(ours / theirs, 3) if theirs else None,
            'runs': min(len(qemu[name]), len(dmore[name]))})
    return made


def table(made: Sequence[dict]) -> str:
    """The same for people."""
    return columns([
        ['figure', 'unit', 'QEMU', 'Domain R', 'ratio', 'runs'],
        *(each.values() for each in made)], digits=2)


def aims(made: Sequence[dict], accelerator: str) -> list[str]:
    """What was aimed for, and whether it is so."""
    by_name = {each['name']: each for each in made}
    latency = by_name['key_to_pixel_ms_p50']
    over = latency['dmore'] - latency['qemu']
    found = [(over <= _LATENCY_MS[accelerator],
              f"median latency {over:.1f} ms over QEMU's, aim: at most "
              f'{_LATENCY_MS[accelerator]} ms')]
    if accelerator == 'kvm':
        for name in ('updates_per_s_1024x768', 'updates_per_s_1920x1080'):
            ratio = by_name[name]['ratio'] or 0.0
            found.append((ratio >= _RATE_RATIO,
                          f"{name} {ratio:.2f} of QEMU's, aim: at least "
                          f'{_RATE_RATIO}'))
        idle = by_name['cpu_idle_pct']
        more = idle['dmore'] - idle['qemu']
        found.append((more < _IDLE_PCT,
                      f'no client: {more:.2f} % of a core more than QEMU, '
                      f'aim: below {_IDLE_PCT} %'))
    return [f'{"met" if met else "MISSED"}: {text}' for met, text in found]


def stages_table(stages: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Where the time goes on the way through Domain R, in ms.

    :param stages: of each path, a stage to its durations
    """
    parts = []
    for path, durations in stages.items():
        parts.append(columns([[path, 'p50', 'p90', 'max'], *(
            [stage, percentile(values, 0.5), percentile(values, 0.9),
             max(values)]
            for stage, values in durations.items() if values)], digits=1))
    return '\n\n'.join(parts)


def encodings_table(made: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """How much of a busy screen each encoding gets across.

    :param made: of each encoding, a side to its rate per second and MiB/s
    """
    return columns([
        ['1024x768 by encoding', *(f'{side}, {unit}' for side in SIDES
                                   for unit in ('1/s', 'MiB/s'))],
        *([name, *(value for side in SIDES for value in sides[side])]
          for name, sides in made.items())], digits=2)
