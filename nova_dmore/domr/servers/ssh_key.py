# SPDX-License-Identifier: Apache-2.0
"""With which key a client of the SSH server has logged in."""

import base64
import hashlib

import asyncssh

_EXTRA = 'key_fingerprint'


def remember(connection: asyncssh.SSHServerConnection) -> None:
    """Have a connection remember the key with which its client logs in."""
    validate = connection.validate_public_key

    async def validate_public_key(username: str, key_data: bytes, msg: bytes,
                                  signature: bytes) -> bool:
        is_valid = await validate(username, key_data, msg, signature)
        # Without a message the client only asks whether the key would do.
        if is_valid and msg:
            connection.set_extra_info(**{_EXTRA: _fingerprint(key_data)})
        return is_valid

    # There is no callback that is told the key.
    setattr(connection, 'validate_public_key', validate_public_key)


def fingerprint_of(connection: asyncssh.SSHServerConnection) -> str | None:
    """-> the fingerprint of that key as ``ssh-keygen -l`` shows it."""
    found: str | None = connection.get_extra_info(_EXTRA)
    return found


def _fingerprint(key_data: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(key_data).digest())
    return f'SHA256:{digest.decode().rstrip("=")}'
