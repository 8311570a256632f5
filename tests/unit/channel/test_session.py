# SPDX-License-Identifier: Apache-2.0
"""What is said of a session, and by whom it is not believed."""

from oslotest import base

from nova_dmore.channel import session

_TOLD = {'number': 7, 'age_s': 2.5, 'address': '2001:DB8::0:5', 'port': 6083,
         'who': 'SHA256:abc', 'view_only': False}


class SessionTest(base.BaseTestCase):

    def test_what_domain_r_says(self):
        found = session.from_domain_r('ssh', _TOLD, 100.0)
        self.assertEqual(
            session.Session('ssh', 7, 97.5, '2001:db8::5', 6083,
                            'SHA256:abc', False), found)
        self.assertEqual(found, session.from_json(found.to_json()))

    def test_a_text_does_nothing(self):
        found = session.from_domain_r(
            'ssh', {**_TOLD, 'who': 'a\n\x1b[2J' + 'b' * 5000}, 100.0)
        self.assertTrue(found.who.startswith(r'a\n\x1b[2Jbbb'))
        self.assertLess(len(found.who), 150)

    def test_the_interface_of_an_address_is_no_matter(self):
        for told in ('fe80::1%eth0', 'fe80::1%\x1b[2J'):
            found = session.from_domain_r(
                'ssh', {**_TOLD, 'address': told}, 100.0)
            self.assertEqual('fe80::1', found.address)

    def test_nonsense(self):
        for server, told in (
                ('telnet', _TOLD), (['ssh'], _TOLD), ('ssh', None),
                ('ssh', []), *(('ssh', {**_TOLD, **wrong}) for wrong in (
                    {'number': -1}, {'number': True}, {'number': 1 << 60},
                    {'number': '7'}, {'age_s': float('inf')},
                    {'age_s': float('nan')}, {'age_s': -1}, {'age_s': None},
                    {'age_s': True}, {'age_s': 1000}, {'address': 'host'},
                    {'address': '1' * 9999}, {'address': 5},
                    {'address': None}, {'port': 1 << 16}, {'port': -1},
                    {'port': None}, {'who': 5}, {'who': []},
                    {'view_only': 1}, {'view_only': None}))):
            self.assertRaises(ValueError, session.from_domain_r, server,
                              told, 100.0)
        good = session.from_domain_r('vnc', _TOLD, 100.0).to_json()
        for wrong in ({'server': None}, {'server': {}}, {'since': '1'},
                      {'since': float('nan')}):
            self.assertRaises(ValueError, session.from_json,
                              {**good, **wrong})
