# SPDX-License-Identifier: Apache-2.0
"""Checks values that come from another host, or from a file.

They are of the types and lengths that this version writes, and no text
becomes a part of a path, an address or an option that is not of its form.
Every function returns the value, and raises ValueError, which names it.
"""

import ipaddress
import re
from typing import Any

_UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')
_IDENTIFIER = re.compile(r'[0-9A-Za-z][0-9A-Za-z_-]{0,63}')
_MAC = re.compile(r'[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}')
_DIGEST = re.compile(r'[0-9a-f]{64}')
#: What names a host in a URI; an IPv6 address is in brackets there.
HOST_NAME = r'[0-9A-Za-z_][0-9A-Za-z_.-]{0,254}'
IPV6 = r'[0-9A-Fa-f:.]{2,45}'
_HOST = re.compile(f'{HOST_NAME}|{IPV6}')
#: What is wrong is shown up to so many characters.
_SHOWN = 80


def wrong(what: str, value: object) -> ValueError:
    """The error that says what is wrong."""
    try:
        text = ascii(value)[:_SHOWN]
    except RecursionError:
        text = 'nested too deeply'
    return ValueError(f'{what} is {text}, which it cannot be')


def text(what: str, value: object, longest: int,
         pattern: re.Pattern[str] | None = None) -> str:
    """A text.

    :param longest: in characters.
    :param pattern: what all of it must match, if not None.
    """
    if (not isinstance(value, str) or len(value) > longest or
            pattern is not None and not pattern.fullmatch(value)):
        raise wrong(what, value)
    return value


def uuid(what: str, value: object) -> str:
    """A uuid in the one form that Nova and Neutron write: it becomes the
    name of a folder."""
    return text(what, value, 36, _UUID)


def identifier(what: str, value: object) -> str:
    """A name of ours, such as that of a migration."""
    return text(what, value, 64, _IDENTIFIER)


def host(what: str, value: object) -> str:
    """The name or the address of a host: it becomes a part of a URI."""
    return text(what, value, 255, _HOST)


def digest(what: str, value: object) -> str:
    """A SHA-256 in hexadecimal, or an empty text: not known yet."""
    return '' if value == '' else text(what, value, 64, _DIGEST)


def boolean(what: str, value: object) -> bool:
    """True or False, and nothing that counts as one."""
    if not isinstance(value, bool):
        raise wrong(what, value)
    return value


def number(what: str, value: Any, least: float, most: float) -> Any:
    """A number; no boolean, and none that is none."""
    # A NaN compares as false.
    if type(value) not in (int, float) or not least <= value <= most:
        raise wrong(what, value)
    return value


def integer(what: str, value: object, least: int, most: int) -> int:
    """A whole number; no boolean."""
    if type(value) is not int:
        raise wrong(what, value)
    whole: int = number(what, value, least, most)
    return whole


def mac(what: str, value: object) -> str:
    """An Ethernet address."""
    return text(what, value, 17, _MAC)


def interface(what: str, value: object) -> str:
    """An IP address with the length of its network's prefix."""
    checked = text(what, value, 64)
    try:
        if '%' in checked or '/' not in checked:
            raise ValueError
        ipaddress.ip_interface(checked)
    except ValueError as error:
        raise wrong(what, value) from error
    return checked


def ip(what: str, value: object) -> str:
    """An IP address."""
    checked = text(what, value, 64)
    try:
        if '%' in checked:
            raise ValueError
        ipaddress.ip_address(checked)
    except ValueError as error:
        raise wrong(what, value) from error
    return checked
