# SPDX-License-Identifier: Apache-2.0
"""What OpenSSH is told of a key."""

import uuid

from oslotest import base

from nova_dmore.gateway import consoles
from tests.unit.gateway import fakes

KEY = fakes.key(1)


class LineTest(base.BaseTestCase):

    def test_ipv4(self):
        self.assertEqual(
            f'restrict,port-forwarding,permitopen="{fakes.WEB}:22",'
            f'permitopen="192.0.2.5:22",command="22 {fakes.WEB}=192.0.2.5" '
            + KEY,
            consoles.authorized_keys_line(
                KEY, {fakes.WEB: '192.0.2.5'}, 22))

    def test_ipv6(self):
        self.assertEqual(
            [f'{fakes.WEB}:2222', '[2001:db8::5]:2222'],
            list(consoles.destinations({fakes.WEB: '2001:db8::5'}, 2222)))

    def test_several(self):
        self.assertEqual(
            [f'{fakes.WEB}:22', '192.0.2.5:22', f'{fakes.MAIL}:22',
             '192.0.2.6:22'],
            list(consoles.destinations(
                {fakes.MAIL: '192.0.2.6', fakes.WEB: '192.0.2.5'}, 22)))

    def test_without_a_console_there_is_no_line(self):
        # Without "permitopen" sshd permits every destination.
        self.assertRaises(ValueError, consoles.authorized_keys_line, KEY, {},
                          22)

    def test_it_is_short_enough_for_sshd(self):
        where = {str(uuid.UUID(int=number)):
                 f'2001:db8:1111:2222:3333:4444:5555:{number:x}'
                 for number in range(1, consoles.CONSOLES_MAX + 1)}
        line = consoles.authorized_keys_line(KEY, where, 65535)
        self.assertLessEqual(line.count('permitopen'), 4096)
        self.assertLess(len(line), 200 << 10)
        self.assertLess(len(consoles.to_command(where, 65535)), 100 << 10)
        where[fakes.WEB] = '192.0.2.1'
        self.assertRaises(ValueError, consoles.authorized_keys_line, KEY,
                          where, 22)


class CommandTest(base.BaseTestCase):

    def test_there_and_back(self):
        where = {fakes.WEB: '192.0.2.5', fakes.MAIL: '2001:db8::5'}
        self.assertEqual((2222, where), consoles.from_command(
            consoles.to_command(where, 2222)))

    def test_what_the_gateway_did_not_write(self):
        for text in ('', 'sh', '22 ', f'22 {fakes.WEB}', f'x {fakes.WEB}=::2',
                     f'22 {fakes.WEB}=1.2.3', f'22 {fakes.WEB}=127.0.0.1',
                     f'22 {"-" * 36}=192.0.2.5',
                     f'22 {fakes.WEB}=192.0.2.5;id'):
            self.assertRaises(ValueError, consoles.from_command, text)


class ValueTest(base.BaseTestCase):

    def test_addresses_have_one_form(self):
        for text, form in (('192.0.2.5', '192.0.2.5'),
                           ('2001:DB8:0:0::5', '2001:db8::5'),
                           ('fd00::1', 'fd00::1')):
            self.assertEqual(form, consoles.address(text))

    def test_none_leads_to_the_gateway_itself(self):
        for text in ('127.0.0.1', '::1', '0.0.0.0', '::', '224.0.0.1',
                     'ff02::1', 'fe80::1', 'fe80::1%eth0', '169.254.1.1',
                     '::ffff:127.0.0.1', '', '*', 'localhost', '192.0.2.5/24',
                     '192.0.2.5"', '192.0.2.5\n'):
            self.assertRaises(ValueError, consoles.address, text)

    def test_instances(self):
        self.assertEqual(fakes.WEB, consoles.instance(fakes.WEB))
        for text in ('', '*', fakes.WEB.upper(), fakes.WEB.replace('-', ''),
                     f'{{{fakes.WEB}}}', f'urn:uuid:{fakes.WEB}'):
            self.assertRaises(ValueError, consoles.instance, text)
