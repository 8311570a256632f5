# SPDX-License-Identifier: Apache-2.0

from cryptography.hazmat.primitives import serialization

from nova_dmore.virt.config import host_keys
from nova_dmore.virt.config import identity
from tests.unit.virt import fakes

SECRET = b's' * 32


def _public(text):
    return serialization.load_pem_private_key(
        text.encode(), None).public_key().public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()


class HostKeysTest(fakes.TestCase):

    rsa_keys = host_keys._RsaKeys

    def test_the_same_for_ever(self):
        self.assertEqual(
            'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlz'
            'dHAyNTYAAABBBAZW42ONnxZe/Q55u6nyhbaZM63kuLMr+qQqw6i7mn5RDnjn'
            'sw6c9S2wmwkJMLYLbQi3zC5jLBbUniZkOwBveNg=',
            _public(host_keys.private(SECRET, fakes.UUID)[0]))

    def test_the_public_halves(self):
        public = host_keys.public(SECRET, fakes.UUID)
        self.assertEqual(
            identity.public_host_key(SECRET, fakes.UUID), public[0])
        self.assertEqual(1, len(host_keys.private(SECRET, fakes.UUID)))
        host_keys._RSA_KEYS._thread.submit(int).result()
        private = host_keys.private(SECRET, fakes.UUID)
        self.assertEqual(public[1:], [_public(each) for each in private])
        self.assertTrue(public[2].startswith('ssh-rsa '))

    def test_depends_on_instance_and_secret(self):
        keys = {host_keys.private(secret, uuid)[0]
                for secret in (SECRET, b't' * 32)
                for uuid in (fakes.UUID, fakes.UUID[::-1])}
        self.assertEqual(4, len(keys))

    def test_one_is_made_at_a_time_and_once(self):
        keys = host_keys._RsaKeys()
        self.addCleanup(keys._thread.shutdown)
        self.assertIsNone(keys.get(b'a' * 32))
        self.assertIsNone(keys.get(b'a' * 32))
        self.assertEqual(1, len(keys._begun))
        self.assertFalse(keys.made_after(b'a' * 32, 0.0))
        keys._thread.submit(int).result()
        self.assertIn('PRIVATE KEY', keys.get(b'a' * 32))
        self.assertTrue(keys.made_after(b'a' * 32, 0.0))
        self.assertFalse(keys.made_after(b'b' * 32, 0.0))
