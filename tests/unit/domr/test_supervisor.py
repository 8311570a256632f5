# SPDX-License-Identifier: Apache-2.0
"""The agent's end of what init serves, against the code of init."""

import asyncio
import ctypes
import ipaddress
import pathlib
import random
import re
import socket
import subprocess
import tempfile
import threading
import unittest
from typing import Any
from unittest import mock

from nova_dmore.domr import config
from nova_dmore.domr.init import build
from nova_dmore.domr import supervisor
from nova_dmore import wire
from tests.unit.domr import pair

FULL: dict[str, Any] = {
    'address': '10.0.0.5/24', 'gateway': '10.0.0.1',
    'ssh_networks': ['0.0.0.0/0', '::/0'],
    'serial_networks': ['10.1.0.0/16', 'fd00::/8']}
FULL6: dict[str, Any] = {
    **FULL, 'address': 'fd00::5/64', 'gateway': 'fe80::1'}


def request(**changes: Any) -> bytes:
    return supervisor.network_request(config.parse(pair.config(**changes)))


class RequestTest(unittest.TestCase):
    """What Python writes, init's own check reads."""

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        library = pathlib.Path(directory.name) / 'request.so'
        subprocess.run(['gcc', *build.FLAGS, '-fPIC', '-shared',
                        build.FOLDER / 'request.c', '-o', library],
                       check=True)
        cls._check = ctypes.CDLL(str(library)).check_network_request

    def problem(self, message: bytes) -> str | None:
        """Why init refuses a message; None: it does not."""
        failure = ctypes.create_string_buffer(240)
        # A copy that ends where the message does.
        copied = (ctypes.c_char * len(message)).from_buffer_copy(message)
        if type(self)._check(copied, ctypes.c_size_t(len(message)), failure):
            return failure.value.decode('ascii')
        self.assertEqual(b'', failure.value)
        return None

    def test_good_ones(self) -> None:
        for changes in (
                FULL, FULL6, {**FULL, 'gateway': None},
                {**FULL, 'vnc': pair.vnc(proxy_networks=['10.2.0.1/32'])},
                {**FULL, 'serial_networks': [], 'ssh_networks': []},
                {**FULL, 'serial_networks': [
                    f'10.0.{number}.0/24' for number in range(254)]},
                {**FULL, 'address': '10.0.0.5/32', 'gateway': '10.9.0.1'}):
            self.assertIsNone(self.problem(request(**changes)), changes)

    def test_too_many_networks(self) -> None:
        with self.assertRaisesRegex(supervisor.NetworkError, '257 networks'):
            request(**{**FULL, 'serial_networks': [
                f'10.0.{number}.0/24' for number in range(255)]})

    def test_a_network_counts_once(self) -> None:
        ports = {'ssh_port': 22, 'serial_port': 7000}
        self.assertEqual(
            request(**FULL, **ports), request(**{
                **FULL, **ports, 'serial_networks': [
                    '10.1.0.0/16', 'fd00::/8', '10.1.0.0/16']}))

    def test_bad_ones(self) -> None:
        good = request(**FULL)
        for at, new, problem in (
                (0, b'\2', 'kind'), (4, b'\1', 'mac'), (4, bytes(6), 'mac'),
                (10, b'\0\1', 'mtu'), (12, b'\0', 'address: family'),
                (12, b'\5', 'address: family'),
                (13, b'\41', 'address: prefix'),
                (14, b'\0', 'address: not of one'),
                (14, b'\177', 'address: not of one'),
                (14, b'\340', 'address: not of one'),
                (18, b'\1', 'address: bytes'), (30, b'\6', 'gateway'),
                (30, b'\0', 'gateway: bytes'), (31, b'\0', 'gateway'),
                (32, b'\377', 'gateway'), (54, b'\1\0', 'networks'),
                (54, b'\377\377', 'networks'), (56, b'\3', 'service'),
                (57, b'\0', 'family'), (58, b'\41', 'prefix'),
                (59, b'\1', 'bits after'), (56 + 19 * 2 + 5, b'\1', 'bits')):
            bad = good[:at] + new + good[at + len(new):]
            self.assertIn(problem, self.problem(bad) or '', (at, new))
        for size in (0, 1, 40, len(good) - 1):
            self.assertIsNotNone(self.problem(good[:size]))
        self.assertIsNotNone(self.problem(good + b'\0'))
        good = request(**FULL6)
        for bad in (good[:14] + bytes(16) + good[30:],
                    good[:14] + bytes(15) + b'\1' + good[30:],
                    good[:14] + b'\377' + good[15:],
                    good[:10] + b'\0\3' + good[12:]):
            self.assertIsNotNone(self.problem(bad))

    def test_anything_has_an_answer(self) -> None:
        values = random.Random(12)
        good = request(**FULL)
        for _ in range(5000):
            message = bytearray(good)
            for _ in range(values.randint(1, 4)):
                message[values.randrange(len(message))] = (
                    values.randrange(256))
            problem = self.problem(bytes(message))
            self.assertRegex(problem or '', r'\A[ -~]*\Z')


