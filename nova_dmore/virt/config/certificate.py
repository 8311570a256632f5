# SPDX-License-Identifier: Apache-2.0
"""TLS certificates of the VNC servers: each Domain R has its own.

There are two authorities. That of the *servers* is on the compute hosts, with
its key: each host issues a certificate whenever it tells Domain R what to
serve, for a key that is made for it and kept nowhere. That of the *clients*
is the operator's: it has issued the certificates of the console proxies, and
only its certificate is here. What a Domain R holds proves who it is for some
weeks, and never passes for a proxy's.

Read by nova-compute, whenever it makes CONFIG and at its start, and by
``nova-dmore-status``.
"""

import dataclasses
import datetime
import ipaddress
import pathlib
import uuid
from typing import TypeAlias

from cryptography import exceptions
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from cryptography.x509 import oid

from nova_dmore import exception
from nova_dmore.virt.config import private_file

#: Files of ``[dmore] vnc_tls_dir``: the certificate of the authority that
#: signs those of Domain Rs (and after it those of the authorities above it),
#: its private key, and the certificate of the authority that signs those of
#: the proxies.
SERVER_CA_FILE = 'server-ca-cert.pem'
SERVER_CA_KEY_FILE = 'server-ca-key.pem'
CLIENT_CA_FILE = 'client-ca-cert.pem'
#: Longest file of these, in bytes.
PEM_MAX = 1 << 20

#: How long a certificate is good for, unless its authority ends before.
LIFETIME = datetime.timedelta(days=30)
#: After this it is replaced: a nova-compute may be away for three weeks.
RENEWED_AFTER = datetime.timedelta(days=7)
#: How far the clock of a proxy may be behind.
_CLOCK_SKEW = datetime.timedelta(hours=1)

_HINT = (f'{SERVER_CA_FILE}, {SERVER_CA_KEY_FILE} and {CLIENT_CA_FILE} are '
         'needed there, or leave vnc_tls_dir out for sessions without '
         'encryption')
#: The keys that sign certificates.
_Signer: TypeAlias = (rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
                      | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)


class EndedError(exception.ConfigurationError):
    """The authority of the servers is good no more."""


@dataclasses.dataclass(frozen=True)
class Authorities:
    """What ``[dmore] vnc_tls_dir`` holds.

    :ivar folder: that directory
    :ivar server: certificate of who issues, first, and what it hangs on
    :ivar clients: certificates that a proxy's has to hang on
    """

    folder: pathlib.Path
    server: list[x509.Certificate]
    key: _Signer = dataclasses.field(repr=False)
    clients: list[x509.Certificate]

    def issue(self, instance_uuid: str, address: str,
              now: datetime.datetime | None = None) -> dict[str, str]:
        """The ``tls`` object of :data:`nova_dmore.wire.CONFIG`.

        :param address: of Domain R, without the length of its prefix.
        :param now: None: that of the clock.
        :returns: ``certificate`` (with those that it hangs on), ``key`` and
            ``ca``: PEM texts.
        :raises EndedError: the authority's certificate is good no more.
        :raises nova_dmore.exception.ConfigurationError: it is not good yet.
        """
        now = now or datetime.datetime.now(datetime.UTC)
        self.check(now)
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._sign(key.public_key(), instance_uuid, address, now)
        # A root is of no use to who does not have it.
        chain = [leaf, *(each for each in self.server
                         if each.issuer != each.subject)]
        return {
            'certificate': _pem(chain),
            'key': key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption()).decode(),
            'ca': _pem(self.clients)}

    def check(self, now: datetime.datetime) -> None:
        """Whether the authority of the servers is good.

        :raises EndedError: it is good no more.
        :raises nova_dmore.exception.ConfigurationError: it is not good yet.
        """
        issuer = self.server[0]
        text = (f'[dmore] vnc_tls_dir: {self.folder / SERVER_CA_FILE} is good '
                f'from {issuer.not_valid_before_utc} to '
                f'{issuer.not_valid_after_utc} only; make a new one')
        if now >= issuer.not_valid_after_utc:
            raise EndedError(text)
        if issuer.not_valid_before_utc > now + _CLOCK_SKEW:
            raise exception.ConfigurationError(text)

    def _sign(self, key: ec.EllipticCurvePublicKey, instance_uuid: str,
              address: str, now: datetime.datetime) -> x509.Certificate:
        issuer = self.server[0]
        builder = x509.CertificateBuilder(
            issuer_name=issuer.subject,
            subject_name=x509.Name([x509.NameAttribute(
                x509.NameOID.COMMON_NAME, instance_uuid)]),
            public_key=key, serial_number=x509.random_serial_number(),
            not_valid_before=now - _CLOCK_SKEW,
            not_valid_after=min(now + LIFETIME, issuer.not_valid_after_utc))
        for extension, critical in (
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (_usage(digital_signature=True), True),
                # Nothing else: no Domain R passes for a proxy.
                (x509.ExtendedKeyUsage(
                    [oid.ExtendedKeyUsageOID.SERVER_AUTH]), True),
                (x509.SubjectAlternativeName([
                    x509.IPAddress(ipaddress.ip_address(address)),
                    x509.UniformResourceIdentifier(
                        uuid.UUID(instance_uuid).urn)]), False),
                (x509.SubjectKeyIdentifier.from_public_key(key), False),
                (_authority_key(issuer, self.key), False)):
            builder = builder.add_extension(extension, critical)
        is_prehashed = isinstance(self.key, (rsa.RSAPrivateKey,
                                             ec.EllipticCurvePrivateKey))
        return builder.sign(
            self.key, hashes.SHA256() if is_prehashed else None)


