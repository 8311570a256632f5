# SPDX-License-Identifier: Apache-2.0

import hashlib

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives import hashes

from nova_dmore.virt.config import rsa_key
from tests.unit.virt import fakes

SEED = bytes(range(32))


class RsaKeyTest(fakes.TestCase):

    def test_the_same_for_ever(self):
        """Whoever changes this changes the host keys of all instances."""
        numbers = rsa_key.private_key(SEED).private_numbers()
        n = numbers.public_numbers.n
        self.assertEqual(
            '86bfa23795cdcc33a711ff2e651d9609c4a6b73a5fbfda02fb02c2f66eecf099',
            hashlib.sha256(n.to_bytes(rsa_key.BITS // 8)).hexdigest())
        self.assertEqual((3072, 65537, n), (
            n.bit_length(), numbers.public_numbers.e, numbers.p * numbers.q))

    def test_openssl_takes_it(self):
        """It checks whether the numbers are prime, and belong together."""
        numbers = rsa_key.private_key(SEED[::-1]).private_numbers()
        key = numbers.private_key()
        signature = key.sign(b'text', padding.PKCS1v15(), hashes.SHA256())
        key.public_key().verify(signature, b'text', padding.PKCS1v15(),
                                hashes.SHA256())
        self.assertGreater(numbers.p, numbers.q)

    def test_primes(self):
        with_divisor = (1 << 1535 | 1) * 3
        self.assertFalse(rsa_key._is_prime(with_divisor, SEED))
        key = rsa.generate_private_key(65537, 3072).private_numbers()
        self.assertTrue(rsa_key._is_prime(key.p, SEED))
        # Fermat's test takes Carmichael's numbers for primes, this does not.
        for number in (561, 1105, 294409):
            odd, twos = number - 1, 0
            while not odd % 2:
                odd, twos = odd // 2, twos + 1
            self.assertFalse(all(rsa_key._passes(number, odd, twos, base)
                                 for base in (2, 3, 5, 7)))
