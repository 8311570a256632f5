# SPDX-License-Identifier: Apache-2.0
"""``openstack console session list`` and ``openstack console session end``.

The console itself tells: users have no access to hosts. It runs with its
instance, so what it says is taken for text of a stranger.
"""

import argparse
import datetime
import ipaddress
import json
import re
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command
from osc_lib import exceptions

from nova_dmore.osc import console

#: Seconds in which the console answers; the user may be asked for a
#: passphrase.
_LIMIT_S = 120
#: Longest answer that is taken, in characters.
_ANSWER_MAX = 1 << 16
_COLUMNS = ('ID', 'Console', 'Address', 'Port', 'Key', 'View Only', 'Since')
_SERVERS = ('ssh', 'serial', 'vnc')
_KEY = re.compile(r'SHA256:[A-Za-z0-9+/]{43}')
#: What the console returns when there is no such session.
_NO_SESSION = 1
#: No session is so old, in seconds.
_AGE_MAX_S = 1e9


def rows(answer: str, now: float) -> list[tuple[Any, ...]]:
    """What ``ssh console@ADDRESS sessions`` has written, as a table.

    :param now: seconds since the epoch
    :raises ValueError: it is no such thing
    """
    if len(answer) > _ANSWER_MAX:
        raise ValueError('it is too long')
    try:
        return [_row(json.loads(line), now) for line in answer.splitlines()]
    except RecursionError as error:
        raise ValueError('it is too deep') from error


def _row(fields: Any, now: float) -> tuple[Any, ...]:
    try:
        number, port, age_s = (
            fields[name] for name in ('number', 'port', 'age_s'))
        server, key, view_only = (
            fields[name] for name in ('server', 'key', 'view_only'))
        # That of an interface, which an IPv6 address may have, is any text.
        address = ipaddress.ip_address(fields['address'].partition('%')[0])
        if not (type(number) is int and number > 0
                and type(port) is int and 0 < port < 65536
                and type(age_s) in (int, float) and 0 <= age_s < _AGE_MAX_S
                and server in _SERVERS and type(view_only) is bool
                and (key is None or _KEY.fullmatch(key))):
            raise ValueError('a field is wrong')
        since = datetime.datetime.fromtimestamp(now - age_s, datetime.UTC)
        return (number, server, str(address), port, key, view_only,
                since.strftime('%Y-%m-%dT%H:%M:%SZ'))
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f'no session: {error!a}') from error


def _run(app: Any, parsed_args: argparse.Namespace, *words: str
         ) -> tuple[int, str]:
    """Have the console do something; ``ssh`` tells the user what it has to.

    :returns: what ``ssh`` returned, and what the console has said
    :raises CommandError: it cannot be asked
    """
    connection = console.Connection(app, parsed_args)
    try:
        status, answer = _answer(connection.ssh(['-T'], words))
    except (OSError, ValueError) as error:
        raise exceptions.CommandError(f'ssh: {error}') from error
    if status == console.SSH_FAILED:
        connection.says_whether_silent()
        raise exceptions.CommandError(
            'the console does not tell of sessions: see what ssh says; one of '
            'an earlier release cannot ("exec request failed")')
    return status, answer


def _answer(command: Sequence[str]) -> tuple[int, str]:
    """Run ``ssh`` -> what it returned and has said.

    :raises OSError: it cannot be run, or does not end in time
    :raises ValueError: it says more than is taken; it is ended
    """
    with subprocess.Popen(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE) as process:
        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            process.kill()
        timer = threading.Timer(_LIMIT_S, end)
        timer.start()
        try:
            assert process.stdout is not None   # it is a pipe
            answer = process.stdout.read(_ANSWER_MAX + 1)
            if len(answer) > _ANSWER_MAX:
                raise ValueError('the answer is too long')
            status = process.wait()
        except BaseException:       # also a user's Ctrl-C
            process.kill()
            raise
        finally:
            timer.cancel()
    if is_late.is_set():
        raise TimeoutError(f'it did not end in {_LIMIT_S} s')
    return status, answer.decode('ascii', 'replace')


class ListSession(command.Lister):    # type: ignore[misc]
    """List who is attached to the consoles of a server.

    The clients of a web page have the address of its proxy.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See cliff."""
        return console.add_console_arguments(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Return columns and rows."""
        status, answer = _run(self.app, parsed_args, 'sessions')
        try:
            if status:
                raise ValueError(f'ssh returned {status}')
            return _COLUMNS, rows(answer, time.time())
        except ValueError as error:
            raise exceptions.CommandError(
                f'the console tells what is no list of sessions: {error}'
            ) from error


class EndSession(command.Command):    # type: ignore[misc]
    """End a session of a console of a server.

    Of SSH that is the whole connection. Who was attached may connect again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """See cliff."""
        parser = console.add_console_arguments(super().get_parser(prog_name))
        parser.add_argument(
            'session', metavar='<session>', type=_number,
            help='Session (ID, as "console session list" shows it)')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """End it."""
        status, _ = _run(self.app, parsed_args, 'sessions', 'end',
                         str(parsed_args.session))
        if status == _NO_SESSION:
            raise exceptions.CommandError(
                f'No session {parsed_args.session} of {parsed_args.server}')
        if status:
            raise exceptions.CommandError(f'ssh returned {status}')


def _number(text: str) -> int:
    if not re.fullmatch(r'[1-9][0-9]{0,9}', text):
        raise argparse.ArgumentTypeError(f'{text!a} is no session')
    return int(text)
