# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage renew``, ``pair renew`` and ``pair rebuild``: what only
nova-compute can do, which is asked for it."""

import argparse
import sys
import time
from typing import Any

from nova_dmore.cmd.manage import output
from nova_dmore.cmd import settings
from nova_dmore import exception

#: How often a host is asked how far it has come, in seconds.
_POLL_S = 2.0
#: How long one may give no answer while it works, in seconds: its nova-compute
#: may be starting anew.
_SILENT_S = 120.0
_COLUMNS = {'instance_uuid': 'Instance', 'state': 'State', 'when': 'When',
            'image_short': 'Image', 'newest_short': 'Newest',
            'error': 'Error'}
#: States that do not last.
_UNDER_WAY = ('renewing', 'waits')


def add(nouns: output.Nouns) -> None:
    """Add the parser of ``renew``."""
    noun = nouns.add_parser(
        'renew', help='give all pairs of a host a new Domain R with the '
        'newest image, and remove the images that no pair uses')
    _add_options(noun)
    noun.add_argument('--status', action='store_true',
                      help='only say how far the host has come')
    noun.set_defaults(run=_renew, server=None)


def add_to_pair(actions: output.Nouns) -> None:
    """Add the parsers of ``pair renew`` and ``pair rebuild``."""
    renew = actions.add_parser(
        'renew', help='give one pair a new Domain R with the newest image')
    _add_options(renew)
    renew.set_defaults(run=_renew, status=False)
    rebuild = actions.add_parser(
        'rebuild', help='give one pair a new Domain R with the image that it '
        'has; its sessions end')
    _add_host(rebuild)
    rebuild.set_defaults(run=_rebuild)
    output.with_json(rebuild)
    for action in (renew, rebuild):
        action.add_argument('server', type=settings.uuid, metavar='SERVER',
                            help='uuid of the instance')


def _add_host(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--host', metavar='HOST',
                        help='as Nova calls it (default: this one)')


def _add_options(parser: argparse.ArgumentParser) -> None:
    _add_host(parser)
    parser.add_argument(
        '--when', choices=('now', 'idle', 'migration', 'never'),
        default='now', help='now: sessions end; idle: when nobody is '
        'attached; migration: in the next live migration to a host that has '
        'the image or can fetch it, where sessions end; never: take back '
        'what was asked for (default: %(default)s)')
    parser.add_argument(
        '--no-wait', action='store_true',
        help='with "now": do not wait until all is done')
    output.with_json(parser)


def _api(arguments: argparse.Namespace) -> tuple[Any, Any, str]:
    """What asks nova-compute, a context, and the host that is meant."""
    from nova import context
    from nova_dmore.cmd.manage import compute
    from nova_dmore.virt.rpc import operator as operator_rpc
    conf = compute.read(arguments.config_file)
    operator_rpc.connect(conf)
    return (operator_rpc.OperatorAPI(), context.get_admin_context(),
            arguments.host or conf.host)


def _rebuild(arguments: argparse.Namespace) -> output.Text:
    api, context, host = _api(arguments)
    try:
        api.rebuild(context, host, arguments.server)
    except exception.NoAnswerError as error:
        return output.Text(
            f'{arguments.server} may have a new Domain R, or get one: {error}',
            {'instance_uuid': arguments.server, 'outcome': 'unknown',
             'error': str(error)}, output.Status.INCOMPLETE)
    return output.Text(
        f'{arguments.server} has a new Domain R',
        {'instance_uuid': arguments.server, 'outcome': 'rebuilt'})


def _renew(arguments: argparse.Namespace) -> output.Table:
    api, context, host = _api(arguments)
    return renewed(api, context, host, arguments)


def renewed(api: Any, context: Any, host: str, arguments: argparse.Namespace
            ) -> output.Table:
    """Ask a host for it, and wait for what is done at once.

    :param api: a :class:`nova_dmore.virt.rpc.operator.OperatorAPI`.
    :raises nova_dmore.exception.DMoreError: the host does not do it.
    """
    if arguments.status:
        return _table(api.renewals(context, host))
    uuids = None if arguments.server is None else [arguments.server]
    rows = api.renew(context, host, uuids, None if arguments.when == 'never'
                     else arguments.when)
    if uuids is not None:
        rows = [row for row in rows if row['instance_uuid'] in uuids]
    if arguments.when != 'now' or arguments.no_wait:
        return _table(rows)
    said: dict[str, str] = {}
    silent_since = None
    while True:
        for row in rows:
            uuid, state = row['instance_uuid'], row['state']
            if said.get(uuid) != state:
                said[uuid] = state
                print(f'{uuid} {state}', file=sys.stderr)
        if not any(_is_under_way(row) for row in rows):
            return _table(rows)
        time.sleep(_POLL_S)
        try:
            rows = _later(rows, api.renewals(context, host))
            silent_since = None
        except exception.DMoreError as error:
            # It may be starting anew; what it was asked for it goes on with.
            print(error, file=sys.stderr)
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > _SILENT_S:
                return _table([
                    {**row, 'error': f'nobody can tell: {error}'}
                    if _is_under_way(row) else row for row in rows])


def _is_under_way(row: dict[str, Any]) -> bool:
    return row['state'] in _UNDER_WAY and not row['error']


def _later(rows: list[dict[str, Any]], told: list[dict[str, Any]]
           ) -> list[dict[str, Any]]:
    """What has become of some pairs, as a host tells of all that it has."""
    now = {row['instance_uuid']: row for row in told}
    return [now.get(row['instance_uuid'], {
        **row, 'state': 'gone', 'when': None,
        'error': 'it has left this host, or was deleted'}
        if _is_under_way(row) else row) for row in rows]


def _table(rows: list[dict[str, Any]]) -> output.Table:
    failed = any(row['error'] for row in rows)
    return output.Table(_COLUMNS, [
        {**row, 'image_short': row['image'][:12],
         'newest_short': row['newest'][:12]} for row in rows],
        output.Status.INCOMPLETE if failed else output.Status.DONE)
