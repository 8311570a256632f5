# SPDX-License-Identifier: Apache-2.0
"""The cipher in C against asyncssh's own, and under the system's ssh."""

import asyncio
import os
import pathlib
import random
import tempfile
import unittest

import asyncssh
from asyncssh import encryption
from asyncssh.crypto import chacha

from nova_dmore.domr.servers.cipher import ffi_build
from nova_dmore.domr.servers.cipher import library
from tests.integration import compiled
from tests.unit.domr import pair

_KEY = asyncssh.generate_private_key('ssh-ed25519')


class CipherTest(unittest.IsolatedAsyncioTestCase):

    @classmethod
    def setUpClass(cls) -> None:
        compiled.load(ffi_build.MODULE)
        cls.addClassCleanup(setattr, encryption, 'ChachaCipher',
                            encryption.ChachaCipher)
        assert library.use()

    def setUp(self) -> None:
        self.key = os.urandom(64)
        self.ours = library.ChachaCipher(self.key)
        self.theirs = chacha.ChachaCipher(self.key)

    def _packets(self) -> list[tuple[bytes, bytes, bytes]]:
        sizes = [8, 9, 16, 60, 64, 65, 2048, 4096, 32768, 70000, 8]
        return [(len(data).to_bytes(4, 'big'), data,
                 number.to_bytes(8, 'big'))
                for number, data in zip(
                    random.Random(1).sample(range(1 << 32), len(sizes)),
                    map(os.urandom, sizes))]

    def test_it_encrypts_as_the_other_does(self) -> None:
        for header, data, number in self._packets():
            self.assertEqual(
                b''.join(self.theirs.encrypt_and_sign(header, data, number)),
                b''.join(self.ours.encrypt_and_sign(header, data, number)))

    def test_it_decrypts_what_the_other_encrypts(self) -> None:
        for header, data, number in self._packets():
            packet, tag = self.theirs.encrypt_and_sign(header, data, number)
            self.assertEqual(header, self.ours.decrypt_header(
                packet[:4], number))
            self.assertEqual(data, self.ours.verify_and_decrypt(
                packet[:4], packet[4:], number, tag))

    def test_what_is_forged_is_refused(self) -> None:
        header, data, number = self._packets()[3]
        packet, tag = self.theirs.encrypt_and_sign(header, data, number)
        good = packet + tag
        for place in range(len(good)):
            bad = bytearray(good)
            bad[place] ^= 1 << place % 8
            self.assertIsNone(self.ours.verify_and_decrypt(
                bytes(bad[:4]), bytes(bad[4:-16]), number, bytes(bad[-16:])))
        self.assertIsNone(self.ours.verify_and_decrypt(
            packet[:4], packet[4:], b'\0' * 8, tag))
        self.assertIsNone(self.ours.verify_and_decrypt(
            packet[:4], packet[4:], number, tag[:-1]))
        self.assertEqual(data, self.ours.verify_and_decrypt(
            packet[:4], packet[4:], number, tag))

    def test_a_key_has_one_size(self) -> None:
        with self.assertRaises(ValueError):
            library.ChachaCipher(self.key[:-1])

    async def test_a_session_of_the_systems_ssh(self) -> None:
        running = pair.Pair(pair.config(
            authorized_keys=[_KEY.export_public_key().decode()]))
        await self.enterAsyncContext(running)
        self.assertIs(library.ChachaCipher, encryption.ChachaCipher)
        with tempfile.TemporaryDirectory() as directory:
            key = pathlib.Path(directory) / 'key'
            _KEY.write_private_key(str(key))
            key.chmod(0o600)
            process = await asyncio.create_subprocess_exec(
                'ssh', '-F', '/dev/null', '-i', str(key), '-T',
                '-o', 'UserKnownHostsFile=/dev/null',
                '-o', 'StrictHostKeyChecking=no', '-o', 'LogLevel=ERROR',
                # New keys in the middle of it, several times.
                '-o', 'RekeyLimit=100K',
                '-o', 'Ciphers=chacha20-poly1305@openssh.com',
                '-p', str(running.config['ssh_port']), 'x@127.0.0.1',
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE)
            assert process.stdin is not None and process.stdout is not None
            text = os.urandom(1 << 19)
            process.stdin.write(b'typed')
            await running.until(lambda: running.typed == b'typed')
            running.print(text)
            self.assertEqual(text, await asyncio.wait_for(
                process.stdout.readexactly(len(text)), 30))
            process.kill()
            await process.wait()
