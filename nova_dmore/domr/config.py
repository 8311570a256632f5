# SPDX-License-Identifier: Apache-2.0
"""The CONFIG message: what the host tells Domain R to serve."""

import dataclasses
import enum
import ipaddress
import re
from collections.abc import Collection
from typing import Any, TypeAlias

from nova_dmore.domr import escape
from nova_dmore import wire

Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NAME_MAX = 255

#: From where SSH may be used unless the message says otherwise; hosts of
#: earlier releases do not.
EVERYWHERE: tuple[Network, ...] = (ipaddress.IPv4Network('0.0.0.0/0'),
                                   ipaddress.IPv6Network('::/0'))

_MAC = re.compile(r'[0-9a-f]{2}(:[0-9a-f]{2}){5}')


class ConfigError(ValueError):
    """A CONFIG message has a wrong or missing value."""


@dataclasses.dataclass(frozen=True)
class Tls:
    """PEM texts: what Domain R shows, and whom it believes."""

    certificate: str
    key: str = dataclasses.field(repr=False)
    ca: str


class Paste(enum.StrEnum):
    """When the text of a VNC client's clipboard is typed."""

    OFF = 'off'
    KEY = 'key'             # when the user says so
    AT_ONCE = 'at-once'     # whenever it changes


class Exclusive(enum.StrEnum):
    """What becomes of a VNC client that wants to be alone."""

    SHARE = 'share'         # it is not
    REFUSE = 'refuse'       # it is let in only if it is alone
    CUT = 'cut'             # the others are cut off
    CONTROL = 'control'     # it types alone, the others are excluded


@dataclasses.dataclass(frozen=True)
class Vnc:
    """The ``vnc`` field of a CONFIG message; see ``wire.CONFIG``.

    ``keymap`` is one of ``wire.KEYMAPS``.
    """

    port: int
    proxy_networks: tuple[Network, ...]
    direct_networks: tuple[Network, ...]
    password: str | None = dataclasses.field(repr=False)
    view_only_password: str | None = dataclasses.field(repr=False)
    tls: Tls | None
    keymap: str = wire.KEYMAP_DEFAULT
    paste: Paste = Paste.KEY
    exclusive: Exclusive = Exclusive.CUT
    banner: bool = True


@dataclasses.dataclass(frozen=True)
class Config:
    """A validated CONFIG message; see ``wire.CONFIG`` for the fields.

    ``instance_name`` is printable ASCII, whatever the user called it, and
    ``instance_title`` what a terminal of UTF-8 may show of it.
    """

    instance_uuid: str
    instance_name: str
    instance_title: str
    host_key: str = dataclasses.field(repr=False)
    host_keys: tuple[str, ...] = dataclasses.field(repr=False)
    authorized_keys: tuple[str, ...]
    address: Interface
    gateway: Address | None
    mac: str
    mtu: int
    ssh_port: int
    ssh_networks: tuple[Network, ...]
    serial_port: int
    serial_networks: tuple[Network, ...]
    scrollback_bytes: int
    stall_ms: int
    escape: int | None
    serial_escape: bool
    recorded: bool
    evacuated_at: int | None
    vnc: Vnc | None


def parse(message: dict[str, Any]) -> Config:
    """Validate a CONFIG message.

    :raises ConfigError: naming the field that is wrong
    """
    gateway = message.get('gateway')
    mac = _text(message, 'mac').lower()
    if not _MAC.fullmatch(mac):
        raise ConfigError(f'mac is {_shown(mac)}')
    return Config(
        instance_uuid=_printable(_text(message, 'instance_uuid')),
        instance_name=_printable(_text(message, 'instance_name')),
        instance_title=_showable(_text(message, 'instance_name')),
        host_key=_text(message, 'host_key'),
        host_keys=(() if message.get('host_keys') is None
                   else tuple(_texts(message, 'host_keys'))),
        authorized_keys=tuple(_texts(message, 'authorized_keys')),
        address=_ip(ipaddress.ip_interface, message, 'address'),
        gateway=(None if gateway is None
                 else _ip(ipaddress.ip_address, message, 'gateway')),
        mac=mac,
        mtu=_number(message, 'mtu', 576, 65535),
        ssh_port=_number(message, 'ssh_port', 1, 65535),
        ssh_networks=(EVERYWHERE if message.get('ssh_networks') is None
                      else _networks(message, 'ssh_networks')),
        serial_port=_number(message, 'serial_port', 1, 65535),
        serial_networks=_networks(message, 'serial_networks'),
        scrollback_bytes=_number(message, 'scrollback_bytes', 0,
                                 wire.SCROLLBACK_MAX),
        stall_ms=_number(message, 'stall_ms', 0, wire.STALL_MS_MAX),
        escape=(None if message.get('escape', escape.DEFAULT) is None else
                _number({'escape': escape.DEFAULT, **message}, 'escape', 0,
                        31)),
        serial_escape=message.get('serial_escape') is True,
        recorded=message.get('recorded') is True,
        evacuated_at=(None if message.get('evacuated_at') is None else
                      _number(message, 'evacuated_at', 0, wire.SECONDS_MAX)),
        vnc=_vnc(message.get('vnc')))


