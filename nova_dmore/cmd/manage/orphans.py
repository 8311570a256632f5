# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage orphans``: ports of Domain Rs whose instances are no
more, in the whole cloud."""

import argparse
import dataclasses
from typing import Any

from nova_dmore.cmd.manage import output
from nova_dmore.cmd import settings
from nova_dmore import exception

_COLUMNS = {'instance_uuid': 'Instance', 'port_id': 'Port', 'host': 'Host',
            'ip': 'Address', 'state': 'State'}


def add(nouns: output.Nouns) -> None:
    """Add the parser."""
    noun = nouns.add_parser(
        'orphans', help='ports of Domain Rs whose instances are no more, in '
        'the whole cloud')
    actions = noun.add_subparsers(dest='action', required=True)
    listed = actions.add_parser(
        'list', help='list them, with what is known of each; changes nothing')
    listed.set_defaults(run=_list)
    clean = actions.add_parser(
        'clean', help='delete the ports whose state is "orphan", as '
        'nova-computes do by themselves')
    clean.add_argument(
        'server', type=settings.uuid, nargs='*', metavar='SERVER',
        help='uuid of an instance whose port is to be deleted though nobody '
        'knows the instance (state "unknown"): see first, in every cell, '
        'that it does not live')
    clean.set_defaults(run=_clean)
    for action in (listed, clean):
        output.with_json(action)


def _orphans(arguments: argparse.Namespace) -> Any:
    from nova import context as nova_context
    from nova_dmore.cmd.manage import compute
    from nova_dmore.virt.care import orphans
    from nova_dmore.virt.rpc import operator as operator_rpc
    here = compute.read_only(arguments.config_file)
    operator_rpc.connect(here.conf)
    return orphans.Orphans(
        here.pairs.addresses, nova_context.get_admin_context(),
        operator_rpc.pairs_among, operator_rpc.hosts_up, here.conf.host)


def _list(arguments: argparse.Namespace) -> output.Table:
    return listed(_orphans(arguments))


def listed(orphans: Any) -> output.Table:
    """What ``orphans list`` answers.

    :param orphans: a :class:`nova_dmore.virt.care.orphans.Orphans`.
    :raises nova_dmore.exception.DMoreError: nobody can tell.
    """
    return output.Table(_COLUMNS, [
        {**dataclasses.asdict(port), 'state': port.state.value}
        for port in orphans.find()])


def _clean(arguments: argparse.Namespace) -> output.Table:
    return cleaned(_orphans(arguments), arguments.server)


def cleaned(orphans: Any, named: list[str]) -> output.Table:
    """Delete ports.

    :param orphans: a :class:`nova_dmore.virt.care.orphans.Orphans`.
    :param named: instances whose ports may be deleted though nobody knows
        the instances.
    :raises nova_dmore.exception.DMoreError: nobody can tell which are
        orphans: nothing was done.
    """
    rows = []
    status = output.Status.DONE
    found = orphans.find()
    for port in found:
        if not (port.state == 'orphan' or port.state == 'unknown' and
                port.instance_uuid in named):
            outcome = f'left: {port.state}'
            if port.instance_uuid in named:
                status = output.Status.INCOMPLETE
        else:
            try:
                orphans.remove(port)
                outcome = 'deleted'
            except exception.DMoreError as error:
                outcome = f'not deleted: {error}'
                status = output.Status.INCOMPLETE
        rows.append({**dataclasses.asdict(port), 'state': port.state.value,
                     'outcome': outcome})
    for uuid in sorted({*named} - {port.instance_uuid for port in found}):
        rows.append({**dict.fromkeys(_COLUMNS), 'instance_uuid': uuid,
                     'outcome': 'not done: the instance lives, or has no '
                                'port'})
        status = output.Status.INCOMPLETE
    return output.Table({**_COLUMNS, 'outcome': 'Outcome'}, rows, status)
