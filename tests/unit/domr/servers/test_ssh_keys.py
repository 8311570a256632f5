# SPDX-License-Identifier: Apache-2.0
"""Keys: those of the server, and those that may log in; real OpenSSH."""

import asyncio
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

import asyncssh

from nova_dmore.domr.servers import ssh_keys
from tests.unit.domr import pair

_HOST_KEYS = [
    asyncssh.generate_private_key(each).export_private_key('pkcs8-pem')
    .decode() for each in ('ecdsa-sha2-nistp256', 'ssh-rsa')]


@unittest.skipUnless(shutil.which('ssh'), 'needs the ssh client')
class SshKeysTest(unittest.IsolatedAsyncioTestCase):

    def setUp(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.public = self._key('key')

    def _key(self, name: str) -> str:
        """Make a key -> its line without a comment."""
        path = self.folder / name
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C',
                        '', '-f', path], check=True)
        return path.with_suffix('.pub').read_text().strip()

    async def _pair(self, *keys: str, **changes: object) -> pair.Pair:
        running = pair.Pair(pair.config(authorized_keys=keys, **changes))
        await self.enterAsyncContext(running)
        return running

    async def _is_in(self, running: pair.Pair, *options: str,
                     user: str = 'console') -> bool:
        """Whether OpenSSH's client gets in, and its key reaches the guest."""
        running.typed = b''
        process = await asyncio.create_subprocess_exec(
            'ssh', '-F', 'none', '-T', '-p', str(running.config['ssh_port']),
            '-i', str(self.folder / 'key'), '-o', 'IdentitiesOnly=yes',
            '-o', 'StrictHostKeyChecking=no', '-o', 'BatchMode=yes',
            '-o', f'UserKnownHostsFile={self.folder}/known', *options,
            f'{user}@127.0.0.1', stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL)
        assert process.stdin is not None
        process.stdin.write(b'x')
        await running.until(
            lambda: running.typed or process.returncode is not None, 60)
        if process.returncode is None:
            process.terminate()
        await process.wait()
        return bool(running.typed)

    async def test_lines_as_people_have_them(self) -> None:
        for line in (f'{self.public} jürgen@büro', f'{self.public} 田中@web',
                     f'from="127.0.0.1" {self.public} jürgen',
                     f'no-port-forwarding,no-X11-forwarding {self.public}'):
            self.assertTrue(await self._is_in(await self._pair(line)), line)
        self.assertFalse(await self._is_in(await self._pair(
            f'from="192.0.2.1" {self.public}')))

    async def test_an_authority_of_a_user(self) -> None:
        authority = self._key('authority')
        subprocess.run(
            ['ssh-keygen', '-q', '-s', self.folder / 'authority', '-I', 'me',
             '-n', 'alice', self.folder / 'key.pub'], check=True)
        os.rename(self.folder / 'key-cert.pub', self.folder / 'cert.pub')
        certificate = ('-o', f'CertificateFile={self.folder}/cert.pub')
        running = await self._pair(f'cert-authority {authority} büro')
        self.assertTrue(await self._is_in(
            running, *certificate, user='alice'))
        self.assertFalse(await self._is_in(running, *certificate, user='bob'))
        self.assertFalse(await self._is_in(running))
        self.assertFalse(await self._is_in(
            await self._pair(authority), *certificate, user='alice'))

    async def test_clients_that_keep_to_fips(self) -> None:
        running = await self._pair(self.public, host_keys=_HOST_KEYS)
        server = running.servers['ssh']
        await running.until(lambda: len(
            server._host_keys.keys) == 3)   # type: ignore[attr-defined]
        for algorithm in ('ssh-ed25519', 'ecdsa-sha2-nistp256',
                          'rsa-sha2-256', 'rsa-sha2-512'):
            (self.folder / 'known').unlink(missing_ok=True)
            self.assertTrue(await self._is_in(
                running, '-o', f'HostKeyAlgorithms={algorithm}', '-o',
                'KexAlgorithms=ecdh-sha2-nistp256', '-o',
                'Ciphers=aes256-gcm@openssh.com'), algorithm)

    async def test_keys_that_come_later_and_are_kept(self) -> None:
        running = await self._pair(self.public)
        only = ('-o', 'HostKeyAlgorithms=ecdsa-sha2-nistp256')
        self.assertFalse(await self._is_in(running, *only))
        servers = dict(running.servers)
        running.send({**running.config,
                      'host_keys': ['no key', *_HOST_KEYS]})
        await running.until(lambda: running.logged('a host key is not'))
        keys = servers['ssh']._host_keys    # type: ignore[attr-defined]
        await running.until(lambda: len(keys.keys) == 3)
        running.send({**running.config, 'host_keys': _HOST_KEYS[:1],
                      'stall_ms': 1})
        await running.until(
            lambda: running.agent.serving._served    # type: ignore
            .stall_ms == 1)
        self.assertEqual(3, len(keys.keys))
        self.assertTrue(await self._is_in(running, *only))
        self.assertEqual(servers, running.servers)


class AuthorizedKeysTest(unittest.TestCase):

    def test_what_is_no_key_is_said(self) -> None:
        logged: list[str] = []
        ssh_keys.authorized_keys(
            ('no key', 'ä'), lambda level, text: logged.append(text))
        self.assertEqual(2, len(logged))

    def test_who_has_logged_in_stays_who_it_is(self) -> None:
        """asyncssh may ask about a key of before once more."""
        own, other = (
            asyncssh.generate_private_key('ssh-ed25519').convert_to_public()
            for _ in range(2))
        lines = [each.export_public_key().decode() for each in (own, other)]
        keys = ssh_keys.AuthorizedKeys(
            lambda: asyncssh.import_authorized_keys('\n'.join(lines)))
        for each in (other, own):
            self.assertIsNotNone(keys.validate(each, '', '127.0.0.1'))
        keys.logged_in()
        self.assertIsNone(keys.validate(other, '', '127.0.0.1'))
        self.assertEqual(own.get_fingerprint(), keys.fingerprint)
        self.assertFalse(keys.is_removed)
        del lines[0]
        self.assertTrue(keys.is_removed)


class ValidationTest(unittest.TestCase):

    def test_a_library_that_can_leave_it_out(self) -> None:
        said: list[bool] = []
        with mock.patch.object(
                asyncssh, 'set_default_skip_rsa_key_validation', said.append,
                create=True):
            ssh_keys.skip_validation()
        self.assertEqual([True], said)

    def test_the_one_of_debian_12(self) -> None:
        with mock.patch.object(ssh_keys, 'openssl') as openssl:
            openssl._rsa_skip_check_key = False
            ssh_keys.skip_validation()
            self.assertTrue(openssl._rsa_skip_check_key)

    def test_others_validate(self) -> None:
        with mock.patch.object(ssh_keys, 'openssl', spec_set=()):
            ssh_keys.skip_validation()
