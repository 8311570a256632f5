# SPDX-License-Identifier: Apache-2.0
"""``openstack console ssh`` and ``openstack console pair show``."""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command
from osc_lib import exceptions

from nova_dmore.osc import host
from nova_dmore.osc import known_hosts
from nova_dmore.osc import places

_ENVIRONMENT = 'OS_DMORE_GATEWAY'
#: Seconds in which the gateway asks the cloud, and the console for its key;
#: and the user may be asked for a passphrase.
_GATEWAY_S = 120
#: What ``ssh`` returns when it could not connect, or the connection broke.
SSH_FAILED = 255
_SILENT = ('the host of the server does not answer Nova, so its console may '
           'not be there until the host is back or the server is evacuated')


def _add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument('server', metavar='<server>',
                        help='Server (name or ID)')
    parser.add_argument(
        '--gateway', metavar='<[user@]host[:port]>',
        default=os.environ.get(_ENVIRONMENT, ''),
        help='SSH gateway of the cloud\'s operator; empty where this machine '
             f'reaches consoles by itself (Env: {_ENVIRONMENT})')
    parser.add_argument(
        '--identity', metavar='<file>',
        help='Private key of the server\'s key pair, if ssh does not find it '
             'by itself')
    return parser


def _gateway(parsed_args: argparse.Namespace) -> places.Gateway | None:
    """:raises CommandError: the user names none"""
    if not parsed_args.gateway:
        return None
    try:
        return places.gateway(parsed_args.gateway)
    except ValueError as error:
        raise exceptions.CommandError(f'--gateway: {error}') from error


def _server(app: Any, name: str) -> Any:
    return app.client_manager.compute.find_server(name, ignore_missing=False)


def _is_silent(app: Any, server: Any) -> bool:
    return host.is_silent(app.client_manager.compute, server.id)


def _published(server: Any) -> places.Console:
    """What Nova tells of a console; the one place that reads it.

    :raises CommandError: it tells of none
    """
    try:
        found = places.published(server.id, server.metadata or {})
    except ValueError as error:
        raise exceptions.CommandError(str(error)) from error
    if found is None:
        raise exceptions.CommandError(
            f'Nova tells of no SSH console of {server.id}; with the '
            f'operator\'s gateway (--gateway, {_ENVIRONMENT}) it is found '
            'without')
    return found


def _of_gateway(place: places.Gateway, instance: str, identity: str | None
                ) -> places.Console:
    """What the gateway tells of a console, which asks it for its key.

    :raises CommandError: it does not
    """
    try:
        done = subprocess.run(
            [*places.to_gateway(place, identity), '-T', place.host,
             instance], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            timeout=_GATEWAY_S, check=False)
        if done.returncode:
            raise ValueError('see what ssh says; the key has to be that of '
                             'the server\'s key pair')
        return places.told(instance, json.loads(done.stdout))
    except (OSError, ValueError, RecursionError,
            subprocess.TimeoutExpired) as error:
        raise exceptions.CommandError(
            f'the gateway {place.host} tells nothing of {instance}: {error}'
        ) from error


def run(command: Sequence[str]) -> int:
    """Be a user's ``ssh``, as his shell sees it -> its status, or what a shell
    has for a signal that has ended it.

    When it suspends itself ("~^Z") this process stops, too: else the shell
    would not know, and nobody had the terminal.
    """
    with subprocess.Popen(command) as process:
        try:
            while hasattr(os, 'waitid'):        # not on Windows
                seen = os.waitid(os.P_PID, process.pid,
                                 os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                if seen is None or seen.si_code != os.CLD_STOPPED:
                    break
                # So that it is not seen again; it may have gone on since.
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PID, process.pid,
                              os.WSTOPPED | os.WNOHANG)
                # What goes on with this one goes on with its group.
                os.kill(os.getpid(), signal.SIGSTOP)
            status = process.wait()
        except BaseException:       # also a user's Ctrl-C
            process.kill()
            raise
    return status if status >= 0 else 128 - status


def add_console_arguments(parser: argparse.ArgumentParser
                          ) -> argparse.ArgumentParser:
    """Add the arguments of a command that connects to a console."""
    _add_arguments(parser)
    parser.add_argument(
        '--known-hosts', metavar='<file>', type=pathlib.Path,
        default=known_hosts.default(),
        help='File with the host keys of consoles, by the IDs of their '
             'servers (default: that of ssh)')
    return parser


class Connection:
    """What ``ssh`` needs to connect to the console of a server.

    With a gateway the console's host key is asked for there once, and kept.

    :param app: of an ``openstack`` command.
    :param parsed_args: with those of :func:`add_console_arguments`.
    :raises CommandError: it is not known, or does not answer.
    """

    def __init__(self, app: Any, parsed_args: argparse.Namespace) -> None:
        self._app = app
        self._args = parsed_args
        self._place = _gateway(parsed_args)
        self._server = _server(app, parsed_args.server)
        self._console = self._find()

    def _find(self) -> places.Console:
        place, path = self._place, self._args.known_hosts
        if place is None:
            return _published(self._server)
        if known_hosts.knows(path, self._server.id):
            return places.Console(self._server.id, '')
        console = _of_gateway(place, self._server.id, self._args.identity)
        if console.host_key is None:
            raise exceptions.CommandError(
                f'the console of {self._server.id} does not answer' + (
                    f': {_SILENT}' if _is_silent(self._app, self._server)
                    else ''))
        if not known_hosts.knows(path, console.known_as):
            known_hosts.add(path, console.known_as, console.host_key)
        return console

    def ssh(self, options: Sequence[str], words: Sequence[str] = ()
            ) -> list[str]:
        """-> the command line.

        :param options: for ``ssh``, before the name of the console.
        :param words: for the console: what it is to do.
        """
        return [*places.to_console(
            self._console, self._place, str(self._args.known_hosts),
            self._args.identity, options), *words]

    def says_whether_silent(self) -> bool:
        """Tell the user if Nova does not hear from the host."""
        silent = _is_silent(self._app, self._server)
        if silent:
            sys.stderr.write(f'openstack: {_SILENT}\n')
        return silent


class SshConsole(command.Command):    # type: ignore[misc]
    """Open the SSH console of a server.

    With a gateway the console's host key is asked for there once, and kept.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See cliff."""
        parser = add_console_arguments(super().get_parser(prog_name))
        parser.add_argument(
            'options', metavar='<ssh-option>', nargs='*',
            help='For ssh, after "--", for instance -v')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Return the status of ``ssh``."""
        connection = Connection(self.app, parsed_args)
        # Before: it may take minutes until ssh gives up.
        was_silent = connection.says_whether_silent()
        status = run(connection.ssh(parsed_args.options))
        if status == SSH_FAILED and not was_silent:
            connection.says_whether_silent()
        return status


class ShowPair(command.ShowOne):    # type: ignore[misc]
    """Show where the SSH console of a server is, and what it is known by."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See cliff."""
        return _add_arguments(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Return names and values."""
        place = _gateway(parsed_args)
        server = _server(self.app, parsed_args.server)
        if place is None:
            console, state = _published(server), 'not asked: no gateway'
        else:
            console = _of_gateway(place, server.id, parsed_args.identity)
            state = 'no answer' if console.host_key is None else 'serving'
        if state != 'serving' and _is_silent(self.app, server):
            state += '; the host of the server does not answer Nova'
        key = console.host_key
        return zip(*{
            'server_id': server.id,
            'address': console.address,
            'port': console.port,
            'url': places.url(console),
            'host_key_fingerprint': key and known_hosts.fingerprint(key),
            'state': state}.items(), strict=True)
