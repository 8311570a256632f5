# SPDX-License-Identifier: Apache-2.0
"""Who may begin with the VNC server, and how often passwords are tried."""

import asyncio
import contextlib
import errno
import time
from unittest import mock

from nova_dmore.domr.servers import tcp
from nova_dmore.domr.servers.vnc import handshake
from nova_dmore.domr.servers.vnc import server
from tests.unit.domr import pair
from tests.unit.domr.servers.vnc import server_case


class PasswordTest(server_case.Case):

    async def asyncSetUp(self) -> None:
        await self.serve()
        patch = mock.patch.object(handshake, '_WRONG_PASSWORD_S', 0.1)
        patch.start()
        self.addCleanup(patch.stop)

    def _failures(self, source: str = server_case.STRANGER) -> int:
        entry = self.server._attempts._sources.get(source)
        return 0 if entry is None else entry.failures.count

    def _stop_the_clock(self) -> None:
        """However long log-ins take, the wait is what it was."""
        self.server._attempts._clock = mock.Mock(
            return_value=time.monotonic())

    async def _guess(self, seconds: float) -> None:
        """As fast as it goes, and with no time for answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError, EOFError, PermissionError):
                _, writer = await self.answer(server_case.STRANGER, 'guess')
                await asyncio.sleep(0.01)
                writer.close()

    async def test_who_hangs_up_guesses_no_quicker(self) -> None:
        """Tries at 0, 1, 3 s ..., however many connections there are."""
        with mock.patch.object(
                self.desktop, 'encrypt',
                side_effect=self.desktop.encrypt) as encrypt:
            await asyncio.gather(*(self._guess(2.5) for _ in range(12)))
        self.assertLessEqual(encrypt.call_count, 3 * 2)
        self.assertLessEqual(self._failures(), 3)
        self.assertGreaterEqual(self._failures(), 2)
        # Nobody else waits for that.
        await self.log_in(server_case.OWNER, 'secret')
        await self.through_a_proxy()
        self.assertLessEqual(len(self.pair.logged('password')), 2)

    async def test_wait_is_told(self) -> None:
        self._stop_the_clock()
        for _ in range(7):
            self.server._attempts.failed(server_case.STRANGER)
        for password in ('guess', 'secret'):    # it is not even checked
            with self.assertRaisesRegex(
                    PermissionError,
                    'too many wrong passwords: wait 64 seconds'):
                await self.log_in(server_case.STRANGER, password)
        self.assertEqual(7, self._failures())
        await self.log_in(server_case.OWNER, 'viewer')

    async def test_short_wait_is_no_refusal(self) -> None:
        """A person that mistypes gets in with the next try."""
        with self.assertRaisesRegex(PermissionError, 'wrong password'):
            await self.log_in(server_case.OWNER, 'sceret')
        begun = time.monotonic()
        await self.log_in(server_case.OWNER, 'secret')
        self.assertLess(0.5, time.monotonic() - begun)

    async def test_waits_that_add_up_in_a_handshake(self) -> None:
        """It asked for the password before others had failed."""
        reader, writer = await self.open(server_case.STRANGER)
        await reader.readexactly(12)
        writer.write(server_case.VERSION + b'\2')
        await reader.readexactly(2 + 16)
        self._stop_the_clock()
        for _ in range(7):
            self.server._attempts.failed(server_case.STRANGER)
        writer.write((b'secret' * 3)[:16])
        self.assertIn(b'wait 64 s', await asyncio.wait_for(reader.read(), 5))
        self.assertEqual(7, self._failures())

    async def test_viewing_does_not_help_guessing(self) -> None:
        for _ in range(3):
            self.server._attempts.failed(server_case.STRANGER)
        self.server._attempts._sources[server_case.STRANGER].until = 0
        await self.log_in(server_case.STRANGER, 'viewer')
        self.assertEqual(3, self._failures())

    async def test_old_client_is_told_too(self) -> None:
        for _ in range(7):
            self.server._attempts.failed(server_case.STRANGER)
        reader, writer = await self.open(server_case.STRANGER)
        writer.write(b'RFB 003.003\n')
        self.assertIn(b'too many wrong', await asyncio.wait_for(
            reader.read(), 5))


class HandshakesTest(server_case.Case):

    async def asyncSetUp(self) -> None:
        await self.serve()

    async def _flood(self, source: str) -> list[server_case.Streams]:
        return [await self.open(source)
                for _ in range(server.HANDSHAKES_MAX + 8)]

    async def test_flood_ends_its_own_handshakes_only(self) -> None:
        other = await self.open(server_case.OWNER)
        proxy = await self.open(server_case.PROXY)
        flood = await self._flood(server_case.STRANGER)
        self.assertTrue(await pair.ended(flood[0][0]))
        for reader, writer in (other, proxy):
            self.assertEqual(server_case.VERSION, await reader.readexactly(12))
            writer.write(server_case.VERSION)
            self.assertEqual(1, (await reader.readexactly(2))[0])
        await self.log_in(server_case.OWNER, 'secret')
        # Its own neighbour gets in as well: the oldest is the one that goes.
        await self.log_in(server_case.STRANGER, 'secret')
        await self.through_a_proxy()
        self.assertLessEqual(len(self.pair.logged('too many')), 2)

    async def test_proxies_and_others_are_counted_apart(self) -> None:
        other = await self.open(server_case.OWNER)
        await self._flood(server_case.PROXY)
        self.assertFalse(await pair.ended(other[0], 0.3))
        await self.log_in(server_case.STRANGER, 'secret')
        await self.through_a_proxy(server_case.OTHER_PROXY)
        await self.through_a_proxy(server_case.PROXY)

    async def test_sessions_outlive_a_flood(self) -> None:
        reader, _ = await self.log_in(server_case.STRANGER, 'secret')
        proxy, _ = await self.through_a_proxy()
        for source in (server_case.STRANGER, server_case.PROXY):
            await self._flood(source)
        self.assertFalse(await pair.ended(reader, 0.2))
        self.assertFalse(await pair.ended(proxy, 0.2))

    async def test_byte_now_and_then_gains_no_time(self) -> None:
        with mock.patch.object(server, 'DIRECT_HANDSHAKE_S', 1), \
                mock.patch.object(server, 'PROXY_HANDSHAKE_S', 1):
            clients = [await self.open(source)
                       for source in (server_case.STRANGER, server_case.PROXY)]

            async def dribble(writer: asyncio.StreamWriter) -> None:
                for byte in server_case.VERSION * 9:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.15)

            for reader, writer in clients:
                task = asyncio.create_task(dribble(writer))
                self.addCleanup(task.cancel)
                self.assertTrue(await pair.ended(reader, 4))
        self.assertEqual((0, 0), (len(self.server._direct),
                                  len(self.server._proxies)))

    async def test_connection_is_prepared(self) -> None:
        with mock.patch.object(tcp, 'prepare') as prepare:
            await self.through_a_proxy()
        prepare.assert_called_once()

    async def test_no_descriptor_left(self) -> None:
        """It is tried again later, not at once and for ever."""
        listener = mock.Mock(wraps=self.server._listener)
        listener.accept.side_effect = OSError(errno.EMFILE, 'too many files')
        self.server._listener = listener
        with mock.patch.object(server, '_NO_ROOM_S', 0.3):
            reader, _ = await self.open(server_case.PROXY)
            await asyncio.sleep(0.2)
            self.assertEqual(1, listener.accept.call_count)
            listener.accept.side_effect = None
            self.assertEqual(server_case.VERSION, await asyncio.wait_for(
                reader.readexactly(12), 5))


class ExclusiveTest(server_case.Case):

    async def _alone(self) -> bool:
        """Whether a client that wants to be alone gets in."""
        reader, writer = await self.open(server_case.PROXY)
        await reader.readexactly(12)
        writer.write(server_case.VERSION + b'\1\0')
        await reader.readexactly(6)
        return await reader.read(1) == b'!'

    async def test_who_wants_to_be_alone_is_refused(self) -> None:
        await self.serve(exclusive='refuse')
        self.assertTrue(await self._alone())
        self.assertFalse(await self._alone())
        await self.through_a_proxy()
        self.assertEqual(2, len(self.desktop.shown))

    async def test_or_not(self) -> None:
        for exclusive in ('share', 'control'):
            await self.serve(exclusive=exclusive)
            for _ in range(2):
                self.assertTrue(await self._alone())
