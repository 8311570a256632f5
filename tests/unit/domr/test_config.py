# SPDX-License-Identifier: Apache-2.0
"""Validation of the CONFIG message."""

import unittest

from nova_dmore.domr import config
from nova_dmore import wire
from tests.unit.domr import pair

_WRONG = {
    'instance_uuid': [None, 7], 'instance_name': [None, ['x']],
    'host_key': [None], 'authorized_keys': [None, 'key', [1]],
    'address': [None, '10.0.0.5/33', 'x', 7], 'gateway': ['x', 7],
    'mac': [None, '52:54:00', '52:54:00:12:34:5g'],
    'mtu': [None, 0, 65536, True, 1500.0], 'ssh_port': [0, 65536, '22'],
    'serial_port': [0, None], 'serial_networks': [None, ['10.0.0.1/8'], 'x'],
    'scrollback_bytes': [-1, wire.SCROLLBACK_MAX + 1],
    'stall_ms': [-1, None, wire.STALL_MS_MAX + 1],
    'host_keys': ['x', [None]], 'escape': [-1, 32, '^]'],
}


class ConfigTest(unittest.TestCase):

    def test_every_wrong_value_is_named(self) -> None:
        message = pair.config()
        config.parse(message)
        for name, values in _WRONG.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    with self.assertRaisesRegex(config.ConfigError, name):
                        config.parse({**message, name: value})

    def test_an_error_shows_little_of_a_value(self) -> None:
        for name in _WRONG:
            for value in ('x' * 30000, ['\x1b[2J' * 9000], 10 ** 4000):
                try:
                    config.parse(pair.config(**{name: value}))
                except config.ConfigError as error:
                    self.assertLess(len(str(error)), 400)
                    self.assertTrue(str(error).isprintable())

    def test_names_are_printable(self) -> None:
        parsed = config.parse(pair.config(instance_name='\x1b]0;x\x07\n"é'))
        self.assertTrue(parsed.instance_name.isascii())
        self.assertTrue(parsed.instance_name.isprintable())
        self.assertEqual('\\x1b]0;x\\x07\\n"é', parsed.instance_title)
        for name in ('a\u202eb', 'a\x9bb', 'a\u2028b', '\ud800', 'a\xa0'):
            title = config.parse(pair.config(instance_name=name)
                                 ).instance_title
            self.assertTrue(title.isprintable() and title.encode(), name)
        self.assertEqual('Büro-日本', config.parse(pair.config(
            instance_name='Büro-日本')).instance_title)

    def test_what_hosts_of_earlier_releases_do_not_say(self) -> None:
        parsed = config.parse(pair.config())
        self.assertEqual(((), 0x1d, False, False, None), (
            parsed.host_keys, parsed.escape, parsed.serial_escape,
            parsed.recorded, parsed.evacuated_at))
        self.assertTrue(config.parse(pair.config(recorded=True)).recorded)

    def test_host_key_is_not_shown(self) -> None:
        parsed = config.parse(pair.config())
        self.assertNotIn('PRIVATE', repr(parsed))
        self.assertNotIn('SECRET', repr(config.parse(
            pair.config(host_keys=['SECRET']))))

    def test_every_wrong_value_of_vnc_is_named(self) -> None:
        tls = {'certificate': 'c', 'key': 'k', 'ca': 'a'}
        good = pair.vnc(direct_networks=['10.0.0.0/8'], password='12345678',
                        view_only_password='x', tls=tls)
        parsed = config.parse(pair.config(vnc=good)).vnc
        assert parsed is not None and parsed.tls is not None
        self.assertEqual(('12345678', 'x', 'c'), (
            parsed.password, parsed.view_only_password,
            parsed.tls.certificate))
        self.assertNotIn('12345678', repr(parsed))
        # Hosts of earlier releases do not say these, later ones say more.
        for more in ({}, {'keymap': 'xx', 'paste': 7, 'exclusive': 'maybe',
                          'banner': None}):
            said = config.parse(pair.config(vnc={**good, **more})).vnc
            assert said is not None
            self.assertEqual(('en-us', 'key', 'cut', True), (
                said.keymap, said.paste, said.exclusive, said.banner))
        for name, values in {
                'port': [0, '5900', None], 'proxy_networks': [None, ['x']],
                'direct_networks': [None, ['10.0.0.1/8']],
                'password': [None, '', '123456789', 'p\xe4ss', 7],
                'view_only_password': ['', '123456789', []],
                'tls': [[], 'x', {}, {**tls, 'key': None}]}.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    with self.assertRaisesRegex(
                            config.ConfigError,
                            'vnc: .*' + (name if name != 'tls' else '')):
                        config.parse(pair.config(vnc={**good, name: value}))
        with self.assertRaisesRegex(config.ConfigError, 'vnc'):
            config.parse(pair.config(vnc=[]))
        self.assertIsNone(config.parse(pair.config(vnc=None)).vnc)

    def test_ssh_networks(self) -> None:
        # Hosts of earlier releases do not name any.
        self.assertEqual(config.EVERYWHERE,
                         config.parse(pair.config()).ssh_networks)
        some = config.parse(pair.config(ssh_networks=['10.0.0.0/8']))
        self.assertEqual(['10.0.0.0/8'], [*map(str, some.ssh_networks)])
        for bad in (['x'], '10.0.0.0/8', [1], ['10.0.0.1/8']):
            with self.assertRaisesRegex(config.ConfigError, 'ssh_networks'):
                config.parse(pair.config(ssh_networks=bad))
