# SPDX-License-Identifier: Apache-2.0
"""What Domain R is told: the CONFIG message of :mod:`nova_dmore.wire`."""

import ipaddress
import itertools
from typing import Any, TYPE_CHECKING, TypeAlias

from oslo_log import log as logging

from nova_dmore.channel import control
from nova_dmore.channel import errors
from nova_dmore import exception
from nova_dmore.virt.config import host_keys
from nova_dmore.virt.config import identity
from nova_dmore.virt.config import key_lines
from nova_dmore.virt.config import vnc
from nova_dmore import wire
if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)

IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Longest key of a user, with its comment, in characters: RSA of 16384 bits,
#: the most that OpenSSH takes, has less than 3000. A longer one must not fill
#: the message, which the whole pair depends on.
_USER_KEY_MAX = 8192
#: Options that are ports of Domain R.
_PORTS = ('ssh_port', 'serial_port', 'vnc_port')
#: Options that are lists of networks.
_NETWORKS = ('ssh_networks', 'serial_proxy_networks', 'vnc_proxy_networks',
             'vnc_direct_networks')


def build(options: 'cfg.ConfigOpts.GroupAttr',
          record: 'record_module.PairRecord', with_vnc: bool
          ) -> dict[str, Any]:
    """The CONFIG message of a pair.

    :param options: the ``[dmore]`` options.
    :param record: a :class:`nova_dmore.virt.pair.record.PairRecord`.
    :param with_vnc: whether Nova's ``[vnc] enabled`` is true.
    :raises nova_dmore.exception.ConfigurationError: an option, or a file
        that it names, cannot be used.
    """
    keys = identity.read_authorized_keys(options.console_authorized_keys)
    keys += _user_keys(record)
    secret = identity.read_secrets(options.secret_file).get(record.secret_id)
    for name in _NETWORKS:
        networks(options, name)
    clients(options, with_vnc)
    _check_ports({name: getattr(options, name) for name in _PORTS})
    message = {
        'host_key': identity.host_key(secret, record.instance_uuid),
        'host_keys': host_keys.private(secret, record.instance_uuid),
        'authorized_keys': keys,
        'instance_uuid': record.instance_uuid,
        'instance_name': record.instance_name,
        'address': record.address.interface,
        'gateway': record.address.gateway,
        'mac': record.address.mac,
        'mtu': record.address.mtu,
        'ssh_port': options.ssh_port,
        'ssh_networks': options.ssh_networks,
        'serial_port': options.serial_port,
        'serial_networks': options.serial_proxy_networks,
        'scrollback_bytes': options.scrollback_kib * 1024,
        'stall_ms': options.serial_stall_ms,
        'escape': (None if options.console_escape == 'none' else
                   ord(options.console_escape[-1].upper()) - 0x40),
        'serial_escape': options.serial_escape,
        'recorded': options.record_serial,
        'evacuated_at': record.evacuated_at,
        'vnc': vnc.build(options, record, secret) if with_vnc else None,
    }
    try:
        _check_length(message)
    except exception.ConfigurationError:
        # A host that has so much to say goes on with the one that it had.
        message['host_keys'] = []
        _check_length(message)
        LOG.warning('There is no room for the ECDSA and RSA host keys of '
                    'instance %s: its SSH console has an Ed25519 key only; '
                    'see [dmore] console_authorized_keys',
                    record.instance_uuid)
    return message


def is_outdated(options: 'cfg.ConfigOpts.GroupAttr',
                record: 'record_module.PairRecord', configured: float) -> bool:
    """Whether the CONFIG message of a pair would have more host keys now.

    :param configured: when it was sent (monotonic seconds).
    :raises nova_dmore.exception.ConfigurationError: the secret cannot be
        had.
    """
    if not host_keys.any_made_after(configured):
        return False
    secret = identity.read_secrets(options.secret_file).get(record.secret_id)
    return host_keys.rsa_made_after(secret, record.instance_uuid, configured)


def networks(options: 'cfg.ConfigOpts.GroupAttr', name: str
             ) -> list[IPNetwork]:
    """The networks of an option; also for the security group.

    :param options: the ``[dmore]`` options.
    :raises nova_dmore.exception.ConfigurationError: one of them is no network.
    """
    try:
        return [ipaddress.ip_network(network)
                for network in getattr(options, name)]
    except ValueError as error:
        raise exception.ConfigurationError(
            f'[dmore] {name}: {error}; write networks as 192.0.2.0/28'
        ) from error


def clients(options: 'cfg.ConfigOpts.GroupAttr', with_vnc: bool
            ) -> dict[int, list[IPNetwork]]:
    """Where clients of each of Domain R's ports are; also for the security
    group.

    :param options: the ``[dmore]`` options.
    :param with_vnc: whether Nova's ``[vnc] enabled`` is true.
    :raises nova_dmore.exception.ConfigurationError: one of them is no
        network, or there are more than Domain R takes.
    """
    names = {options.ssh_port: ['ssh_networks'],
             options.serial_port: ['serial_proxy_networks']}
    if with_vnc:
        names[options.vnc_port] = ['vnc_proxy_networks',
                                   'vnc_direct_networks']
    found = {port: list(dict.fromkeys(
        network for name in each for network in networks(options, name)))
        for port, each in names.items()}
    count = sum(map(len, found.values()))
    if count > wire.NETWORKS_MAX:
        raise exception.ConfigurationError(
            f'[dmore] {", ".join(sum(names.values(), []))}: together these '
            f'are {count} networks, and Domain R takes {wire.NETWORKS_MAX}; '
            'write larger ones instead')
    return found


def _user_keys(record: 'record_module.PairRecord') -> list[str]:
    """The keys that the user gave the instance, as far as they are of use.

    Nova reads the first line of a key pair only, and a guest takes all.
    """
    key = record.key_data or ''
    lines = ([] if len(key) > _USER_KEY_MAX else
             [line for line, is_usable in key_lines.parse(key) if is_usable])
    if key and not lines:
        # Nova takes certificates for Windows, too, and comments of any length.
        LOG.info('The key pair of instance %s is no OpenSSH public key of at '
                 'most %d characters: its SSH console does not take it',
                 record.instance_uuid, _USER_KEY_MAX)
    return lines


def _check_ports(ports: dict[str, int]) -> None:
    for first, second in itertools.combinations(ports, 2):
        if ports[first] == ports[second]:
            raise exception.ConfigurationError(
                f'[dmore] {second}: {ports[second]} is {first} already; give '
                'each console a port of its own')


def _check_length(message: dict[str, Any]) -> None:
    """Whether the message fits into a line of the control stream."""
    try:
        control.encode({'type': wire.CONFIG, **message})
    except errors.ControlError as error:
        tls = (message['vnc'] or {}).get('tls') or {}
        # What is the larger part can be made smaller.
        if sum(map(len, tls.values())) > sum(
                map(len, message['authorized_keys'])):
            advice = ('vnc_tls_dir: the certificates there are too long; '
                      'leave out what the proxies do not need')
        else:
            advice = 'console_authorized_keys: there are too many keys'
        raise exception.ConfigurationError(
            f'[dmore] {advice} ({error})') from error
