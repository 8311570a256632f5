# SPDX-License-Identifier: Apache-2.0
"""Where a console is, and what ssh is told."""

import shlex

from oslotest import base

from nova_dmore.osc import places
from nova_dmore.virt.pair import announcement

WEB = '0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a01'
KEY = 'ssh-ed25519 ' + 'A' * 68


class GatewayTest(base.BaseTestCase):

    def test_forms(self):
        for text, expected in (
                ('gw', ('gw', 'console', None)),
                ('gw.example.org:22', ('gw.example.org', 'console', 22)),
                ('me@gw:2222', ('gw', 'me', 2222)),
                ('192.0.2.1:2222', ('192.0.2.1', 'console', 2222)),
                ('2001:DB8::1', ('2001:db8::1', 'console', None)),
                ('[2001:db8::1]', ('2001:db8::1', 'console', None)),
                ('me@[2001:db8::1]:2222', ('2001:db8::1', 'me', 2222))):
            self.assertEqual(places.Gateway(*expected), places.gateway(text))

    def test_what_ssh_could_take_for_something_else(self):
        for text in ('', '-oProxyCommand=id', 'me@', '@gw', 'a@-b', 'gw:',
                     'gw:0', 'gw:65536', 'gw:x', 'gw;id', 'gw id', '$(id)',
                     '[gw]:22', '[::1', '::1:x', 'me@gw:22:22', 'gw\n',
                     '-l@gw', 'a b@gw', '%h'):
            self.assertRaises(ValueError, places.gateway, text)


class PublishedTest(base.BaseTestCase):

    def _published(self, url):
        return places.published(WEB, {places.PROPERTY: url})

    def test_it_is_where_nova_compute_writes_it(self):
        self.assertEqual(announcement.SSH_PROPERTY, places.PROPERTY)

    def test_forms(self):
        for url, address, port in (
                ('ssh://console@192.0.2.5:22', '192.0.2.5', 22),
                ('ssh://console@2001:db8::5:22', '2001:db8::5', 22),
                ('ssh://console@[2001:DB8::5]:2222', '2001:db8::5', 2222)):
            self.assertEqual(places.Console(WEB, address, port),
                             self._published(url))

    def test_none(self):
        self.assertIsNone(places.published(WEB, {'a': 'b'}))

    def test_what_users_wrote(self):
        for url in ('', 'ssh://192.0.2.5:22', 'ssh://console@gw:22',
                    'ssh://console@-oProxyCommand=id:22',
                    'ssh://console@192.0.2.5', 'ssh://console@192.0.2.5:0',
                    'ssh://console@192.0.2.5:99999', 'ssh://console@1.2.3:22',
                    'ssh://console@192.0.2.5:22\n'):
            self.assertRaises(ValueError, self._published, url)

    def test_url(self):
        for address, url in (
                ('192.0.2.5', 'ssh://console@192.0.2.5:22'),
                ('2001:db8::5', 'ssh://console@[2001:db8::5]:22')):
            console = places.Console(WEB, address)
            self.assertEqual(url, places.url(console))
            self.assertEqual(console, self._published(url))


class ToldTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.fields = {'instance': WEB, 'address': '2001:db8::5', 'port': 22,
                       'host_key': KEY}

    def test_what_the_gateway_tells(self):
        self.assertEqual(places.Console(WEB, '2001:db8::5', 22, KEY),
                         places.told(WEB, self.fields))
        self.fields['host_key'] = None
        self.assertIsNone(places.told(WEB, self.fields).host_key)

    def test_what_it_does_not(self):
        for name, wrong in (
                ('instance', WEB.replace('1', '2')), ('instance', 5),
                ('address', '-x'), ('address', 'fe80::1%\x1b[2J'),
                ('address', '2001:db8::5%eth0'), ('address', 5),
                ('port', 'x'), ('port', None), ('port', True), ('port', -5),
                ('port', 0), ('port', 65536), ('port', float('inf')),
                ('port', 22.5), ('port', '22'),
                ('host_key', KEY + '\nx'), ('host_key', 5),
                ('host_key', f'* {KEY}')):
            self.assertRaises(ValueError, places.told, WEB,
                              {**self.fields, name: wrong})
        for wrong in (None, [], {}, 'x'):
            self.assertRaises(ValueError, places.told, WEB, wrong)


class SshTest(base.BaseTestCase):

    def test_by_a_gateway_the_instance_is_named(self):
        command = places.to_console(
            places.Console(WEB, ''), places.Gateway('gw', 'console', 2222),
            '/home/ann/.ssh/known_hosts', '/home/ann/%h key', ['-v'])
        proxy = next(word for word in command if 'ProxyCommand' in word)
        self.assertEqual(
            ['ssh', '-i', '/home/ann/%h key', '-o', 'IdentitiesOnly=yes',
             '-p', '2222', '-l', 'console', '-W', f'[{WEB}]:22', 'gw'],
            shlex.split(proxy.partition('=')[2].replace('%%', '%')))
        self.assertIn("'/home/ann/%%h key'", proxy)
        self.assertEqual(
            ['ssh', '-i', '/home/ann/%h key', '-o', 'IdentitiesOnly=yes',
             '-o', proxy, '-o', f'HostKeyAlias={WEB}',
             '-o', 'UserKnownHostsFile=/home/ann/.ssh/known_hosts',
             '-p', '22', '-l', 'console', '-v', WEB], command)

    def test_without_one_the_address_is(self):
        command = places.to_console(
            places.Console(WEB, '2001:db8::5', 2222), None, '/a b/c%', None,
            [])
        self.assertEqual(
            ['ssh', '-o', f'HostKeyAlias=[{WEB}]:2222',
             '-o', 'UserKnownHostsFile="/a b/c%%"', '-p', '2222',
             '-l', 'console', '2001:db8::5'], command)
