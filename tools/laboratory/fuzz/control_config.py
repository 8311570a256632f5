# SPDX-License-Identifier: Apache-2.0
"""The CONFIG message, as Domain R takes it."""

import json

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.domr import config

_GOOD = {
    'type': 'config', 'instance_uuid': '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4',
    'instance_name': 'web', 'host_key': 'PEM', 'authorized_keys': ['ssh k'],
    'address': '10.0.0.5/24', 'gateway': '10.0.0.1',
    'mac': 'fa:16:3e:00:00:01', 'mtu': 1500, 'ssh_port': 22,
    'serial_port': 6083, 'serial_networks': ['10.0.0.0/24'],
    'scrollback_bytes': 65536, 'stall_ms': 10000,
    'vnc': {'port': 5900, 'proxy_networks': ['10.0.0.0/24'],
            'direct_networks': ['192.0.2.0/24'], 'password': 'secret',
            'view_only_password': None,
            'tls': {'certificate': 'C', 'key': 'K', 'ca': 'A'},
            'keymap': 'de', 'paste': 'key', 'exclusive': 'share',
            'banner': True}}

SEEDS = [b'\x00' + json.dumps(_GOOD).encode(), b'\x01' + bytes(20),
         b'\x01' + bytes(range(200)), b'\x01' + bytes(range(60, 255)),
         b'\x01\x03\x05\x02\x01\x05\x00\x09\x02\x05\x01\x05\x01']


def run(data: bytes) -> None:
    """The host sends any object."""
    try:
        message = reader_module.Reader(data).json(_GOOD)
    except (ValueError, RecursionError):
        return      # LineCodec's affair
    if not isinstance(message, dict):
        return
    try:
        parsed = config.parse(message)
    except config.ConfigError as error:
        oracle.check(str(error).isascii(), 'an error %.200a', str(error))
        oracle.check_error(error)
        return
    for name in ('instance_name', 'instance_uuid', 'mac'):
        text = getattr(parsed, name)
        oracle.check(text.isascii() and text.isprintable(), '%s is %a', name,
                     text)
    for name in ('ssh_port', 'serial_port'):
        oracle.check(0 < getattr(parsed, name) < 1 << 16, '%s', name)
    oracle.check('PEM' not in repr(parsed) and 'secret' not in repr(parsed),
                 'a secret is shown')
