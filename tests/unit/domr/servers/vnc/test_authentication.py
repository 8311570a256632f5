# SPDX-License-Identifier: Apache-2.0
"""VNC authentication's answers, against those of other implementations."""

from oslotest import base

from nova_dmore.domr.servers.vnc import authentication

#: Password, challenge, answer.
ANSWERS = (
    ('a', '02132435465768798a9bacbdcedff001',
     '4999b90d1d4f06edf9006ab01bc033e0'),
    ('secret', '031425364758697a8b9cadbecfe0f102',
     'c99f3ad0e4ca1690371d3185dc2bec24'),
    ('12345678', '0415263748596a7b8c9daebfd0e1f203',
     'fefffaab635fd56b7c855a77b9112df3'),
    ('longer than eight', '05162738495a6b7c8d9eafc0d1e2f304',
     '80fb4676ca48835e6e7e0ce6a0aa77e1'))


class EncryptTest(base.BaseTestCase):

    def test_known_answers(self):
        # As libvncserver's rfbEncryptBytes gives them.
        for password, challenge, answer in ANSWERS:
            with self.subTest(password=password):
                self.assertEqual(
                    bytes.fromhex(answer), authentication.encrypt(
                        bytes.fromhex(challenge), password))

    def test_an_empty_password_encrypts_too(self):
        # libvncserver's answer is the challenge itself: libgcrypt refuses
        # such a key, and nobody checks.
        self.assertNotEqual(bytes(16), authentication.encrypt(bytes(16), ''))

    def test_eight_characters_count(self):
        challenge = bytes(range(16))
        self.assertEqual(authentication.encrypt(challenge, '12345678'),
                         authentication.encrypt(challenge, '123456789'))
        self.assertNotEqual(authentication.encrypt(challenge, '1234567'),
                            authentication.encrypt(challenge, '12345678'))
