# SPDX-License-Identifier: Apache-2.0
"""What the demonstration says: table, JSON, whether it is as asked. Pure."""

import statistics
from collections.abc import Iterator, Sequence

from laboratory import tables
from laboratory.users import entries, figures
from laboratory.users.entries import Entry, Results

_STOCK = ('sent', 'received', 'lost', 'disconnects', 'break_s')
_DMORE = ('sent', 'received', 'lost', 'duplicated', 'reordered',
          'output_bytes_missing', 'output_bytes_duplicated', 'disconnects',
          'max_response_ms', 'tcp_retransmits')
_VNC = (*_DMORE, 'wrong_pixels')
_USERS = {'stock': {'serial': _STOCK, 'vnc': (*_VNC, 'break_s')},
          'dmore': {'ssh': _DMORE, 'serial': _DMORE, 'vnc': _VNC}}
_FIGURES = {
    'stock': ('instance_downtime_ms', 'migration_s'),
    'dmore': ('instance_downtime_ms', 'domr_downtime_ms', 'stop_skew_ms',
              'migration_s', 'output_bytes_per_s'),
}
_TITLES = {
    'stock': 'Stock instance: two users at once, nova-serialproxy and '
             'nova-novncproxy',
    'dmore': 'Instance with Domain R: three users at once, ssh, '
             'nova-serialproxy and nova-novncproxy',
}
#: Of the longest response at the VNC console during a migration, where no code
#: has to be translated anew: see *In a migration* in the measurements.
_VNC_OVER_STOP_MS = 150
#: Of the longest response of any user, the median of the migrations.
_OVER_STOP_MS = 1000
#: Of the responses while no migration is under way, the median.
_ECHO_MS = 100
#: Of the rate at which output comes, of that of an earlier run.
_OUTPUT_SHARE = 0.9
_SHARES = ('p50', 'p90', 'p99', 'max')
#: The heading of a column, where it is not the name of the figure.
_HEADINGS = {'output_bytes_missing': 'out_missing',
             'output_bytes_duplicated': 'out_dup.',
             'duplicated': 'dup.', 'tcp_retransmits': 'tcp_retr.',
             'wrong_pixels': 'wrong_px', 'reordered': 'reord.',
             'disconnects': 'cut', 'max_response_ms': 'max_ms'}


def as_json(results: Results, load: int = 0) -> dict:
    """The figures, an array of one value per migration behind each.

    :param load: how many busy loops ran beside the migrations
    """
    made: dict = {'load': load}
    for name, migrations in results.items():
        made[name] = {
            kind: [_user_json(name, entry, kind, columns)
                   for entry in migrations]
            for kind, columns in _USERS[name].items()}
        for figure in _FIGURES[name]:
            made[name][figure] = [getattr(entry, figure)
                                  for entry in migrations]
    return made


def _user_json(name: str, entry: Entry, kind: str, columns: Sequence[str]
               ) -> dict:
    user = entry.users[kind]
    values = {column: getattr(user, column) for column in columns}
    values['response_ms'] = user.responses
    values['over_stop_ms'] = over_stop_ms(entry, kind)
    values['echo_ms'] = user.echoes
    if name == 'dmore' or kind == 'vnc':
        values['emulator_corrupted'] = entry.corrupted is not None
    return values


def table(results: Results) -> str:
    """The same for people."""
    text = []
    for name, migrations in results.items():
        columns = _USERS[name]['vnc']
        rows: tables.Rows = [[
            'migration', 'client',
            *(_HEADINGS.get(column, column) for column in columns)]]
        for entry in migrations:
            rows += [[_way(entry), kind,
                      *(getattr(entry.users[kind], column)
                        if column in its else None for column in columns)]
                     for kind, its in _USERS[name].items()]
        others: tables.Rows = [['migration', *_FIGURES[name]]]
        others += [[_way(entry), *(getattr(entry, figure)
                                   for figure in _FIGURES[name])]
                   for entry in migrations]
        text += [_TITLES[name], tables.columns(rows, 2), '',
                 tables.columns(others), '']
        if name == 'dmore':
            text += [_responses(migrations), '']
        text += [f'{_way(entry)}: emulator_corrupted, not counted: '
                 f'{entry.corrupted}'
                 for entry in migrations if entry.corrupted]
    return '\n'.join(text)


def over_stop_ms(entry: Entry, kind: str) -> float | None:
    """How much longer a user waited at most than the instance stood still."""
    if entry.instance_downtime_ms is None:
        return None
    return round(entry.users[kind].max_response_ms
                 - entry.instance_downtime_ms, 1)


def aim(results: Results, earlier: float | None = None) -> str | None:
    """Which figures of an instance with Domain R are as aimed for, a line for
    each; nothing if there are none.

    :param earlier: the rate of output of another run, to compare with
    """
    counted = [entry for entry in results.get('dmore', ())
               if not entry.corrupted]
    return '\n'.join(_aims(counted, earlier)) or None


