# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage pair``: the pairs of this host."""

import argparse
from typing import Any

from nova_dmore.cmd.manage import output
from nova_dmore.cmd.manage import renew
from nova_dmore.cmd import settings

_COLUMNS = {
    'instance_uuid': 'Instance', 'name': 'Name', 'address': 'Address',
    'image_short': 'Image', 'state': 'State', 'sessions': 'Sessions'}


def add(nouns: output.Nouns) -> None:
    """Add the parser."""
    noun = nouns.add_parser('pair', help='the pairs of this host')
    actions = noun.add_subparsers(dest='action', required=True)
    listed = actions.add_parser(
        'list', help='list what there is of pairs, also where nova-compute '
        'does not know it; changes nothing')
    listed.set_defaults(run=_list)
    shown = actions.add_parser(
        'show', help='show all that is known of one pair')
    shown.add_argument('server', type=settings.uuid, metavar='SERVER',
                       help='uuid of the instance')
    shown.set_defaults(run=_show)
    for action in (listed, shown):
        output.with_json(action)
    renew.add_to_pair(actions)


def _survey(arguments: argparse.Namespace) -> Any:
    from nova_dmore.cmd.manage import compute
    from nova_dmore.cmd.manage import survey
    here = compute.read_only(arguments.config_file)
    return survey.Survey(here.pairs, here.connection)


def _list(arguments: argparse.Namespace) -> output.Table:
    return table(_survey(arguments))


def table(survey: Any) -> output.Table:
    """What ``pair list`` answers.

    :param survey: a :class:`nova_dmore.cmd.manage.survey.Survey`.
    :raises nova_dmore.exception.DMoreError: nobody can tell.
    """
    return output.Table(_COLUMNS, [seen.row() for seen in survey.pairs()])


def _show(arguments: argparse.Namespace) -> output.Properties:
    return properties(_survey(arguments), arguments.server)


def properties(survey: Any, instance_uuid: str) -> output.Properties:
    """What ``pair show`` answers.

    :param survey: a :class:`nova_dmore.cmd.manage.survey.Survey`.
    :raises nova_dmore.exception.DMoreError: there is no such pair here, or
        nobody can tell.
    """
    seen = survey.pair(instance_uuid)
    values: dict[str, Any] = seen.row()
    del values['image_short']
    if seen.record is not None:
        values |= {
            'port_id': seen.record.address.port_id,
            'mac': seen.record.address.mac,
            'secret_id': seen.record.secret_id,
            'display': seen.record.display}
    values |= {'domain_r': seen.domain_r, 'clients': seen.clients,
               'process': seen.status is not None}
    if seen.status is not None:
        values |= {
            'channel': seen.status.state.value, 'epoch': seen.status.epoch,
            'migration_id': seen.status.migration_id,
            'instance_status': seen.status.instance.status,
            'domain_r_status': seen.status.domain_r.status,
            'keeper_pid': seen.status.pid,
            'worker_pid': seen.status.worker_pid,
            'worker_starts': seen.status.worker_starts,
            'unreported_gaps': len(seen.status.gaps)}
    return output.Properties(values)