class ProtocolTest(unittest.TestCase):

    def test_constants(self) -> None:
        text = (build.FOLDER / 'protocol.h').read_text()
        stated = dict(re.findall(r'^#define (\w+) (\d+)$', text, re.M))
        for name, value in (
                ('NETWORK_FD', supervisor.NETWORK_FD),
                ('VNC_FD', supervisor.VNC_FD),
                ('ALLOWED_MAX', wire.NETWORKS_MAX),
                ('REQUEST_NETWORK', supervisor._REQUEST_NETWORK),
                ('REQUEST_VNC', supervisor._REQUEST_VNC),
                ('ANSWER_DONE', supervisor._ANSWER_DONE),
                ('ANSWER_TEXT_MAX', supervisor._ANSWER_SIZE - 4)):
            self.assertEqual(int(stated[name]), value, name)

    def test_answers(self) -> None:
        self.assertIsNone(supervisor.parse_answer(b'\0\0\0\0'))
        self.assertEqual('why', supervisor.parse_answer(b'\1\0\0\0why'))
        self.assertEqual('init does not answer', supervisor.parse_answer(b''))


class SupervisorTest(unittest.IsolatedAsyncioTestCase):

    def setUp(self) -> None:
        self.ends = []
        ours = []
        for _ in range(2):
            pair_of = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in pair_of:
                self.addCleanup(end.close)
            ours.append(pair_of[0])
            self.ends.append(pair_of[1])
        self.supervisor = supervisor.Supervisor(*ours)

    def _init(self, end: socket.socket, answer: bytes,
              *descriptors: int) -> list[bytes]:
        """Answer one request; it is in the list then."""
        requests: list[bytes] = []

        def serve() -> None:
            requests.append(end.recv(10000))
            socket.send_fds(end, [answer], descriptors)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        return requests

    async def test_network(self) -> None:
        wanted = config.parse(pair.config(**FULL))
        requests = self._init(self.ends[0], b'\0\0\0\0')
        await self.supervisor.set_up_network(wanted)
        self.assertEqual([supervisor.network_request(wanted)], requests)
        self._init(self.ends[0], b'\1\0\0\0no interface')
        with self.assertRaisesRegex(supervisor.NetworkError,
                                    '^no interface$'):
            await self.supervisor.set_up_network(wanted)
        self.ends[0].close()
        with self.assertRaises(supervisor.NetworkError):
            await self.supervisor.set_up_network(wanted)

    async def test_vnc_is_not_mixed_up_with_the_network(self) -> None:
        waiting = asyncio.create_task(self.supervisor.set_up_network(
            config.parse(pair.config(**FULL))))
        await asyncio.sleep(0)
        theirs, ours = socket.socketpair(socket.AF_UNIX,
                                         socket.SOCK_SEQPACKET)
        self.addCleanup(theirs.close)

        def answer() -> None:
            self.assertEqual(b'\2\0\0\0', self.ends[1].recv(100))
            socket.send_fds(self.ends[1], [b'\0\0\0\0'], [ours.fileno()])
            ours.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with self.supervisor.start_vnc() as got:
            theirs.send(b'hello')
            self.assertEqual(b'hello', got.recv(10))
            self.assertFalse(got.get_inheritable())
        thread.join()
        self.ends[0].send(b'\0\0\0\0')
        await waiting

    async def test_late_answers_of_the_network(self) -> None:
        wanted = config.parse(pair.config(**FULL))
        with mock.patch.object(supervisor, 'ANSWER_TIMEOUT_S', 0.05):
            for _ in range(2):
                with self.assertRaisesRegex(supervisor.NetworkError,
                                            'Timeout'):
                    await self.supervisor.set_up_network(wanted)
        for _ in range(2):
            self.ends[0].recv(10000)
            self.ends[0].send(b'\0\0\0\0')
        self._init(self.ends[0], b'\1\0\0\0no interface')
        with self.assertRaisesRegex(supervisor.NetworkError,
                                    '^no interface$'):
            await self.supervisor.set_up_network(wanted)

    async def test_late_answers_of_vnc(self) -> None:
        late = [socket.socketpair() for _ in range(2)]
        for ours, theirs in late:
            self.addCleanup(theirs.close)
            socket.send_fds(self.ends[1], [b'\0\0\0\0'], [ours.fileno()])
            ours.close()
        self._init(self.ends[1], b'\1\0\0\0no program')
        with self.assertRaisesRegex(supervisor.VncError, '^no program$'):
            self.supervisor.start_vnc()
        for _, theirs in late:      # nobody has the other end any more
            theirs.setblocking(False)
            self.assertEqual(b'', theirs.recv(1))
        # It waits for the next answer as before.
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.addCleanup(ours.close)
        self._init(self.ends[1], b'\0\0\0\0', ours.fileno())
        self.supervisor.start_vnc().close()
        self.assertEqual(supervisor.ANSWER_TIMEOUT_S,
                         self.supervisor._vnc.gettimeout())

    async def test_vnc_fails(self) -> None:
        self._init(self.ends[1], b'\1\0\0\0no program')
        with self.assertRaisesRegex(supervisor.VncError, '^no program$'):
            self.supervisor.start_vnc()
        self._init(self.ends[1], b'\0\0\0\0')
        with self.assertRaisesRegex(supervisor.VncError, 'no socket'):
            self.supervisor.start_vnc()
        self.ends[1].close()
        with self.assertRaises(supervisor.VncError):
            self.supervisor.start_vnc()


class UsersTest(unittest.TestCase):

    def test_everybody_has_a_number(self) -> None:
        self.assertEqual(3, len(set(build.USERS.values())))
        self.assertNotIn(0, build.USERS.values())
        self.assertIn('agent:x:101:101::', build.passwd())
        self.assertIn('vnc:x:102:', build.group())

    def test_network_address_is_what_goes_over(self) -> None:
        message = request(**FULL)
        self.assertEqual(ipaddress.ip_address('10.0.0.5').packed,
                         message[14:18])