def _vnc(value: Any) -> Vnc | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ConfigError('vnc is no object')
    try:
        vnc = Vnc(port=_number(value, 'port', 1, 65535),
                  proxy_networks=_networks(value, 'proxy_networks'),
                  direct_networks=_networks(value, 'direct_networks'),
                  password=_password(value, 'password'),
                  view_only_password=_password(value, 'view_only_password'),
                  tls=_tls(value.get('tls')),
                  # Hosts of release 0.2 say nothing of these.
                  keymap=_one_of(value, 'keymap', wire.KEYMAPS,
                                 wire.KEYMAP_DEFAULT),
                  paste=Paste(_one_of(value, 'paste', tuple(Paste),
                                      Paste.KEY)),
                  exclusive=Exclusive(_one_of(
                      value, 'exclusive', tuple(Exclusive), Exclusive.CUT)),
                  banner=value.get('banner') is not False)
    except ConfigError as error:
        raise ConfigError(f'vnc: {error}') from error
    if vnc.direct_networks and vnc.password is None:
        raise ConfigError('vnc: direct_networks need a password')
    return vnc


def _password(message: dict[str, Any], name: str) -> str | None:
    if message.get(name) is None:
        return None
    value = _text(message, name)
    if not 0 < len(value) <= wire.VNC_PASSWORD_MAX or not value.isascii():
        raise ConfigError(f'{name} is not 1 to {wire.VNC_PASSWORD_MAX} '
                          'characters of ASCII')
    return value


def _tls(value: Any) -> Tls | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ConfigError('tls is no object')
    return Tls(**{field.name: _text(value, field.name)
                  for field in dataclasses.fields(Tls)})


def _networks(message: dict[str, Any], name: str) -> tuple[Network, ...]:
    return tuple(_ip(ipaddress.ip_network, {name: text}, name)
                 for text in _texts(message, name))


def _printable(text: str) -> str:
    """What may be shown on a terminal: no escapes, no line ends."""
    return ascii(text[:NAME_MAX])[1:-1]


def _showable(text: str) -> str:
    """The same for a terminal that shows UTF-8; what controls it, or turns
    the direction of writing, is escaped."""
    return ''.join(each if each.isprintable() else ascii(each)[1:-1]
                   for each in text[:NAME_MAX])


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise ConfigError(f'{name} is not text')
    return value


def _texts(message: dict[str, Any], name: str) -> list[str]:
    values = message.get(name)
    if (not isinstance(values, list)
            or not all(isinstance(value, str) for value in values)):
        raise ConfigError(f'{name} is not a list of texts')
    return values


def _one_of(message: dict[str, Any], name: str, known: Collection[str],
            default: str) -> str:
    """What a later host says and is not known here is the default."""
    value = message.get(name)
    return value if isinstance(value, str) and value in known else default


def _number(message: dict[str, Any], name: str, low: int, high: int) -> int:
    value = message.get(name)
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(
            f'{name} is {_shown(value)}, not from {low} to {high}')
    return value


def _ip(parser: Any, message: dict[str, Any], name: str) -> Any:
    try:
        return parser(_text(message, name))
    except ValueError as error:
        raise ConfigError(f'{name}: {_shown(error)}') from error


def _shown(value: Any) -> str:
    """A wrong value as an error may have it: of any content, not any length.
    """
    return ascii(value)[:NAME_MAX]
