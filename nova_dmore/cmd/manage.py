# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage``: tells an operator what consoles are opened with, and
removes what the plug-in has left on a host.

To be run on a compute host, as a user who may read ``[dmore] secret_file``;
it asks no service. ``host clean`` is to be run as nova-compute's user.
"""

import argparse
import collections
import ipaddress
import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_utils import uuidutils

from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.config import host_keys
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.config import identity
from nova_dmore.virt.pair import record as record_module

_PROGRAM = 'nova-dmore-manage'
_SSH_PORT = 22


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description=__doc__)
    parser.add_argument(
        '--config-file', action='append', metavar='FILE',
        help='of nova-compute, may be repeated (default: nova.conf and '
        'nova-compute.conf where Nova looks for them)')
    commands = parser.add_subparsers(dest='command', required=True)
    password = commands.add_parser(
        'vnc-password', help='print the password of the VNC console of an '
        'instance, for clients of [dmore] vnc_direct_networks')
    password.add_argument(
        '--view-only', action='store_true',
        help='the one with which a client may only look')
    host_key = commands.add_parser(
        'host-key', help='print the lines that an SSH client\'s known_hosts '
        'has for the console of an instance')
    host_key.add_argument(
        '--address', type=ipaddress.ip_address, metavar='IP',
        help='of the console, if the instance is on another host')
    for command in (password, host_key):
        command.add_argument('server', type=_uuid, metavar='SERVER',
                             help='uuid of the instance')
        command.add_argument(
            '--secret-id', type=int, metavar='ID',
            help='id of the secret that its keys are derived from, if the '
            'instance is on another host and secret_file has several: '
            f'{host_secrets.METADATA} in the instance\'s system metadata, '
            f'{identity.FIRST_SECRET_ID} if that is not there')
    commands.add_parser(
        'secrets', help='list the ids of [dmore] secret_file, the newest '
        'last, with the number of pairs on this host that use them')
    host = commands.add_parser(
        'host', help='of a host on which the plug-in was switched off')
    host.add_argument(
        'action', choices=('clean',),
        help='remove each pair that no instance on this host uses any more')
    return parser


def _uuid(text: str) -> str:
    if not uuidutils.is_uuid_like(text):
        raise argparse.ArgumentTypeError(f'{text!a} is no uuid')
    return text.lower()


def _options(files: Sequence[str] | None) -> cfg.ConfigOpts.GroupAttr:
    """The ``[dmore]`` options.

    :raises nova_dmore.exception.ConfigurationError: they cannot be read.
    """
    conf = cfg.ConfigOpts()
    dmore_conf.register(conf)
    try:
        conf([], project='nova', default_config_files=_files(files))
    except cfg.Error as error:
        raise exception.ConfigurationError(str(error)) from error
    return conf.dmore


def _files(given: Sequence[str] | None) -> Sequence[str]:
    if given is not None:
        return given
    return [*cfg.find_config_files('nova', 'nova'),
            *cfg.find_config_files('nova', 'nova-compute')]


def _secret_id(arguments: argparse.Namespace, secrets: identity.Secrets,
               record: record_module.PairRecord | None) -> int:
    given: int | None = arguments.secret_id
    if given is not None:
        return given
    if record is not None:
        return record.secret_id
    if len(secrets.by_id) == 1:
        return secrets.newest
    raise exception.ConfigurationError(
        f'instance {arguments.server} has no pair on this host, and '
        f'{secrets.path} has several secrets: run this on the host that the '
        'instance is on, or give --secret-id')


def _known_hosts_lines(arguments: argparse.Namespace,
                      options: cfg.ConfigOpts.GroupAttr,
                      record: record_module.PairRecord | None,
                      secret: bytes) -> str:
    address = arguments.address
    if address is None:
        if record is None:
            raise exception.ConfigurationError(
                f'instance {arguments.server} has no pair on this host: give '
                'the --address of its console')
        address = record.address.ip
    host = str(address)
    if options.ssh_port != _SSH_PORT:
        host = f'[{host}]:{options.ssh_port}'
    return '\n'.join(f'{host} {key}' for key in host_keys.public(
        secret, arguments.server))


def _list_secrets(secrets: identity.Secrets, records: record_module.Records
                  ) -> str:
    used = collections.Counter(
        record.secret_id for record in records.all())
    ids = list(dict.fromkeys([*secrets.by_id, *sorted(used)]))
    return '\n'.join(
        f'{each} {used[each]} pairs' + (
            ', missing' if each not in secrets.by_id else
            ', newest' if each == secrets.newest else '')
        for each in ids)


def _answer(arguments: argparse.Namespace) -> str:
    if arguments.command == 'host':
        # What it needs of Nova takes seconds to load.
        from nova_dmore.cmd import host
        return host.clean(_files(arguments.config_file))
    options = _options(arguments.config_file)
    secrets = identity.read_secrets(options.secret_file)
    records = record_module.Records(options.record_dir, options.run_dir)
    if arguments.command == 'secrets':
        return _list_secrets(secrets, records)
    record = records.load(arguments.server)
    secret = secrets.get(_secret_id(arguments, secrets, record))
    if arguments.command == 'host-key':
        return _known_hosts_lines(arguments, options, record, secret)
    return identity.vnc_password(
        secret, arguments.server, arguments.view_only)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status.

    Standard output has the answer and nothing else.
    """
    arguments = _parser().parse_args(argv)
    try:
        print(_answer(arguments))
    except exception.DMoreError as error:
        print(f'{_PROGRAM}: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
