# SPDX-License-Identifier: Apache-2.0
"""The keeper's QMP connection: what it makes of QEMU."""

import asyncio
import errno
import os
import socket
import tempfile
import threading
import time
import types
from unittest import mock

import fixtures
from oslotest import base

from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from nova_dmore.link import messages
from tests.unit.keeper import fake_qmp

Failure = messages.Failure


class TestLink(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, 'qmp')
        self.seen = []

    def run_with(self, scenario):
        async def run():
            loop = asyncio.get_running_loop()
            self.link = qmp.QmpLink(
                loop, messages.INSTANCE,
                lambda *state: self.seen.append(state),
                lambda event, at: self.seen.append(event))
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(self.path)
                listener.listen()
                listener.setblocking(False)
                acceptor = peers.Acceptor(
                    loop, listener, 'libvirt-x', self.link.connected)
                acceptor.start()
                try:
                    await scenario()
                finally:
                    acceptor.stop()
                    self.link.close()
        asyncio.run(run())

    async def until(self, what):
        async with asyncio.timeout(60):
            while not what():
                await asyncio.sleep(0.01)

    async def serve(self, status, **more):
        fake = fake_qmp.FakeQmp(self.path, status, **more)
        self.addCleanup(fake.close)
        await self.until(lambda: (True, status) in [
            each[:2] for each in self.seen])
        return fake

    def test_follows_and_reconnects(self):
        async def scenario():
            first = await self.serve('inmigrate')
            first.event('RESUME', 'running')
            await self.until(lambda: len(self.seen) > 2)
            await asyncio.to_thread(first.close)
            await self.until(lambda: (False, None, True) in self.seen)
            await self.serve('paused')
        self.run_with(scenario)
        self.assertEqual(
            [(True, 'inmigrate', True), 'RESUME', (True, 'running', True),
             (True, 'running', True), (False, None, True),
             (True, 'paused', False)], self.seen[:6])

    def test_receive_takes_in_what_was_said(self):
        async def scenario():
            fake = await self.serve('running')
            del self.seen[:]
            fake.event('STOP', 'paused')
            fake.event('MIGRATION', data={'status': 'device'})
            fake.event('MIGRATION', data={'status': 'completed'})
            # No other turn of the loop.
            self.link.receive()
            # What QEMU is asked for after STOP it may have answered, too.
            self.assertEqual(
                ['STOP', (True, 'paused', False), 'saving', 'saved'],
                [each for number, each in enumerate(self.seen)
                 if each not in self.seen[:number]])
        self.run_with(scenario)

    def test_answer_that_a_reset_has_overtaken_stands(self):
        async def scenario():
            fake = fake_qmp.FakeQmp(self.path, 'running')
            self.addCleanup(fake.close)
            await self.until(lambda: self.link.state is qmp.LinkState.READY)
            fake.event('RESET')
            await self.until(lambda: (True, 'running', False) in self.seen)
        self.run_with(scenario)

    def test_one_that_has_arrived_is_asked_again(self):
        async def scenario():
            fake = await self.serve('inmigrate')
            fake.status = 'paused'
            fake.event('MIGRATION', data={'status': 'completed'})
            await self.until(lambda: (True, 'paused', True) in self.seen)
        self.run_with(scenario)

    def test_commands_and_their_answers(self):
        replies = []

        async def scenario():
            self.link.execute('cont', None, replies.append)
            fake = await self.serve('running')
            self.link.execute('cont', None, replies.append)
            await self.until(lambda: len(replies) == 2)
            fake.refuses = 'no'
            self.link.execute('stop', {}, replies.append)
            await self.until(lambda: len(replies) == 3)
            fake.refuses = None
            fake.is_mute = True
            self.link.execute('stop', {}, replies.append)
            await asyncio.to_thread(fake.close)
            await self.until(lambda: len(replies) == 4)
        self.run_with(scenario)
        self.assertEqual(
            [Failure.NOT_SENT, None, Failure.REFUSED, Failure.LOST],
            [each.get('failure') for each in replies])
        self.assertEqual('no', replies[2]['error'])

    def test_long_answers_are_answers(self):
        """They have a limit, but it is not one that QEMU reaches."""
        async def scenario():
            fake = await self.serve('running')
            replies = []
            fake.refuses = 'e' * 300000
            self.link.execute('stop', {}, replies.append)
            await self.until(lambda: replies)
            self.assertLess(len(replies[0]['error']), 600)
            fake.refuses = None
            fake.event('STOP', 'y' * 200000)
            await self.until(lambda: self.seen[-1][1].startswith('yyy'))
            self.assertLess(len(self.seen[-1][1]), 100)
            fake.event('RESUME', 'running')
            await self.until(lambda: (True, 'running', False) ==
                             self.seen[-1])
            self.assertIs(qmp.LinkState.READY, self.link.state)
            # Another QEMU is connected to as ever.
            await asyncio.to_thread(fake.close)
            await self.serve('paused')
        self.run_with(scenario)

    def test_numbers_and_depths_that_cannot_be(self):
        times = []

        async def scenario():
            fake = await self.serve('running')
            self.link._on_event = lambda name, at: times.append(at)
            for stamp in ('1e999', '-1e999', 'NaN', '1' * 4000, '-1', '[]',
                          'null', '1e308', '"1"'):
                await asyncio.to_thread(
                    fake.sends, b'{"event": "RESET", "timestamp": '
                    b'{"seconds": %s, "microseconds": %s}}\n' % (
                        (stamp.encode(),) * 2))
            await self.until(lambda: len(times) == 9)
            for odd in (b'{"return": {"status": ' + b'[' * 400 + b']' * 400
                        + b'}, "id": 1}\n',
                        b'{"return": {}, "id": 1e999}\n',
                        b'{"return": {}, "id": true}\n',
                        b'{"error": {"desc": ' + b'[' * 400 + b']' * 400
                        + b'}, "id": 2}\n'):
                await asyncio.to_thread(fake.sends, odd)
            await asyncio.sleep(0.1)
            self.assertIs(qmp.LinkState.READY, self.link.state)
            # Beyond what is read it lives, but is not listened to.
            for odd in (b'[' * 100000 + b'\n', b'1' * 5000 + b'\n'):
                del self.seen[:]
                await asyncio.to_thread(fake.sends, odd)
                await self.until(
                    lambda: (False, 'confused', False) in self.seen)
                await self.until(
                    lambda: (True, 'running', False) in self.seen)
        self.run_with(scenario)
        now = time.monotonic()
        self.assertTrue(all(now - 60 < at <= now for at in times), times)

    def test_flood_of_events(self):
        # All of it comes in one second, however long the machine takes.
        now = [time.monotonic()]
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.keeper.qmp.time',
            types.SimpleNamespace(monotonic=lambda: now[0])))

        async def scenario():
            fake = await self.serve('running')
            # Those of a guest that resets itself are no flood.
            await asyncio.to_thread(
                fake.sends, b'{"event": "RESET"}\n' * 2000)
            await self.until(lambda: self.seen.count('RESET') == 2000)
            line = b'{"event": "STOP"}\n'
            await asyncio.to_thread(fake.sends, line * 5000)
            await self.until(
                lambda: (False, 'confused', False) in self.seen)
            self.assertEqual(100, self.seen.count('STOP'))
            now[0] += 60
            await self.until(lambda: self.seen[-1] == (True, 'running', False))
        self.run_with(scenario)

    def test_flood_of_what_is_not_passed_on(self):
        async def scenario():
            fake = await self.serve('running')
            line = b'{"event": "X", "y": "%s"}\n' % (b'z' * 100000)
            await asyncio.to_thread(fake.sends, line * 200)
            await self.until(
                lambda: (False, 'confused', False) in self.seen)
        self.run_with(scenario)

    def test_one_that_never_answers_is_asked_no_more(self):
        replies = []

        async def scenario():
            fake = await self.serve('running')
            fake.is_mute = True
            for _ in range(50):
                fake.event('RESUME', 'running')
            await self.until(lambda: self.seen.count('RESUME') == 50)
            self.assertEqual(1, len(self.link._waiting))
            for _ in range(1000):
                self.link.execute('stop', {}, replies.append)
            self.assertLess(len(self.link._waiting), 300)
            self.assertEqual({Failure.NOT_SENT},
                             {each['failure'] for each in replies})
        self.run_with(scenario)

    def test_out_of_band_byte(self):
        async def scenario():
            fake = await self.serve('running')
            fake._client.send(b'x', socket.MSG_OOB)
            fake._client.send(b'\n')
            # It is a byte like any other, and makes no sense.
            await self.until(
                lambda: (False, 'confused', False) in self.seen)
        self.run_with(scenario)

    def test_a_second_one_is_refused_while_the_first_lives(self):
        async def scenario():
            first = await self.serve('running')
            second = fake_qmp.FakeQmp(self.path, 'paused')
            self.addCleanup(second.close)
            await self.until(lambda: second.connections > 2)
            self.assertEqual([], second.commands)
            self.assertEqual(1, first.connections)
            await asyncio.to_thread(first.close)
            await self.until(lambda: self.seen[-1] == (True, 'paused', False))
            self.assertIn((False, None, False), self.seen)
        self.run_with(scenario)

    def test_end_of_the_first_that_nobody_has_read(self):
        async def scenario():
            first = await self.serve('running')
            await asyncio.to_thread(first.close)
            # No other turn of the loop.
            ours, theirs = socket.socketpair()
            self.addCleanup(theirs.close)
            self.link.connected(ours, peers.Peer(7, None))
            self.assertEqual(7, self.link.living_peer().pid)
            self.assertIn((False, None, False), self.seen)
        self.run_with(scenario)

    def test_confused_one_is_left_alone(self):
        async def scenario():
            fake = await self.serve('running')
            await asyncio.to_thread(fake.sends, b'nonsense\n')
            await self.until(lambda: self.link.state is qmp.LinkState.AWAY)
            began = time.monotonic()
            await self.until(lambda: self.link.state is qmp.LinkState.READY)
            self.assertGreater(time.monotonic() - began, 0.5)
        self.run_with(scenario)

    def test_socket_that_goes_with_a_command(self):
        replies = []

        def give():
            ours, theirs = socket.socketpair()
            self.addCleanup(ours.close)
            self.link.execute('getfd', {'fdname': 'x'}, replies.append,
                              theirs)
            return ours, theirs

        async def scenario():
            ours, theirs = give()
            self.assertIs(Failure.NOT_SENT, replies[0]['failure'])
            self.assertEqual(-1, theirs.fileno())
            reads = threading.Event()
            fake = await self.serve('running', on_stop=reads.wait)
            self.addCleanup(reads.set)
            self.link.execute('stop', None, replies.append)
            await self.until(lambda: fake.commands[-1]['execute'] == 'stop')
            # What waits for room goes first.
            self.link.execute('cont', {'x': 'y' * (1 << 20)}, replies.append)
            ours, theirs = give()
            self.assertNotEqual(-1, theirs.fileno())
            reads.set()
            await self.until(lambda: len(replies) == 4)
            self.assertEqual(-1, theirs.fileno())
            (given,) = fake.given
            with socket.socket(fileno=given) as got:
                got.sendall(b'hello')
            self.assertEqual(b'hello', ours.recv(10))
        self.run_with(scenario)

    def test_socket_that_the_kernel_does_not_take(self):
        """For what others have under way; commands go on."""
        replies = []

        async def scenario():
            fake = await self.serve('running')
            with socket.socket(socket.AF_UNIX) as given, mock.patch.object(
                    socket, 'send_fds', side_effect=OSError(
                        errno.ETOOMANYREFS, 'too many')):
                self.link.execute('getfd', {}, replies.append, given)
            self.assertIs(Failure.NOT_SENT, replies[0]['failure'])
            self.link.execute('stop', {}, replies.append)
            await self.until(lambda: len(replies) == 2)
            self.assertNotIn('getfd', [
                each['execute'] for each in fake.commands])
        self.run_with(scenario)

    def test_sockets_that_nobody_takes_have_a_limit(self):
        """They would count for all pairs of the host."""
        async def scenario():
            for _ in range(2):
                ours, theirs = socket.socketpair()
                self.addCleanup(theirs.close)
                self.link.connected(ours, peers.Peer(7, None))
                self.link.state = qmp.LinkState.READY
                self.link.execute('getfd', {}, lambda reply: None,
                                  socket.socket(socket.AF_UNIX))
                theirs.shutdown(socket.SHUT_WR)
                self.assertIsNone(self.link.living_peer())
            with socket.socket(socket.AF_UNIX) as third:
                self.assertRaisesRegex(
                    peers.RefusedError, 'reads nothing', self.link.connected,
                    third, peers.Peer(7, None))
        self.run_with(scenario)

    def test_nonsense_ends_the_connection_and_nothing_else(self):
        async def scenario():
            for line in (b'nonsense\n', b'[]\n', b'\xff\n',
                         b'x' * ((1 << 20) + 1)):
                fake = await self.serve('running')
                self.link.receive()
                for odd in ({'event': 5}, {'event': 'MIGRATION'},
                            {'event': 'MIGRATION', 'data': {'status': []}},
                            {'return': {}, 'id': []}, {'return': {}},
                            {'event': 'STOP', 'timestamp': 'x'}):
                    fake.says(odd)
                await asyncio.sleep(0.02)
                self.assertIs(qmp.LinkState.READY, self.link.state)
                del self.seen[:]
                await asyncio.to_thread(fake.sends, line)
                # It lives; what it would read must not be touched.
                await self.until(
                    lambda: (False, 'confused', False) in self.seen)
                await asyncio.to_thread(fake.close)
        self.run_with(scenario)
