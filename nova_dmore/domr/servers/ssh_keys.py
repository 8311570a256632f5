# SPDX-License-Identifier: Apache-2.0
"""The keys that may log in to the SSH console."""

import asyncssh

from nova_dmore.domr.servers import rms


class Keys:
    """Reads the lines of the configuration once, and when they change."""

    def __init__(self, context: rms.Context) -> None:
        self._context = context
        self._lines: tuple[str, ...] = ()
        self._keys: frozenset[bytes] = frozenset()

    def now(self) -> frozenset[bytes]:
        """Public keys as SSH sends them; a line that is no key is logged, not
        used."""
        lines = self._context.config.authorized_keys
        if lines != self._lines:
            self._lines, self._keys = lines, frozenset(
                key for key in map(self._read, lines) if key is not None)
        return self._keys

    def _read(self, line: str) -> bytes | None:
        try:
            data: bytes = asyncssh.import_public_key(line).public_data
        except ValueError as error:
            self._context.log('warning', f'authorized key {line[:40]!a} is '
                              f'not usable: {ascii(error)}')
            return None
        return data
