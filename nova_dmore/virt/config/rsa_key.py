# SPDX-License-Identifier: Apache-2.0
"""An RSA key that is derived: the same seed, the same key, on every host.

No library makes an RSA key from a seed in a way that its next release has to
keep, so the construction is written down here. It is that of FIPS 186-5,
A.1.3 (probable primes of random numbers), with SHAKE-256 over the seed as the
source of random bits:

* candidate number i of a prime ('p' or 'q') is SHAKE-256 of the seed, that
  letter and i in four bytes: 1536 bits of it, of which the two highest and
  the lowest are set;
* the prime is the first candidate that no prime below 2**14 divides, with
  gcd(candidate - 1, e) = 1, and that passes Miller and Rabin's test for
  :data:`_ROUNDS` bases, which come from SHAKE-256 over the seed and the
  candidate (FIPS 186-5, table B.1 asks for 4 of 1536 bits);
* e is 65537, and d is its inverse modulo lcm(p - 1, q - 1).

That the two highest bits are set makes n a number of 3072 bits. p and q that
are closer than A.1.3 allows, or a d that is too short, do not happen (one in
2**100); they would be an error.
"""

import functools
import hashlib
import math

from cryptography.hazmat.primitives.asymmetric import rsa

BITS = 3072
EXPONENT = 65537
_PRIME_BYTES = BITS // 16
_ROUNDS = 5
_SMALL = 1 << 14


def private_key(seed: bytes) -> rsa.RSAPrivateKey:
    """The key of a seed.

    It takes about a second of one processor, so the caller keeps it.

    :param seed: 32 bytes that nobody else knows, of this key alone.
    """
    p, q = _prime(seed, b'p'), _prime(seed, b'q')
    if p < q:
        p, q = q, p     # as PKCS #1 has it: q's inverse is modulo p
    d = pow(EXPONENT, -1, math.lcm(p - 1, q - 1))
    if (p - q).bit_length() <= BITS // 2 - 100 or d.bit_length() <= BITS // 2:
        raise ArithmeticError('the primes are too close')
    return rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p),
        rsa.RSAPublicNumbers(EXPONENT, p * q)).private_key(
            unsafe_skip_rsa_key_validation=True)


def _prime(seed: bytes, name: bytes) -> int:
    number = 0
    while True:
        candidate = _bits(seed + name + number.to_bytes(4)) | (
            3 << 8 * _PRIME_BYTES - 2) | 1
        if _is_prime(candidate, seed):
            return candidate
        number += 1


def _bits(source: bytes) -> int:
    return int.from_bytes(hashlib.shake_256(source).digest(_PRIME_BYTES))


@functools.cache
def _small_primes() -> int:
    """The product of the odd primes below a limit."""
    sieve = bytearray([1]) * _SMALL
    for number in range(3, math.isqrt(_SMALL) + 1, 2):
        sieve[number * number::number] = bytes(
            len(range(number * number, _SMALL, number)))
    return math.prod(number for number in range(3, _SMALL, 2)
                     if sieve[number])


def _is_prime(candidate: int, seed: bytes) -> bool:
    if (math.gcd(candidate, _small_primes()) != 1
            or math.gcd(candidate - 1, EXPONENT) != 1):
        return False
    odd = candidate - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    return all(_passes(candidate, odd, twos, _base(candidate, seed, each))
               for each in range(_ROUNDS))


def _base(candidate: int, seed: bytes, number: int) -> int:
    return 2 + _bits(seed + b'base' + bytes([number]) + candidate.to_bytes(
        _PRIME_BYTES)) % (candidate - 3)


def _passes(candidate: int, odd: int, twos: int, base: int) -> bool:
    """One round of Miller and Rabin's test."""
    power = pow(base, odd, candidate)
    if power in (1, candidate - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % candidate
        if power == candidate - 1:
            return True
    return False