def read(directory: str) -> Authorities:
    """Read ``[dmore] vnc_tls_dir``.

    :raises nova_dmore.exception.ConfigurationError: a file is missing or no
        such thing, others may read the key, they do not belong together, or
        the two authorities do not stand apart.
    """
    folder = pathlib.Path(directory)
    server = _read_certificates(folder / SERVER_CA_FILE)
    clients = _read_certificates(folder / CLIENT_CA_FILE)
    key = _read_key(folder / SERVER_CA_KEY_FILE)
    if _public(key) != _public(server[0]):
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {folder / SERVER_CA_KEY_FILE} is not the '
            f'key of the first certificate in {folder / SERVER_CA_FILE}')
    if not _may_issue(server[0]):
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: the first certificate in '
            f'{folder / SERVER_CA_FILE} is not that of an authority '
            '(basicConstraints CA:TRUE, keyUsage keyCertSign)')
    for each in server:
        for client in clients:
            if (_public(each) == _public(client)
                    or _is_issued_by(each, client)):
                raise exception.ConfigurationError(
                    f'[dmore] vnc_tls_dir: {folder / SERVER_CA_FILE} is, or '
                    f'hangs on, what is in {folder / CLIENT_CA_FILE}; make '
                    'two authorities, so that no certificate of a Domain R '
                    'passes for a proxy\'s')
    return Authorities(folder, server, key, clients)


def _read_certificates(path: pathlib.Path) -> list[x509.Certificate]:
    content = private_file.read(
        'vnc_tls_dir', str(path), PEM_MAX, _HINT, forbidden=0)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {path} holds no certificate in PEM '
            f'format: {error}') from error


def _read_key(path: pathlib.Path) -> _Signer:
    # Whoever has it makes certificates for every console.
    content = private_file.read('vnc_tls_dir', str(path), PEM_MAX, _HINT)
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (TypeError, ValueError, exceptions.UnsupportedAlgorithm) as error:
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {path} holds no private key in PEM format '
            f'without a passphrase: {error}') from error
    if not isinstance(key, _Signer):
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {path} holds a key of a kind that signs '
            'no certificates; RSA, EC, Ed25519 or Ed448 are good')
    return key


def _may_issue(certificate: x509.Certificate) -> bool:
    extensions = certificate.extensions
    try:
        constraints = extensions.get_extension_for_class(
            x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return constraints.ca
    return constraints.ca and usage.key_cert_sign


def _is_issued_by(certificate: x509.Certificate,
                  issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, exceptions.InvalidSignature):
        return False
    return True


def _authority_key(issuer: x509.Certificate, key: _Signer
                   ) -> x509.AuthorityKeyIdentifier:
    try:
        known = issuer.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(
            key.public_key())
    return (x509.AuthorityKeyIdentifier.
            from_issuer_subject_key_identifier(known.value))


def _usage(**allowed: bool) -> x509.KeyUsage:
    nothing = dict.fromkeys(
        ('digital_signature', 'content_commitment', 'key_encipherment',
         'data_encipherment', 'key_agreement', 'key_cert_sign', 'crl_sign',
         'encipher_only', 'decipher_only'), False)
    return x509.KeyUsage(**{**nothing, **allowed})


def _public(owner: x509.Certificate | _Signer) -> bytes:
    return owner.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(certificates: list[x509.Certificate]) -> str:
    return ''.join(
        certificate.public_bytes(serialization.Encoding.PEM).decode()
        for certificate in certificates)
