# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage recording``: what nova-dmore-recorder has recorded here.

To be run as root or as the recorder's user: nobody else can read it.
"""

import argparse
import os
import pathlib
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

from nova_dmore.channel import text
from nova_dmore.cmd.manage import output
from nova_dmore.cmd import settings
from nova_dmore import exception
from nova_dmore.hostd import folders
from nova_dmore.recorder import export
from nova_dmore.recorder import files
from nova_dmore.recorder import options
from nova_dmore.recorder import recorder

_COLUMNS = {'instance_uuid': 'Instance', 'file': 'File', 'began': 'Began',
            'host': 'Host', 'offset': 'Offset', 'bytes': 'Output',
            'size': 'Size'}
_PRUNED = {'instance_uuid': 'Removed'}


def add(nouns: output.Nouns) -> None:
    """Add the parser."""
    noun = nouns.add_parser(
        'recording', help='what was recorded of serial consoles here')
    noun.add_argument(
        '--recorder-config', metavar='FILE',
        help='of nova-dmore-recorder (default: where that finds it)')
    actions = noun.add_subparsers(dest='action', required=True)
    listed = actions.add_parser('list', help='list the files')
    listed.add_argument('server', type=settings.uuid, metavar='SERVER',
                        nargs='?', help='uuid of the instance; without it '
                        'those of all')
    listed.set_defaults(run=_reading(_list))
    exported = actions.add_parser(
        'export', help='print one recording in asciinema\'s format; exit '
        f'status {output.Status.INCOMPLETE:d} if something is missing in it')
    exported.add_argument('server', type=settings.uuid, metavar='SERVER',
                          help='uuid of the instance')
    exported.add_argument(
        'more', type=pathlib.Path, metavar='FILE', nargs='*',
        help='files of the instance that were copied from other hosts')
    exported.set_defaults(run=_reading(_export))
    pruned = actions.add_parser(
        'prune', help='remove what is of instances that are here no more')
    pruned.add_argument('server', type=settings.uuid, metavar='SERVER',
                        nargs='?', help='of this one alone')
    pruned.add_argument(
        '--days', type=float, metavar='DAYS',
        help='only what has been as it is for so long (default: [recorder] '
        'keep_days)')
    pruned.set_defaults(run=_reading(_prune))
    for action in (listed, pruned):
        output.with_json(action)


def _reading(run: Callable[[recorder.Options, argparse.Namespace], Any]
             ) -> Callable[[argparse.Namespace], Any]:
    """:raises exception.DMoreError: with what cannot be read."""
    def command(arguments: argparse.Namespace) -> Any:
        given = options.read(
            [] if arguments.recorder_config is None
            else ['--config-file', arguments.recorder_config])
        try:
            return run(given, arguments)
        except (OSError, ValueError) as error:
            raise exception.DMoreError(text.printable(error)) from error
    return command


def _paths(given: recorder.Options, server: str | None
           ) -> list[pathlib.Path]:
    names = _recorded(given) if server is None else [server]
    return [path for name in names if folders.is_uuid(name)
            for path in files.casts(given.directory / name)]


def _recorded(given: recorder.Options) -> list[str]:
    """What there is in the directory, sorted.

    :raises exception.ConfigurationError: it cannot be read.
    """
    try:
        return sorted(os.listdir(given.directory))
    except OSError as error:
        raise exception.ConfigurationError(
            f'[recorder] directory: {error}; nova-dmore-recorder makes it '
            'when it is started, and this has to be run as its user, or as '
            'root') from error


def _parts(paths: Iterable[pathlib.Path]) -> Iterator[export.Part]:
    """What can be read of files into which something may be written now."""
    for path in paths:
        try:
            if path.stat().st_size:
                yield export.read(path)
        except FileNotFoundError:
            pass    # it has just given way to a newer one


def _list(given: recorder.Options, arguments: argparse.Namespace
          ) -> output.Table:
    rows = []
    for part in _parts(_paths(given, arguments.server)):
        rows.append({
            'instance_uuid': part.header.instance, 'file': str(part.path),
            'began': output.utc(part.header.began),
            'host': part.header.host, 'offset': part.header.offset,
            'bytes': part.end - part.header.offset,
            'size': part.size})
    return output.Table(_COLUMNS, rows)


def _export(given: recorder.Options, arguments: argparse.Namespace
            ) -> output.Text:
    parts = [*_parts(_paths(given, arguments.server)),
             *map(export.read, arguments.more)]
    for part in parts:
        if part.header.instance != arguments.server:
            raise ValueError(f'{part.path} is of {part.header.instance}')
    if not parts:
        raise ValueError(f'nothing is recorded here of {arguments.server}')
    made, holes = export.joined(parts)
    # print() ends it with a line's end.
    return output.Text(
        made.removesuffix('\n'), None,
        output.Status.INCOMPLETE if holes else output.Status.DONE)


def _prune(given: recorder.Options, arguments: argparse.Namespace
           ) -> output.Table:
    keep_s = (given.keep_s if arguments.days is None
              else arguments.days * 86400)
    names = [name for name in _recorded(given)
             if arguments.server in (None, name)]
    options.check_run_dir(given.run_dir)
    removed = files.prune(
        given.directory, names, time.time() - keep_s,
        set(folders.Folders(given.run_dir).instances()))
    return output.Table(_PRUNED, [{'instance_uuid': each}
                                  for each in removed])
