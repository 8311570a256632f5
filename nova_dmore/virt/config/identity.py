# SPDX-License-Identifier: Apache-2.0
"""What an instance's consoles are known by: secrets that are derived.

The SSH host key belongs to the instance and has to be the same after a live
migration, a rebuild of Domain R, or an evacuation from a host that is lost.
So it is not stored but derived, from a secret that all hosts share and the
instance's uuid; and so are the passwords of its VNC console. What a Domain R
holds of it opens no other console: nothing leads from one derived secret to
the shared one, or to that of another instance.
"""

import dataclasses
import re
import string
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import hkdf
from cryptography.hazmat.primitives import serialization

from nova_dmore import exception
from nova_dmore.virt.config import key_lines
from nova_dmore.virt.config import private_file
from nova_dmore import wire
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import types as key_types

#: Shortest accepted secret, in bytes: the length of the derived key.
SECRET_MIN_BYTES = 32
#: Longest accepted secret, in bytes, and most secrets in a file.
SECRET_MAX_BYTES = 4096
SECRETS_MAX = 16
#: The largest id of a secret; what has none in its file has the first one.
SECRET_ID_MAX = 65535
FIRST_SECRET_ID = 0
#: In the instance's system metadata, which its users neither see nor write:
#: the id of the secret, unless it is the first. It outlives a pair that is
#: removed because its instance is moved while it is off.
METADATA = 'dmore_secret_id'

#: Characters of a VNC password: they need no quoting, and no unusual keyboard.
_VNC_ALPHABET = string.ascii_letters + string.digits

_SECRET_LINE = re.compile(r'([0-9]{1,5}):(?:hex:([0-9A-Fa-f]+)|([!-9;-~]+))')
_HINT = ('make it with "openssl rand -hex 32", mode 0600, and copy it to '
         'every compute host')


@dataclasses.dataclass(frozen=True)
class Secrets:
    """What ``[dmore] secret_file`` holds.

    :ivar path: of that file
    :ivar newest: id of the one that is for new instances
    """

    path: str
    by_id: dict[int, bytes] = dataclasses.field(repr=False)
    newest: int

    def get(self, secret_id: int) -> bytes:
        """The secret with an id.

        :raises nova_dmore.exception.ConfigurationError: there is none.
        """
        try:
            return self.by_id[secret_id]
        except KeyError:
            known = ', '.join(map(str, sorted(self.by_id)))
            raise exception.ConfigurationError(
                f'[dmore] secret_file: {self.path} has no secret with the id '
                f'{secret_id}, only {known}; copy the line that begins with '
                f'"{secret_id}:" from a host that has it') from None


def read_secrets(path: str) -> Secrets:
    """Read the operator's secrets (``[dmore] secret_file``).

    The file is one secret, which then has :data:`FIRST_SECRET_ID`, or has a
    line ``id:secret`` for each; the last one is the newest. ``id:hex:digits``
    stands for bytes that are no text. Empty lines and those that begin with
    ``#`` are left out.

    :raises nova_dmore.exception.ConfigurationError: the file cannot be
        read, what it holds is too short, too long or no secret, or others
        may read it.
    """
    limit = SECRETS_MAX * (2 * SECRET_MAX_BYTES + 16)
    content = private_file.read('secret_file', path, limit, _HINT).strip()
    lines = _lines(content)
    if not any(':' in line for line in lines):
        return Secrets(path, {FIRST_SECRET_ID: _checked(path, '', content)},
                       FIRST_SECRET_ID)
    by_id: dict[int, bytes] = {}
    for number, line in enumerate(lines, 1):
        if line and not line.startswith('#'):
            secret_id, secret = _parse_line(path, number, line)
            if secret_id in by_id:
                raise exception.ConfigurationError(
                    f'[dmore] secret_file: the id {secret_id} in line '
                    f'{number} of {path} is there already; give each secret '
                    'an id of its own')
            by_id[secret_id] = secret
            newest = secret_id
    if not 1 <= len(by_id) <= SECRETS_MAX:
        raise exception.ConfigurationError(
            f'[dmore] secret_file: {path} holds {len(by_id)} secrets; 1 to '
            f'{SECRETS_MAX} are possible')
    return Secrets(path, by_id, newest)


def _lines(content: bytes) -> list[str]:
    """The lines of a text; none of what is a secret of any bytes."""
    try:
        text = content.decode('ascii')
    except UnicodeDecodeError:
        return []
    lines = [line.strip() for line in text.split('\n')]
    return lines if all(line.isprintable() for line in lines) else []


