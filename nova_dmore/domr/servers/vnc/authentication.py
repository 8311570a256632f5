# SPDX-License-Identifier: Apache-2.0
"""VNC authentication (RFC 6143, 7.2.2): DES, with the bits of its key turned.

OpenSSL has DES only as a part of triple DES: with three equal keys the second
step undoes the first.
"""

from typing import Any

from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers import modes

from nova_dmore import wire


def _triple_des() -> Any:
    """The cipher; newer releases of the library keep it apart."""
    try:
        from cryptography.hazmat.decrepit.ciphers import algorithms as old
    except ImportError:
        return algorithms.TripleDES
    return old.TripleDES


def encrypt(challenge: bytes, password: str) -> bytes:
    """The right answer to a challenge of VNC authentication.

    :param challenge: 16 bytes
    :param password: ASCII
    """
    key = bytes(int(f'{byte:08b}'[::-1], 2) for byte in password.encode(
        'ascii')[:wire.VNC_PASSWORD_MAX].ljust(wire.VNC_PASSWORD_MAX, b'\0'))
    encryptor = Cipher(_triple_des()(key * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()
