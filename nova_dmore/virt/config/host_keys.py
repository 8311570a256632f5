# SPDX-License-Identifier: Apache-2.0
"""The host keys of an instance's consoles beside the Ed25519 key.

Clients that keep to FIPS 140 take ECDSA or RSA only. These keys are derived as
that one is (:mod:`nova_dmore.virt.config.identity`), so they are the same on
every host. An RSA key takes a second of a processor, for which nobody waits:
a thread makes it, and Domain R is told of it at the next check
(:mod:`nova_dmore.virt.care.renewal`); until then it has the other two, and one
that has arrived by a migration keeps its own.
"""

import collections
import hashlib
import math
import threading
import time
from concurrent import futures

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import serialization

from nova_dmore.virt.config import identity
from nova_dmore.virt.config import rsa_key

#: Order of the group of NIST's curve P-256 (SP 800-186, 3.2.1.3).
_P256_ORDER = (
    0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551)
#: RSA keys that are remembered: of more instances than a host has.
_REMEMBERED = 1024


class _RsaKeys:
    """RSA keys as PKCS #8 text, and when each was there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: collections.OrderedDict[bytes, tuple[str, float]] = (
            collections.OrderedDict())
        self._begun: set[bytes] = set()
        self._thread = futures.ThreadPoolExecutor(
            1, thread_name_prefix='dmore-rsa')
        #: When the last one was there (monotonic seconds).
        self.last_made_at = -math.inf

    def get(self, seed: bytes) -> str | None:
        """The key of a seed; None: it is being made."""
        name = hashlib.sha256(seed).digest()
        with self._lock:
            if name in self._made:
                return self._made[name][0]
            if name not in self._begun:
                self._begun.add(name)
                self._thread.submit(self._make, seed, name)
        return None

    def made_after(self, seed: bytes, when: float) -> bool:
        """Whether it was there later than at a time (monotonic seconds)."""
        with self._lock:
            made = self._made.get(hashlib.sha256(seed).digest())
        return made is not None and made[1] > when

    def _make(self, seed: bytes, name: bytes) -> None:
        key = identity.pem(rsa_key.private_key(seed))
        with self._lock:
            self.last_made_at = time.monotonic()
            self._made[name] = key, self.last_made_at
            self._begun.discard(name)
            while len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)


_RSA_KEYS = _RsaKeys()


def private(secret: bytes, instance_uuid: str) -> list[str]:
    """The private keys as PKCS #8 text, ECDSA and RSA; without the latter as
    long as it is not there.

    :param secret: that of the pair (:meth:`identity.Secrets.get`).
    """
    keys = [identity.pem(_ecdsa(secret, instance_uuid))]
    rsa = _RSA_KEYS.get(_rsa_seed(secret, instance_uuid))
    return keys if rsa is None else [*keys, rsa]


def rsa_made_after(secret: bytes, instance_uuid: str, when: float) -> bool:
    """Whether a CONFIG of that time (monotonic seconds) had no RSA key, and
    one is there now."""
    return _RSA_KEYS.made_after(_rsa_seed(secret, instance_uuid), when)


def any_made_after(when: float) -> bool:
    """Whether that may be so of any instance."""
    return _RSA_KEYS.last_made_at > when


def public(secret: bytes, instance_uuid: str) -> list[str]:
    """The public halves of all, as ``known_hosts`` has them; it takes a
    second or more."""
    return [identity.public_host_key(secret, instance_uuid), *(
        key.public_key().public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()
        for key in (_ecdsa(secret, instance_uuid),
                    rsa_key.private_key(_rsa_seed(secret, instance_uuid))))]


def _ecdsa(secret: bytes, instance_uuid: str) -> ec.EllipticCurvePrivateKey:
    """A key made of 384 bits, as FIPS 186-5, A.2.1 has it: what the remainders
    prefer does not matter."""
    number = int.from_bytes(identity.derive(
        secret, b'ssh ecdsa p-256 host key', instance_uuid, 48))
    return ec.derive_private_key(
        number % (_P256_ORDER - 1) + 1, ec.SECP256R1())


def _rsa_seed(secret: bytes, instance_uuid: str) -> bytes:
    return identity.derive(secret, b'ssh rsa-3072 host key', instance_uuid)