def _parse_line(path: str, number: int, line: str) -> tuple[int, bytes]:
    # What is wrong may be half of a secret: it is not shown.
    match = _SECRET_LINE.fullmatch(line)
    if match is None or int(match[1]) > SECRET_ID_MAX:
        raise exception.ConfigurationError(
            f'[dmore] secret_file: line {number} of {path} is not '
            f'"id:secret" or "id:hex:digits", with an id from 0 to '
            f'{SECRET_ID_MAX} and without blanks; if all of the file is one '
            'secret, write it as "0:hex:digits"')
    if match[2] is None:
        secret = match[3].encode()
    else:
        try:
            secret = bytes.fromhex(match[2])
        except ValueError as error:
            raise exception.ConfigurationError(
                f'[dmore] secret_file: line {number} of {path} has an odd '
                'number of hexadecimal digits; a byte has two') from error
    return int(match[1]), _checked(path, f'line {number} of ', secret)


def _checked(path: str, where: str, secret: bytes) -> bytes:
    if not SECRET_MIN_BYTES <= len(secret) <= SECRET_MAX_BYTES:
        raise exception.ConfigurationError(
            f'[dmore] secret_file: {where}{path} holds {len(secret)} bytes; '
            f'{SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} are needed')
    return secret


def host_key(secret: bytes, instance_uuid: str) -> str:
    """Derive the SSH host key of an instance's consoles.

    :param secret: that of the pair (:meth:`Secrets.get`).
    :returns: an Ed25519 private key as PKCS #8 text: the same text each
        time (OpenSSH's own format holds a random number), so that a
        repeated configuration changes nothing in Domain R.
    """
    return pem(_host_key(secret, instance_uuid))


def pem(key: 'key_types.PrivateKeyTypes') -> str:
    """A private key of :mod:`cryptography` as PKCS #8 text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()).decode()


def public_host_key(secret: bytes, instance_uuid: str) -> str:
    """The public half of it, as OpenSSH's ``known_hosts`` has it."""
    return _host_key(secret, instance_uuid).public_key().public_bytes(
        serialization.Encoding.OpenSSH,
        serialization.PublicFormat.OpenSSH).decode()


def _host_key(secret: bytes, instance_uuid: str
              ) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(
        derive(secret, b'ssh host key', instance_uuid))


def vnc_password(secret: bytes, instance_uuid: str,
                 view_only: bool = False) -> str:
    """Derive a password of an instance's VNC console.

    :param secret: that of the pair (:meth:`Secrets.get`).
    :param view_only: the one with which a client is view-only.
    :returns: :data:`wire.VNC_PASSWORD_MAX` letters and digits, of which there
        are 2 to the power of 47.6.
    """
    purpose = b'vnc view-only password' if view_only else b'vnc password'
    # Of 256 bits: what the remainders prefer does not matter.
    number = int.from_bytes(derive(secret, purpose, instance_uuid))
    password = ''
    for _ in range(wire.VNC_PASSWORD_MAX):
        number, index = divmod(number, len(_VNC_ALPHABET))
        password += _VNC_ALPHABET[index]
    return password


def derive(secret: bytes, purpose: bytes, instance_uuid: str,
           length: int = 32) -> bytes:
    """Bytes that tell nothing of the secret, nor of what is derived for
    another purpose or instance."""
    return hkdf.HKDF(
        algorithm=hashes.SHA256(), length=length, salt=None,
        info=b'nova-dmore %b %b' % (purpose, instance_uuid.encode()),
    ).derive(secret)


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
        with open(path, encoding='utf-8') as key_file:
            lines = list(key_lines.parse(key_file.read()))
    except (OSError, UnicodeDecodeError) as error:
        raise exception.ConfigurationError(
            f'[dmore] console_authorized_keys: {path} cannot be read '
            f'({error}); let the user of nova-compute read it, or unset the '
            'option') from error
    for number, (_, is_usable) in enumerate(lines, 1):
        if not is_usable:
            raise exception.ConfigurationError(
                f'[dmore] console_authorized_keys: key {number} of {path} is '
                'no OpenSSH public key ("ssh-ed25519 AAAA… comment"), or has '
                'an option that the console does not keep to, such as '
                'command="…"')
    return [line for line, _ in lines]
