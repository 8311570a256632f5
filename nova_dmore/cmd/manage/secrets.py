# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage vnc-password``, ``host-key`` and ``secrets``: what
consoles are opened with.

They ask no service, and need no more than to read ``[dmore] secret_file``.
"""

import argparse
import collections
import ipaddress
from typing import TYPE_CHECKING

from oslo_config import cfg

from nova_dmore.cmd.manage import output
from nova_dmore.cmd import settings
from nova_dmore import exception
from nova_dmore.virt.config import host_keys
from nova_dmore.virt.config import identity
if TYPE_CHECKING:        # it loads Nova
    from nova_dmore.virt.pair import record as record_module

_SSH_PORT = 22


def add(nouns: output.Nouns) -> None:
    """Add the parsers of the three."""
    password = nouns.add_parser(
        'vnc-password', help='print the password of the VNC console of an '
        'instance, for clients of [dmore] vnc_direct_networks')
    password.add_argument(
        '--view-only', action='store_true',
        help='the one with which a client is view-only')
    password.set_defaults(run=_vnc_password)
    host_key = nouns.add_parser(
        'host-key', help='print the lines that an SSH client\'s known_hosts '
        'has for the console of an instance')
    host_key.add_argument(
        '--address', type=ipaddress.ip_address, metavar='IP',
        help='of the console, if the instance is on another host')
    host_key.set_defaults(run=_host_key)
    for command in (password, host_key):
        command.add_argument('server', type=settings.uuid, metavar='SERVER',
                             help='uuid of the instance')
        command.add_argument(
            '--secret-id', type=int, metavar='ID',
            help='id of the secret that its keys are derived from, if the '
            'instance is on another host and secret_file has several: '
            f'{identity.METADATA} in the instance\'s system metadata, '
            f'{identity.FIRST_SECRET_ID} if that is not there')
    listed = nouns.add_parser(
        'secrets', help='list the ids of [dmore] secret_file, the newest '
        'last, with the number of pairs on this host that use them')
    listed.set_defaults(run=_list_secrets)
    for command in (password, host_key, listed):
        output.with_json(command)


class _Keys:
    """What the keys of an instance are derived from.

    :raises nova_dmore.exception.ConfigurationError: it cannot be told.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        from nova_dmore.virt.pair import record as record_module
        self.options: cfg.ConfigOpts.GroupAttr = settings.dmore(
            arguments.config_file)
        settings.check_user(self.options)
        self.secrets = identity.read_secrets(self.options.secret_file)
        self.records = record_module.Records(
            self.options.record_dir, self.options.run_dir)

    def of(self, arguments: argparse.Namespace
           ) -> tuple['record_module.PairRecord | None', bytes]:
        """The record of the instance's pair, if it is here, and the secret."""
        record = self.records.load(arguments.server)
        return record, self.secrets.get(
            self._secret_id(arguments, record))

    def _secret_id(self, arguments: argparse.Namespace,
                   record: 'record_module.PairRecord | None') -> int:
        given: int | None = arguments.secret_id
        if given is not None:
            return given
        if record is not None:
            return record.secret_id
        if len(self.secrets.by_id) == 1:
            return self.secrets.newest
        raise exception.ConfigurationError(
            f'instance {arguments.server} has no pair on this host, and '
            f'{self.secrets.path} has several secrets: run this on the host '
            'that the instance is on, or give --secret-id')


def _vnc_password(arguments: argparse.Namespace) -> output.Text:
    _record, secret = _Keys(arguments).of(arguments)
    password = identity.vnc_password(
        secret, arguments.server, arguments.view_only)
    return output.Text(password, {'password': password})


def _host_key(arguments: argparse.Namespace) -> output.Text:
    given = _Keys(arguments)
    record, secret = given.of(arguments)
    address = arguments.address
    if address is None:
        if record is None:
            raise exception.ConfigurationError(
                f'instance {arguments.server} has no pair on this host: give '
                'the --address of its console')
        address = record.address.ip
    host = str(address)
    if given.options.ssh_port != _SSH_PORT:
        host = f'[{host}]:{given.options.ssh_port}'
    keys = host_keys.public(secret, arguments.server)
    return output.Text('\n'.join(f'{host} {key}' for key in keys),
                       {'host': host, 'keys': keys})


def _list_secrets(arguments: argparse.Namespace) -> output.Text:
    keys = _Keys(arguments)
    used = collections.Counter(
        record.secret_id for record in keys.records.all())
    rows = [{'id': each, 'pairs': used[each],
             'missing': each not in keys.secrets.by_id,
             'newest': each == keys.secrets.newest}
            for each in dict.fromkeys([*keys.secrets.by_id, *sorted(used)])]
    return output.Text('\n'.join(
        f'{row["id"]} {row["pairs"]} pairs' + (
            ', missing' if row['missing'] else
            ', newest' if row['newest'] else '')
        for row in rows), rows)
