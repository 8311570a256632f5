# SPDX-License-Identifier: Apache-2.0
"""The consoles that a key may reach, as OpenSSH is told: pure functions.

What users can choose, for instance the name of an instance, is in none of it:
there are uuids, addresses and keys, each of which is read and written anew.
"""

import ipaddress
import re
import uuid
from collections.abc import Iterable, Mapping

#: So many consoles one key reaches. sshd takes 4096 destinations of a key, a
#: message of 256 KiB between its processes, and Linux an argument of 128 KiB.
CONSOLES_MAX = 512
_OPTIONS = 'restrict,port-forwarding'
_CONSOLE = re.compile(r'([0-9a-f-]{36})=([0-9a-f.:]{2,45})')


def instance(text: str) -> str:
    """The uuid of an instance, in its one form.

    :raises ValueError: it is none
    """
    found = str(uuid.UUID(text))
    if found != text:
        raise ValueError('no uuid of an instance')
    return found


def address(text: str) -> str:
    """The address of a Domain R, in its shortest form.

    :raises ValueError: it is none, or one that leads to the gateway itself
        or to nobody in particular
    """
    found = ipaddress.ip_address(text)
    if (found.is_loopback or found.is_unspecified or found.is_multicast
            or found.is_link_local or getattr(found, 'ipv4_mapped', None)):
        raise ValueError(f'no address of a console: {found}')
    return str(found)


def destinations(where: Mapping[str, str], port: int) -> Iterable[str]:
    """What a client may ask the gateway to connect to.

    sshd compares it as text. An address of IPv6 is there in its shortest
    form, in which OpenSSH's clients ask for it however it was typed.

    :param where: addresses by instance
    """
    for name, text in sorted(where.items()):
        yield f'{name}:{port}'
        yield f'[{text}]:{port}' if ':' in text else f'{text}:{port}'


def authorized_keys_line(key: str, where: Mapping[str, str], port: int) -> str:
    """The line of ``authorized_keys`` with which a key reaches its consoles
    and nothing else.

    The command is what the shell of the account is given, which is
    :mod:`nova_dmore.gateway.session`.

    :param key: as :func:`nova_dmore.gateway.public_key.normal` has it
    :param where: addresses by instance: at least one, for without
        ``permitopen`` all destinations are permitted
    """
    if not 1 <= len(where) <= CONSOLES_MAX:
        raise ValueError(f'{len(where)} consoles')
    permitted = ','.join(f'permitopen="{each}"'
                         for each in destinations(where, port))
    return (f'{_OPTIONS},{permitted},command="{to_command(where, port)}" '
            f'{key}')


def to_command(where: Mapping[str, str], port: int) -> str:
    """What a session at the gateway is told of its consoles."""
    return ' '.join([str(port), *(
        f'{name}={text}' for name, text in sorted(where.items()))])


def from_command(command: str) -> tuple[int, dict[str, str]]:
    """The inverse of :func:`to_command`.

    :raises ValueError: it is no such text
    """
    port, *words = command.split(' ')
    matches = [_CONSOLE.fullmatch(word) for word in words]
    if not port.isdecimal() or None in matches:
        raise ValueError('not what the gateway writes')
    return int(port), {instance(match[1]): address(match[2])
                       for match in matches if match is not None}