def _aims(migrations: Sequence[Entry], earlier: float | None
          ) -> Iterator[str]:
    over = [value for entry in migrations if 'vnc' in entry.users
            and (value := over_stop_ms(entry, 'vnc')) is not None]
    if over:
        yield (f'Longest response at the VNC console: {max(over):.0f} ms '
               f"above the instance's own stop. An aim, {_VNC_OVER_STOP_MS} "
               'ms, is there only for a hardware accelerator: this is '
               'emulation.')
    echoes = _echoes(migrations)
    if echoes:
        each = ', '.join(f'{kind} {median:.0f} ms'
                         for kind, median in echoes.items())
        yield (f'Echo while no migration is under way, median: {each}, aim: '
               f'at most {_ECHO_MS} ms: '
               f'{_met(max(echoes.values()) <= _ECHO_MS)}')
    longest = [max(over) for entry in migrations
               if None not in (over := [over_stop_ms(entry, kind)
                                        for kind in entry.users])]
    if longest:
        middle = statistics.median(longest)
        yield (f'Longest response in a migration, median of {len(longest)}: '
               f"{middle:.0f} ms above the instance's own stop, aim: at most "
               f'{_OVER_STOP_MS} ms: {_met(middle <= _OVER_STOP_MS)}')
    rate = figures.output_rate(as_json({'dmore': list(migrations)}))
    if rate is not None:
        yield _output_aim(rate, earlier)


def _echoes(migrations: Sequence[Entry]) -> dict[str, float]:
    """For each kind of user the median of the medians of the migrations."""
    medians: dict[str, list[float]] = {}
    for entry in migrations:
        for kind, user in entry.users.items():
            if 'p50' in user.echoes:
                medians.setdefault(kind, []).append(user.echoes['p50'])
    return {kind: statistics.median(values)
            for kind, values in medians.items()}


def _output_aim(rate: float, earlier: float | None) -> str:
    said = (f'Output while no migration is under way: {rate:.0f} bytes/s, '
            f'median, aim: at least {_OUTPUT_SHARE} of what it was before: ')
    if not earlier:
        return said + 'no earlier run to compare with (--before FILE).'
    return said + (f'{rate / earlier:.2f} of {earlier:.0f} bytes/s, '
                   f'{_met(rate >= _OUTPUT_SHARE * earlier)}')


def _met(is_so: bool) -> str:
    return 'met.' if is_so else 'MISSED.'


def _responses(migrations: Sequence[Entry]) -> str:
    """From a key to its answer, against the instance's own stop, and while no
    migration was under way."""
    rows: tables.Rows = [[
        'response, ms', 'client', *_SHARES, 'instance_stop', 'above_it',
        *(f'echo_{share}' for share in _SHARES)]]
    for entry in migrations:
        rows += [[_way(entry), kind,
                  *map(user.responses.get, _SHARES),
                  entry.instance_downtime_ms, over_stop_ms(entry, kind),
                  *map(user.echoes.get, _SHARES)]
                 for kind, user in entry.users.items()]
    return tables.columns(rows, 2)


def problems(results: Results, migrations: int) -> list[str]:
    """What is not as asked for; nothing if all is."""
    found = []
    for name, made in results.items():
        counted = [entry for entry in made if not entry.corrupted]
        corrupted = len(made) - len(counted)
        if len(counted) < migrations:
            found.append(f'{name}: {len(counted)} of {migrations} migrations')
        if corrupted > entries.allowed_corrupted(migrations):
            found.append(f'{name}: the emulator corrupted {corrupted} guests')
    for entry in results.get('dmore', ()):
        if entry.corrupted:
            continue
        found += [f'{_way(entry)}, {kind}: not all of lost, duplicated, '
                  'reordered, missing, disconnects and wrong_pixels are 0'
                  for kind, user in entry.users.items() if user.faults()]
    return found


def summary(results: Results, migrations: int,
            earlier: float | None = None) -> str:
    """All of it in one sentence, and whether an aim is missed.

    :param earlier: see :func:`aim`
    """
    parts = []
    for name, made in results.items():
        counted = [entry for entry in made if not entry.corrupted]
        users = [user for entry in counted for user in entry.users.values()]
        keys = sum(user.sent for user in users)
        lost = sum(user.lost or 0 for user in users)
        cut = sum(user.disconnects for user in users)
        part = (f'{lost} of {keys} keys lost and {cut} disconnects in '
                f'{len(counted)} migrations')
        if name == 'stock':
            silent = sum(user.silent or 0 for user in users)
            part += f' (a session had taken {silent} of those lost)'
        else:
            missing = sum(user.output_bytes_missing for user in users)
            again = sum(user.output_bytes_duplicated for user in users)
            wrong = sum(user.wrong_pixels or 0 for user in users)
            part += (f', {missing} bytes of output missing and {again} '
                     f'too many, {wrong} pixels wrong')
        parts.append(('stock: ' if name == 'stock' else 'with Domain R: ')
                     + part)
    wrong = problems(results, migrations)
    return (f'{"NOT as asked for" if wrong else "As asked for"}: '
            f'{"; ".join(parts)}.{_missed(aim(results, earlier))}')


def _missed(aims: str | None) -> str:
    """How long something takes depends on the machine as well: it is said,
    and is no fault."""
    count = (aims or '').count(_met(False))
    return f' Aims of time and rate that are missed: {count}.' if count else ''


def _way(entry: Entry) -> str:
    mark = ' *' if entry.corrupted else ''
    return f'{entry.source} -> {entry.destination}{mark}'
