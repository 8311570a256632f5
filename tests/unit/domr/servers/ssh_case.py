# SPDX-License-Identifier: Apache-2.0
"""A console over SSH, with asyncssh as its client."""

import unittest

import asyncssh

from tests.unit.domr import pair

KEY = asyncssh.generate_private_key('ssh-ed25519')
PUBLIC = KEY.export_public_key().decode().strip()


def pattern(size: int) -> bytes:
    lines = b''.join(b'%07d\n' % number for number in range(size // 8 + 1))
    return lines[:size]


class SshCase(unittest.IsolatedAsyncioTestCase):
    """One agent, one host, real connections on 127.0.0.1."""

    async def _pair(self, **changes: object) -> pair.Pair:
        changes.setdefault('authorized_keys', [PUBLIC])
        running = pair.Pair(pair.config(**changes))
        await self.enterAsyncContext(running)
        return running

    async def _connect(self, running: pair.Pair,
                       key: asyncssh.SSHKey = KEY,
                       ) -> asyncssh.SSHClientConnection:
        connection = await asyncssh.connect(
            '127.0.0.1', running.config['ssh_port'], username='any',
            client_keys=[key], known_hosts=None, config=None,
            agent_path=None)
        self.addAsyncCleanup(connection.wait_closed)
        self.addCleanup(connection.abort)
        return connection

    async def _attach(self, running: pair.Pair, terminal: str | None = None,
                      ) -> asyncssh.SSHClientProcess[bytes]:
        connection = await self._connect(running)
        return await connection.create_process(
            encoding=None, term_type=terminal)
