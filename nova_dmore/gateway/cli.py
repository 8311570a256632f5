# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-gateway``: lets users of the cloud reach the SSH consoles of
their own instances, with stock OpenSSH at both ends.

sshd runs it for each key that a client offers; it is the shell of the account
that users log in to; and an operator sets all of it up with it.
"""

import argparse
import os
import pathlib
import sys
import syslog
import time
from collections.abc import Sequence

from nova_dmore import exception
from nova_dmore.gateway import consoles
from nova_dmore.gateway import hosts
from nova_dmore.gateway import index as index_module
from nova_dmore.gateway import public_key
from nova_dmore.gateway import session
from nova_dmore.gateway import store as store_module
from nova_dmore import program

PROGRAM = 'nova-dmore-gateway'
_DESCRIPTION = (
    'Lets users of the cloud reach the SSH consoles of their own instances, '
    'with stock OpenSSH at both ends. An operator sets it up with "setup"; '
    'sshd runs "keys" for each key that a client offers, and the program '
    'itself as the shell of the users\' account.')
CONFIG = pathlib.Path('/etc/nova-dmore/gateway.conf')
#: So long the first reading of a large cloud may take.
_WHOLE_S = 600.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=_DESCRIPTION)
    parser.add_argument(
        '--config-file', type=pathlib.Path, metavar='FILE', default=CONFIG,
        help='with the group [gateway] (default: %(default)s)')
    commands = parser.add_subparsers(dest='command', required=True)
    keys = commands.add_parser(
        'keys', help='print what a key may do, as sshd\'s '
        'AuthorizedKeysCommand')
    keys.add_argument('type', metavar='TYPE', help='of the key: %%t')
    keys.add_argument('key', metavar='KEY', help='in base64: %%k')
    commands.add_parser(
        'refresh', help='ask Nova and Neutron now, also for all of a large '
        'cloud; as the user nova-dmore-gateway')
    setup = commands.add_parser(
        'setup', help='make the accounts, files and the unit of the gateway '
        'on this host, and start it; may be repeated (root)')
    setup.add_argument('--port', type=int, default=2222,
                       help='that users connect to (default: %(default)s)')
    setup.add_argument('--listen', metavar='IP', action='append', default=[],
                       help='address that users connect to, may be repeated '
                       '(default: all of this host)')
    setup.add_argument('--no-start', action='store_true',
                       help='start nothing')
    return parser


def _log(text: str) -> None:
    """sshd throws away what its command says of errors."""
    print(f'{PROGRAM}: {text}', file=sys.stderr)
    syslog.openlog(PROGRAM, syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_WARNING, text.replace('\n', ' ')[:1000])


def _bring_up_to_date(config: pathlib.Path, store: store_module.Store,
                      whole: bool = False) -> None:
    """Ask the cloud if what is known has expired.

    :param whole: all of a large cloud anew, and nothing that is out of date
    """
    # What it needs to ask takes half a second to load.
    from nova_dmore.gateway import cloud as cloud_module
    from nova_dmore.gateway import options
    given = options.read([str(config)])
    limit_s = _WHOLE_S if whole else given.limit_seconds

    def asked(index: index_module.Index, now: float) -> index_module.Index:
        cloud = cloud_module.Cloud(given, limit_s)
        # First these: the instances that they are of are known then.
        there = cloud.consoles()
        return index_module.updated(
            index, now, given.ssh_port, there,
            cloud.changed(index.since(now)), cloud.keys_of)

    def refresh(index: index_module.Index) -> index_module.Index:
        now = time.time()
        if whole:
            return asked(index.to_be_read_anew(), now)
        try:
            return asked(index, now)
        except exception.ServiceAwayError as error:
            later = index.without_reading_anew(now)
            if later is None:
                raise
            # All of a large cloud takes longer than anybody waits here.
            _log(f'asks for changes alone: {error}')
            return asked(later, time.time())

    store_module.bring_up_to_date(
        store, refresh, limit_s, given.cache_seconds,
        -1 if whole else given.stale_seconds, _log)


def _keys(arguments: argparse.Namespace) -> str:
    try:
        key = public_key.normal(arguments.type, arguments.key)
    except ValueError:
        return ''   # a certificate, or what is no key of Nova's
    store = store_module.Store()
    if not store.is_fresh():
        _bring_up_to_date(arguments.config_file, store)
    found = store.consoles_of(key)
    if found is None:
        return ''
    port, where = found
    try:
        hosts.tell(where)
    except OSError as error:
        _log(f'uuids of instances lead nowhere, only addresses: {error}')
    return consoles.authorized_keys_line(key, where, port) + '\n'


def _answer(arguments: argparse.Namespace) -> str:
    if arguments.command == 'keys':
        return _keys(arguments)
    if arguments.command == 'refresh':
        store = store_module.Store()
        try:
            store.expire_in(0)
        except OSError as error:
            raise exception.ConfigurationError(
                f'{error.filename}: {error.strerror}; run it as the user '
                f'{PROGRAM}, after "{PROGRAM} setup"') from error
        _bring_up_to_date(arguments.config_file, store, whole=True)
        index = store.load()
        return (f'{len(index.addresses)} consoles of {len(index.servers)} '
                'instances\n')
    from nova_dmore.gateway import installation
    installation.install(pathlib.Path(sys.argv[0]), arguments.config_file,
                         installation.Choice(
                             arguments.port, tuple(arguments.listen),
                             not arguments.no_start))
    return ''


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns its exit status."""
    return program.run(
        PROGRAM, lambda: _command(sys.argv[1:] if argv is None else argv))


def _command(argv: Sequence[str]) -> int:
    try:
        # As sshd runs a shell.
        if len(argv) == 2 and argv[0] == '-c':
            sys.stdout.write(session.answer(argv[1], os.environ))
            return 0
        sys.stdout.write(_answer(_parser().parse_args(argv)))
        return 0
    except ValueError as error:
        print(f'{PROGRAM}: {error}', file=sys.stderr)
    except BrokenPipeError:
        raise       # nobody reads the answer
    except (exception.DMoreError, OSError) as error:
        _log(str(error))
    return 1


if __name__ == '__main__':
    sys.exit(main())
