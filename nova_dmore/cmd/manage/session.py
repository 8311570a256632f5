# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage session``: who is attached to the consoles of this host.

It asks the host service and the processes of the pairs, and nobody else. Who
a client is, is what the instance's Domain R says.
"""

import argparse
import time
from typing import Any

from nova_dmore.channel import session as session_module
from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
from nova_dmore.cmd.manage import output
from nova_dmore.cmd import settings
from nova_dmore import exception

_COLUMNS = {
    'instance_uuid': 'Instance', 'number': 'Session', 'server': 'Server',
    'address': 'From', 'who': 'Key', 'view_only': 'View only',
    'since': 'Since'}

#: How long a session may take to end, in seconds.
_END_S = 5.0
#: How often is asked whether it has, in seconds.
_POLL_S = 0.1


def add(nouns: output.Nouns) -> None:
    """Add the parser."""
    noun = nouns.add_parser(
        'session', help='who is attached to the consoles of this host')
    actions = noun.add_subparsers(dest='action', required=True)
    listed = actions.add_parser(
        'list', help='list the sessions of an instance, or of all here')
    which = listed.add_mutually_exclusive_group(required=True)
    which.add_argument('server', type=settings.uuid, metavar='SERVER',
                       nargs='?', help='uuid of the instance')
    which.add_argument('--all', action='store_true',
                       help='of all instances on this host')
    listed.set_defaults(run=_list)
    ended = actions.add_parser('end', help='cut a client off')
    ended.add_argument('server', type=settings.uuid, metavar='SERVER',
                       help='uuid of the instance')
    ended.add_argument('number', type=int, metavar='SESSION',
                       help='as "session list" shows it')
    ended.set_defaults(run=_end)
    for action in (listed, ended):
        output.with_json(action)


def _service(arguments: argparse.Namespace) -> host_service.HostService:
    return host_service.HostService(
        settings.dmore(arguments.config_file).run_dir)


def _list(arguments: argparse.Namespace) -> output.Table:
    service = _service(arguments)
    return table(service, service.instances() if arguments.all
                 else [arguments.server], arguments.all)


def table(service: host_service.HostService, instances: list[str],
          leaves_out: bool) -> output.Table:
    """What ``session list`` answers.

    :param leaves_out: a pair that does not tell is left out, and the answer
        says so, also by its status.
    :raises nova_dmore.exception.DMoreError: nobody can tell.
    """
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    for instance in instances:
        try:
            rows += [_row(instance, each)
                     for each in _sessions(service, instance)]
        except (exception.ShadowAnswerError,
                exception.ProcessChangesError) as error:
            if not leaves_out:
                raise
            missing.append(str(error))
    return output.Table(
        _COLUMNS, rows, output.Status.INCOMPLETE if missing
        else output.Status.DONE, tuple(missing))


def _row(instance: str, session: session_module.Session) -> dict[str, Any]:
    return {'instance_uuid': instance, **session.to_json(),
            'since': output.utc(session.since)}


def _sessions(service: host_service.HostService, instance: str
              ) -> tuple[session_module.Session, ...]:
    found = _client(service, instance).status().sessions
    if found is None:
        raise exception.ShadowAnswerError(
            f'The shadow-device process of instance {instance} is of an '
            'earlier release: "systemctl reload nova-dmore-hostd" gives it '
            'the code of this one')
    return found


def _client(service: host_service.HostService, instance: str
            ) -> shadow_client.ShadowClient:
    return shadow_client.ShadowClient(service, instance)


def _end(arguments: argparse.Namespace) -> output.Text:
    return end(_service(arguments), arguments.server, arguments.number)


def end(service: host_service.HostService, instance: str, number: int
        ) -> output.Text:
    """What ``session end`` does and answers.

    :raises nova_dmore.exception.DMoreError: there is no such session, or it
        cannot be asked for.
    """
    if not _has(service, instance, number):
        raise exception.PairError(
            f'Instance {instance} has no session {number}')
    told = {'instance_uuid': instance, 'number': number}
    _client(service, instance).end_session(number)
    deadline = time.monotonic() + _END_S
    try:
        while _has(service, instance, number):
            if time.monotonic() > deadline:
                return output.Text(
                    f'Session {number} has not ended; a Domain R of an '
                    'earlier release cannot end one', {**told, 'ended': False},
                    output.Status.INCOMPLETE)
            time.sleep(_POLL_S)
    except exception.ShadowProcessError as error:
        return output.Text(
            f'Session {number} is to end; nobody can tell whether it has: '
            f'{error}', {**told, 'ended': None}, output.Status.INCOMPLETE)
    return output.Text(f'Session {number} has ended',
                       {**told, 'ended': True})


def _has(service: host_service.HostService, instance: str, number: int
         ) -> bool:
    return any(each.number == number
               for each in _sessions(service, instance))
