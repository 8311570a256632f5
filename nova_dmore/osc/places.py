# SPDX-License-Identifier: Apache-2.0
"""Where a user's SSH console is, and how ``ssh`` is told: pure functions."""

import dataclasses
import ipaddress
import re
import shlex
import urllib.parse
import uuid
from collections.abc import Mapping, Sequence

#: As nova-compute publishes it (nova_dmore.virt.pair.announcement).
PROPERTY = 'dmore:console_ssh'
USER = 'console'
SSH_PORT = 22
_HOST = re.compile(r'[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})')
_LOGIN = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}')


@dataclasses.dataclass(frozen=True)
class Gateway:
    """The operator's gateway, as the user named it.

    :ivar port: None for what the user's ``ssh_config`` says, or 22
    """

    host: str
    user: str = USER
    port: int | None = None


@dataclasses.dataclass(frozen=True)
class Console:
    """An SSH console.

    :ivar host_key: ``ssh-ed25519 AAAA...``, if it is known
    """

    instance: str
    address: str
    port: int = SSH_PORT
    host_key: str | None = None

    @property
    def known_as(self) -> str:
        """Its name in ``known_hosts``: that by which
        ``ssh -J GATEWAY console@UUID`` looks it up, too."""
        return (self.instance if self.port == SSH_PORT
                else f'[{self.instance}]:{self.port}')


def gateway(text: str) -> Gateway:
    """What ``--gateway`` says: ``[USER@]HOST[:PORT]``, an address of IPv6 in
    brackets where a port follows.

    :raises ValueError: it is no such thing
    """
    user, separator, rest = text.rpartition('@')
    if not separator:
        user = USER
    host, port = _host_and_port(rest)
    if not _LOGIN.fullmatch(user) or not host:
        raise ValueError(f'{text!a} is no [USER@]HOST[:PORT]')
    return Gateway(host, user, port)


def _host_and_port(text: str) -> tuple[str, int | None]:
    """A host that ``ssh`` cannot take for an option; empty if it is none."""
    try:
        return str(ipaddress.IPv6Address(text)), None
    except ValueError:
        pass
    match = re.fullmatch(r'\[([^\]]*)\](?::([0-9]{1,5}))?'
                         r'|([^:]*)(?::([0-9]{1,5}))?', text)
    if match is None:
        return '', None
    port = match[2] or match[4]
    if port is not None and not 0 < int(port) < 65536:
        return '', None
    if match[1] is not None:
        try:
            host = str(ipaddress.IPv6Address(match[1]))
        except ValueError:
            return '', None
    else:
        host = match[3] if _HOST.fullmatch(match[3]) else ''
    return host, None if port is None else int(port)


def published(instance: str, metadata: Mapping[str, str]) -> Console | None:
    """What Nova tells a user of his instance's console; None if it has none.

    Earlier releases wrote an address of IPv6 without brackets, always with
    its port.

    :raises ValueError: it is no address (users of the project may have
        written it)
    """
    url = metadata.get(PROPERTY)
    if url is None:
        return None
    match = re.fullmatch(r'ssh://console@\[?([0-9A-Fa-f:.]+?)\]?:([0-9]{1,5})',
                         url)
    if match is None or not 0 < int(match[2]) < 65536:
        raise ValueError(f'{PROPERTY} of {instance} is no address of a '
                         f'console: {url!a}')
    return Console(instance, str(ipaddress.ip_address(match[1])),
                   int(match[2]))


def url(console: Console) -> str:
    """The address of a console as a URL, IPv6 in brackets."""
    host = console.address
    return urllib.parse.urlunsplit((
        'ssh', f'{USER}@{f"[{host}]" if ":" in host else host}:{console.port}',
        '', '', ''))


def told(instance: str, fields: object) -> Console:
    """A console, as the gateway tells of it.

    :raises ValueError: it is none of this instance
    """
    try:
        assert isinstance(fields, dict)
        key = fields['host_key']
        if key is not None and not re.fullmatch(
                r'ssh-ed25519 [A-Za-z0-9+/]{68}', key):
            raise ValueError('no host key')
        if str(uuid.UUID(fields['instance'])) != instance:
            raise ValueError('another instance')
        port = fields['port']
        if type(port) is not int or not 0 < port < 65536:
            raise ValueError('no port')
        address = ipaddress.ip_address(str(fields['address']))
        if getattr(address, 'scope_id', None) is not None:
            # The name of an interface here, for which Python takes any text.
            raise ValueError('an address of one link')
        return Console(instance, str(address), port, key)
    except (AssertionError, KeyError, TypeError, ValueError,
            AttributeError) as error:
        raise ValueError(f'the gateway tells what is no console: {error}'
                         ) from error


def ssh_options(identity: str | None) -> list[str]:
    """The options of ``ssh`` to the gateway and to a console alike."""
    return [] if identity is None else [
        '-i', identity, '-o', 'IdentitiesOnly=yes']


def to_gateway(place: Gateway, identity: str | None) -> list[str]:
    """``ssh`` to the gateway, without what follows its name."""
    port = [] if place.port is None else ['-p', str(place.port)]
    return ['ssh', *ssh_options(identity), *port, '-l', place.user]


def to_console(console: Console, place: Gateway | None, known_hosts: str,
               identity: str | None, further: Sequence[str]) -> list[str]:
    """``ssh`` to a console.

    It is ``-J`` written out, for ``ssh`` gives its options not to the one
    that it starts for that.

    :param place: None for a machine that reaches consoles by itself
    :param known_hosts: the file with their keys
    :param further: what the user wants of ``ssh``
    """
    command = ['ssh', *ssh_options(identity)]
    if place is None:
        host = console.address
    else:
        host = console.instance     # which the gateway looks up
        jump = [*to_gateway(place, identity), '-W',
                f'[{host}]:{console.port}', place.host]
        command += ['-o', 'ProxyCommand=' + shlex.join(jump).replace(
            '%', '%%')]
    # It is known by this name alone, whatever address leads to it.
    command += ['-o', f'HostKeyAlias={console.known_as}',
                '-o', f'UserKnownHostsFile={_quoted(known_hosts)}',
                '-p', str(console.port), '-l', USER, *further, host]
    return command


def _quoted(path: str) -> str:
    """A path as a value of ``ssh -o``, which splits at blanks."""
    path = path.replace('%', '%%')
    return f'"{path}"' if ' ' in path else path
