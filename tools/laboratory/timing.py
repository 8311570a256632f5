# SPDX-License-Identifier: Apache-2.0
"""The times that are constants of the code, as a table of the documents."""

import ast
import dataclasses
import pathlib
import re
from collections.abc import Iterator

from laboratory.layout import REPOSITORY

TABLE = REPOSITORY / 'doc/source/architecture/timing-table.inc'
_PACKAGE = REPOSITORY / 'nova_dmore'
_TIME = re.compile(r'_(S|MS|US|NS)(_MAX|_DEFAULT|_LEAST)?$')
_UNITS = {'S': 's', 'MS': 'ms', 'US': 'µs', 'NS': 'ns'}
_IN_C = re.compile(r'#define\s+([A-Z_]+)\s+(\d+)(?:\s*/\* (.*) \*/)?$')
#: The folders, in the order in which they are listed, and who runs what is in
#: each.
_PLACES = {
    'wire': 'both ends of the channel', 'channel': 'both ends of the channel',
    'posix': 'what runs on the host', 'link': 'what runs on the host',
    'hostd': 'host service', 'keeper': 'keeper', 'worker': 'worker',
    'client': 'nova-compute', 'virt': 'nova-compute', 'domr': 'Domain R',
    'recorder': 'recorder', 'metrics': 'exporter', 'gateway': 'SSH gateway',
    'cmd': 'commands of operators', 'osc': 'commands of users',
    'image_builder': 'image builder',
}


@dataclasses.dataclass(frozen=True)
class Time:
    """One of them.

    :param path: of the module, in the package
    :param value: as the code says it
    :param meaning: what the comment above it says, which may be of several
    """

    path: str
    name: str
    value: str
    meaning: str

    @property
    def unit(self) -> str:
        found = _TIME.search(self.name)
        assert found is not None
        return _UNITS[found[1]]


def times(package: pathlib.Path = _PACKAGE) -> list[Time]:
    """All of them, by folder and file; those in Python before those in C."""
    return [time for folder in _PLACES
            for suffix, found in (('py', _of_module), ('[ch]', _of_c))
            for file in sorted((package / folder).rglob(f'*.{suffix}'))
            for time in found(
                file.relative_to(package).as_posix(), file.read_text())]


def _of_c(path: str, code: str) -> Iterator[Time]:
    above: list[str] = []       # the comment that was last
    inside = False
    for line in code.splitlines():
        if line.startswith('/*'):
            above, inside = [], True
        if inside:
            above.append(line.strip('/* '))
            inside = not line.endswith('*/')
        match = _IN_C.match(line)
        if match is not None and _TIME.search(match[1]):
            yield Time(path, match[1], match[2],
                       match[3] or ' '.join(filter(None, above)))


def _of_module(path: str, code: str) -> Iterator[Time]:
    lines = code.splitlines()
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and _TIME.search(target.id):
            yield Time(path, target.id, ast.unparse(value),
                       _comment(lines, node.lineno - 1))


def _comment(lines: list[str], line: int) -> str:
    """The one beside a constant, or the one above it and those before it."""
    beside = lines[line].partition('#')[2]
    if beside:
        return beside.strip(': ')
    while line and lines[line - 1] and not lines[line - 1].startswith(
            ('#', 'import', 'from', ' ', ')', '"')):
        line -= 1
    last = line
    while line and lines[line - 1].startswith('#'):
        line -= 1
    return ' '.join(each.strip('#: ') for each in lines[line:last])


def table(found: list[Time]) -> str:
    """In reStructuredText."""
    rows = ['.. list-table::', '   :header-rows: 1',
            '   :widths: 14 34 12 40', '', '   * - Process', '     - Constant',
            '     - Value', '     - What it is']
    for time in found:
        rows += [
            f'   * - {_PLACES[time.path.partition("/")[0]]}',
            f'     - ``{time.name}`` in ``{time.path}``',
            f'     - ``{time.value}`` {time.unit}',
            f'     - {_escaped(time.meaning)}'.rstrip()]
    return '\n'.join(rows) + '\n'


def _escaped(text: str) -> str:
    """Without what Sphinx would have to find: roles and their names."""
    text = re.sub(r':\w+:`~?([^`]*)`', r'``\1``', text)
    return re.sub(r'(?<![`\w])([*|])|(\w_)(?=\W)', r'\\\g<0>', text)


def main() -> int:
    """Write the table.

    :returns: the exit status
    """
    TABLE.write_text(table(times()))
    return 0
