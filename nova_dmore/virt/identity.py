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
"""What an instance's Domain R is known by: its SSH host key.

The key belongs to the instance and has to be the same after a live
migration, a rebuild of Domain R, or an evacuation from a host that is lost.
So it is not stored but derived, from a secret that all hosts share and the
instance's uuid.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import hkdf
from cryptography.hazmat.primitives import serialization

from nova_dmore import exception
from nova_dmore.virt import private_file

#: Shortest accepted secret, in bytes: the length of the derived key.
SECRET_MIN_BYTES = 32
#: Longest accepted secret file, in bytes.
SECRET_MAX_BYTES = 4096


def read_secret(path: str) -> bytes:
    """Read the operator's secret (``[dmore] secret_file``).

    :raises nova_dmore.exception.ConfigurationError: the file cannot be
        read, is too short or too long, or others may read it.
    """
    secret = private_file.read(
        'secret_file', path, SECRET_MAX_BYTES,
        'make it with "openssl rand -hex 32", mode 0600, and copy it to '
        'every compute host').strip()
    if not SECRET_MIN_BYTES <= len(secret) <= SECRET_MAX_BYTES:
        raise exception.ConfigurationError(
            f'[dmore] secret_file: {path} holds {len(secret)} bytes; '
            f'{SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} are needed')
    return secret


def host_key(secret: bytes, instance_uuid: str) -> str:
    """Derive the SSH host key of an instance's consoles.

    :param secret: what :func:`read_secret` returned.
    :returns: an Ed25519 private key as PKCS #8 text: the same text each
        time (OpenSSH's own format holds a random number), so that a
        repeated configuration changes nothing in Domain R.
    """
    seed = hkdf.HKDF(
        algorithm=hashes.SHA256(), length=32, salt=None,
        info=b'nova-dmore ssh host key ' + instance_uuid.encode(),
    ).derive(secret)
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()


def read_authorized_keys(path: str | None) -> list[str]:
    """Read the operator's keys (``[dmore] console_authorized_keys``).

    :param path: None for none.
    :returns: the key lines, without comments and empty lines.
    :raises nova_dmore.exception.ConfigurationError: the file cannot be read
        or a line of it is no public key.
    """
    if path is None:
        return []
    try:
        with open(path) as key_file:
            lines = [line.strip() for line in key_file]
    except (OSError, UnicodeDecodeError) as error:
        raise exception.ConfigurationError(
            f'[dmore] console_authorized_keys: {path} cannot be read '
            f'({error})') from error
    keys = [line for line in lines if line and not line.startswith('#')]
    for number, key in enumerate(keys, 1):
        if not is_public_key(key):
            raise exception.ConfigurationError(
                f'[dmore] console_authorized_keys: key {number} of {path} is '
                'no OpenSSH public key without options ("ssh-ed25519 AAAA… '
                'comment")')
    return keys


def is_public_key(line: str) -> bool:
    """Whether a line is an OpenSSH public key, without leading options."""
    try:
        serialization.load_ssh_public_key(line.encode())
    except (ValueError, UnicodeEncodeError):
        return False
    except UnsupportedAlgorithm:
        return False
    return True
