# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for tests."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """Makes certificates; files of the last one lie in a directory.

    :ivar certificate: its own, as PEM text
    :ivar key: the private one, as PEM text
    """

    def __init__(self, directory: pathlib.Path,
                 name: str = 'authority') -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(
            x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._make(name, self._key, True)
        self.key = _key_text(self._key)

    def _make(self, name: str, key: ec.EllipticCurvePrivateKey,
              is_authority: bool = False) -> str:
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder(
            issuer_name=self._name, subject_name=x509.Name([
                x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - day, not_valid_after=now + day)
        builder = builder.add_extension(
            x509.BasicConstraints(is_authority, None), True)
        if not is_authority:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name)]), False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM).decode()

    def issue(self, name: str) -> tuple[str, str]:
        """A certificate and its key, as PEM texts; also as files.

        :param name: of a host, or its IP address
        """
        key = ec.generate_private_key(ec.SECP256R1())
        texts = self._make(name, key), _key_text(key)
        for part, text in zip(('cert', 'key'), texts):
            (self._directory / f'{name}-{part}.pem').write_text(text)
        (self._directory / 'ca.pem').write_text(self.certificate)
        return texts


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
