# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What Domain R is told about its VNC server: ``vnc`` of CONFIG."""

import pathlib

from cryptography.hazmat.primitives import serialization
from cryptography import x509

from nova_dmore import exception
from nova_dmore.virt import private_file

#: The protocol uses no more of a password.
PASSWORD_MAX = 8
#: Longest file of each of the three below, in bytes.
PEM_MAX = 1 << 20
CA_FILE = 'ca-cert.pem'
CERTIFICATE_FILE = 'server-cert.pem'
KEY_FILE = 'server-key.pem'

_TLS_HINT = (f'{CA_FILE}, {CERTIFICATE_FILE} and {KEY_FILE} are needed there, '
             'or leave vnc_tls_dir out for sessions without encryption')


def build(options) -> dict:
    """The ``vnc`` object of :data:`nova_dmore.wire.CONFIG`.

    :param options: the ``[dmore]`` options.
    :raises nova_dmore.exception.ConfigurationError: an option, or a file
        that it names, cannot be used.
    """
    password = view_only = None
    if options.vnc_direct_networks:
        password, view_only = read_passwords(options.vnc_password_file)
    return {
        'port': options.vnc_port,
        'proxy_networks': options.vnc_proxy_networks,
        'direct_networks': options.vnc_direct_networks,
        'password': password,
        'view_only_password': view_only,
        'tls': (read_tls(options.vnc_tls_dir)
                if options.vnc_tls_dir is not None else None),
    }


def read_passwords(path: str | None) -> tuple[str, str | None]:
    """Read ``[dmore] vnc_password_file``.

    :returns: the password, and the one for looking only, if there is one.
    """
    if path is None:
        raise exception.ConfigurationError(
            '[dmore] vnc_password_file is not set, but vnc_direct_networks '
            'is: clients there need a password')
    content = private_file.read(
        'vnc_password_file', path, 100,
        f'write a password of at most {PASSWORD_MAX} characters into it, '
        'mode 0600')
    lines = content.removesuffix(b'\n').split(b'\n')
    if len(lines) > 2:
        raise exception.ConfigurationError(
            f'[dmore] vnc_password_file: {path} has more than two lines; the '
            'first is the password, the second one for looking only')
    passwords = [_check_password(path, number, line.removesuffix(b'\r'))
                 for number, line in enumerate(lines, 1)]
    if len(set(passwords)) < len(passwords):
        raise exception.ConfigurationError(
            f'[dmore] vnc_password_file: the two passwords in {path} are the '
            'same; the second one is for looking only')
    return passwords[0], passwords[1] if len(passwords) > 1 else None


def _check_password(path: str, number: int, line: bytes) -> str:
    if not 1 <= len(line) <= PASSWORD_MAX or not all(
            32 < byte < 127 for byte in line):
        raise exception.ConfigurationError(
            f'[dmore] vnc_password_file: line {number} of {path} is no '
            f'password of 1 to {PASSWORD_MAX} printable ASCII characters '
            'without blanks (VNC uses no more than '
            f'{PASSWORD_MAX} characters)')
    return line.decode('ascii')


def read_tls(directory: str) -> dict:
    """Read ``[dmore] vnc_tls_dir``.

    :returns: ``certificate``, ``key``, ``ca``: PEM texts with nothing but
        the certificates and the key.
    """
    folder = pathlib.Path(directory)
    ca = _read_certificates(folder / CA_FILE)
    chain = _read_certificates(folder / CERTIFICATE_FILE)
    key = _read_key(folder / KEY_FILE)
    if _public(key) != _public(chain[0]):
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {folder / KEY_FILE} is not the key of the '
            f'first certificate in {folder / CERTIFICATE_FILE}')
    return {
        'ca': _pem(ca),
        'certificate': _pem(chain),
        'key': key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode()}


def _read_certificates(path: pathlib.Path) -> list[x509.Certificate]:
    content = private_file.read(
        'vnc_tls_dir', str(path), PEM_MAX, _TLS_HINT, forbidden=0)
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {path} holds no certificate in PEM '
            f'format: {error}') from error


def _read_key(path: pathlib.Path):
    # libvirt's is often readable by the group that QEMU runs as.
    content = private_file.read(
        'vnc_tls_dir', str(path), PEM_MAX, _TLS_HINT, forbidden=0o007)
    try:
        return serialization.load_pem_private_key(content, password=None)
    except (TypeError, ValueError) as error:
        raise exception.ConfigurationError(
            f'[dmore] vnc_tls_dir: {path} holds no private key in PEM format '
            f'without a passphrase: {error}') from error


def _public(owner) -> bytes:
    return owner.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(certificates: list[x509.Certificate]) -> str:
    return ''.join(
        certificate.public_bytes(serialization.Encoding.PEM).decode()
        for certificate in certificates)
