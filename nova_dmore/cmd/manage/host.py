# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage host``: this compute host as a whole."""

import argparse
from typing import Any

from nova_dmore.cmd.manage import output
from nova_dmore import exception

_CLEAN_COLUMNS = {'instance_uuid': 'Instance', 'outcome': 'Outcome'}
_DRAIN_COLUMNS = {'instance_uuid': 'Instance', 'state': 'State',
                  'sessions': 'Sessions', 'to_do': 'To do'}


def add(nouns: output.Nouns) -> None:
    """Add the parser."""
    noun = nouns.add_parser('host', help='this compute host as a whole')
    actions = noun.add_subparsers(dest='action', required=True)
    clean = actions.add_parser(
        'clean', help='where the plug-in was switched off: remove each pair '
        'that no instance on this host uses any more')
    clean.set_defaults(run=_clean)
    drain_check = actions.add_parser(
        'drain-check', help='say what is still here before the host is taken '
        f'out or the plug-in switched off; exit status '
        f'{output.Status.INCOMPLETE:d} if something is')
    drain_check.set_defaults(run=_drain_check)
    for action in (clean, drain_check):
        output.with_json(action)


def _clean(arguments: argparse.Namespace) -> output.Table:
    from nova_dmore.cmd.manage import compute
    driver = compute.read(arguments.config_file).compute_driver or ''
    if driver.rpartition('.')[2] == 'DMoreDriver':
        raise exception.ConfigurationError(
            f'[DEFAULT] compute_driver is {driver}: nova-compute '
            'removes the pairs of this host itself')
    here = compute.change(arguments.config_file)
    from nova_dmore.virt.care import leftovers
    return cleaned(leftovers.Leftovers(here.pairs, here.connection))


def cleaned(left: Any) -> output.Table:
    """Remove the pairs that no instance on this host uses any more.

    :param left: a :class:`nova_dmore.virt.care.leftovers.Leftovers`.
    :raises nova_dmore.exception.DMoreError: nothing was done.
    """
    rows = []
    status = output.Status.DONE
    for uuid in left.instances():
        try:
            if left.is_used(uuid):
                outcome = ('used by its instance: migrate that, or start it '
                           'anew, and clean again')
                status = output.Status.INCOMPLETE
            else:
                left.remove(uuid)
                outcome = 'removed'
        except exception.DMoreError as error:
            outcome = f'not removed: {error}'
            status = output.Status.INCOMPLETE
        rows.append({'instance_uuid': uuid, 'outcome': outcome})
    return output.Table(_CLEAN_COLUMNS, rows, status)


def _drain_check(arguments: argparse.Namespace) -> output.Table:
    from nova_dmore.cmd.manage import compute
    from nova_dmore.cmd.manage import survey
    here = compute.read_only(arguments.config_file)
    return drain_check(survey.Survey(here.pairs, here.connection))


def drain_check(survey: Any) -> output.Table:
    """What keeps a host from being taken out.

    :param survey: a :class:`nova_dmore.cmd.manage.survey.Survey`.
    :raises nova_dmore.exception.DMoreError: nobody can tell.
    """
    rows = [{'instance_uuid': seen.instance_uuid, 'state': seen.state.value,
             'sessions': seen.sessions, 'to_do': seen.to_do}
            for seen in survey.pairs()]
    return output.Table(_DRAIN_COLUMNS, rows, output.Status.INCOMPLETE
                        if rows else output.Status.DONE)
