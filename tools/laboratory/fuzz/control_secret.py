# SPDX-License-Identifier: Apache-2.0
"""The operator's secret file and key file."""

import tempfile

from laboratory.fuzz import oracle, parts, reader as reader_module
from nova_dmore import exception
from nova_dmore.virt.config import identity, key_lines

SEEDS = [b'\x00' + b'f' * 64 + b'\n', b'\x00' + b'\n' * 4096, b'\x00short',
         b'\x01# comment\n\nssh-ed25519 AAAA comment\n', b'\x01\xff\xfe\n',
         b'\x01ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGN7FbNzrTnGBlOQGZ0PqcmMQ'
         b'kJ1Yz9oVbqUu3VQfX1k a@b\n']


def run(data: bytes) -> None:
    """A file holds any bytes."""
    reader = reader_module.Reader(data)
    kind = reader.byte()
    with tempfile.NamedTemporaryFile(dir=parts.FOLDER) as file:
        file.write(reader.rest())
        file.flush()
        try:
            if kind & 1:
                keys = identity.read_authorized_keys(file.name)
                oracle.check(all(map(key_lines.is_usable, keys)),
                             'a key that is none')
            else:
                secrets = identity.read_secrets(file.name)
                identity.host_key(secrets.get(secrets.newest), 'x')
        except exception.ConfigurationError as error:
            oracle.check_error(error, 1 << 20)
