# SPDX-License-Identifier: Apache-2.0
"""The host service as a process: who may ask it what, and what it outlives.
"""

import contextlib
import fcntl
import os
import resource
import signal
import socket
import stat
import time
import uuid

from oslotest import base

from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore.keeper import line
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore import places
from nova_dmore.posix import locks
from nova_dmore import wire
from tests.unit import hostd_process
from tests.unit.worker import fakes

wait_for = fakes.wait_for
_PAGE = hostd_protocol.LIST_MAX


def is_there(pid):
    """Whether a process lives, and is no zombie."""
    try:
        with open(f'/proc/{pid}/stat') as status:
            return status.read().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


class RequestTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.hostd = hostd_process.shared()
        self.service = self.hostd.service
        self.uuid = str(uuid.uuid4())

    def _ask(self, message, descriptors=()):
        with hostd_protocol.connect(self.hostd.run_dir) as sock:
            sock.settimeout(10)
            hostd_protocol.send(sock, message, descriptors)
            return hostd_protocol.receive(sock)

    def test_the_socket_is_for_nova_alone(self):
        mode = os.stat(hostd_protocol.path_of(self.hostd.run_dir)).st_mode
        self.assertEqual(0o660, stat.S_IMODE(mode))

    def test_the_life_of_a_pair(self):
        self.assertIsNone(self.service.open(self.uuid))
        self.assertNotIn(self.uuid, self.service.instances())
        pid = self.service.start(self.uuid)
        self.assertEqual(pid, self.service.start(self.uuid))
        self.assertIn(self.uuid, self.service.instances())
        client = shadow_client.ShadowClient(self.service, self.uuid)
        self.addCleanup(client.close)
        status = client.status()
        self.assertEqual(pid, status.pid)
        answer, _ = self._ask({'type': 'remove', 'instance': self.uuid})
        self.assertEqual('lives', answer['failure'])
        self.service.end(self.uuid)
        wait_for(lambda: not is_there(pid))
        wait_for(lambda: not is_there(status.worker_pid))
        self.assertTrue(client.is_gone())
        self.service.end(self.uuid)
        self.service.remove(self.uuid)
        self.service.remove(self.uuid)
        self.assertNotIn(self.uuid, os.listdir(self.hostd.run_dir))

    def test_whether_a_keeper_knows_large_regions(self):
        self.assertFalse(self.service.knows_large_regions(self.uuid))
        self.service.start(self.uuid)
        self.assertTrue(self.service.knows_large_regions(self.uuid))
        # One of release 0.2, which began before the service.
        path = os.path.join(
            places.of_pair(os.path.join(self.hostd.run_dir, self.uuid)
                           ).domain_r, wire.LARGE_IVSHMEM_SOCKET)
        os.unlink(path)
        self.assertFalse(self.service.knows_large_regions(self.uuid))
        open(path, 'w').close()
        self.service.end(self.uuid)
        wait_for(lambda: self.uuid not in self.service.instances())
        self.assertFalse(self.service.knows_large_regions(self.uuid))
        self.service.remove(self.uuid)

    def test_whether_a_keeper_is_of_an_earlier_release(self):
        self.assertFalse(self.service.is_earlier(self.uuid))
        self.service.start(self.uuid)
        self.assertFalse(self.service.is_earlier(self.uuid))
        self.service.end(self.uuid)
        wait_for(lambda: self.uuid not in self.service.instances())
        # As such a keeper did: flock(2), and its id in the file.
        with open(os.path.join(self.hostd.run_dir, self.uuid,
                               wire.KEEPER_LOCK), 'w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(f'{os.getpid()}\n')
            lock.flush()
            self.assertTrue(self.service.is_earlier(self.uuid))
        self.assertFalse(self.service.is_earlier(self.uuid))
        self.service.remove(self.uuid)

    def test_more_pairs_than_an_answer_has_room_for(self):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
        hostd = hostd_process.of_test(self)
        expected = {str(uuid.uuid4()) for _ in range(2 * _PAGE)}
        with contextlib.ExitStack() as locks:
            for each in expected:
                folder = os.path.join(hostd.run_dir, each)
                os.mkdir(folder)
                # As a keeper has it; this process may be that of many.
                lock = locks.enter_context(
                    open(os.path.join(folder, wire.KEEPER_LOCK), 'w'))
                fcntl.lockf(lock, fcntl.LOCK_EX)
            hostd.start()
            self.assertEqual(sorted(expected), hostd.service.instances())

    def test_what_is_asked_of_no_pair(self):
        for kind, answer in (('status', {'qemu_group': None}),
                             ('list', {'instances': []})):
            self.assertEqual(answer, self._ask(
                {'type': kind, 'after': '~'})[0])

    def test_bad_requests(self):
        for message in ({}, {'type': 'none', 'instance': self.uuid},
                        {'type': 'start'},
                        {'type': 'start', 'instance': '../etc'},
                        {'type': 'start', 'instance': self.uuid.upper()},
                        {'type': 'remove', 'instance': ['x']},
                        {'type': ['list']}, {'type': 'list', 'after': 1}):
            answer, descriptors = self._ask(message)
            self.assertEqual('refused', answer['failure'], answer)
            self.assertEqual([], descriptors)
        self.service.instances()

    def test_a_request_as_long_as_one_may_be(self):
        # What it asks for is a part of the answer.
        for named in ('x' * 65500, '\x1b' * 10000):
            answer, _ = self._ask({'type': named})
            self.assertEqual('refused', answer['failure'])
            self.assertTrue(answer['error'].isprintable())
            self.assertLess(len(answer['error']), 1000)
        self.service.instances()

    def test_what_is_no_message(self):
        for data in (b'x', b'[]', b'"' * 5000, b'[' * 60000):
            with hostd_protocol.connect(self.hostd.run_dir) as sock:
                sock.settimeout(10)
                sock.send(data)
                self.assertIn(b'error', sock.recv(1000))
        with hostd_protocol.connect(self.hostd.run_dir) as sock:
            sock.settimeout(10)
            socket.send_fds(sock, [b'{}'], [0] * 20)
            self.assertIn(b'error', sock.recv(1000))
        self.service.instances()

    def test_who_does_not_ask_is_hung_up_on(self):
        silent = [hostd_protocol.connect(self.hostd.run_dir)
                  for _ in range(80)]
        self.addCleanup(lambda: [each.close() for each in silent])
        for each in silent:
            each.settimeout(20)
            self.assertEqual(b'', each.recv(1))
        self.service.instances()

    def test_a_worker_for_nobody(self):
        # Only a keeper has one started, and for its own pair.
        ours, theirs = messages.pair()
        with ours, theirs:
            for instance in (self.uuid, fakes.Pair(self).uuid):
                answer, descriptors = self._ask(
                    {'type': 'worker', 'instance': instance},
                    [theirs.fileno()])
                self.assertEqual('refused', answer['failure'])
                self.assertEqual([], descriptors)


class StartTest(base.BaseTestCase):

    def _fails(self, **options):
        hostd = hostd_process.of_test(self, **options)
        self.assertRaises(exception.HostServiceError, hostd.start)
        self.assertEqual(1, hostd.process.wait(10))
        return hostd.read_log()

    def test_what_cannot_be_is_one_line(self):
        for name, value in (('run_dir', '/dev/null/run'),
                            ('compute_user', 'no-such-user'),
                            ('qemu_group', 'no-such-group')):
            (line,) = self._fails(**{name: value}).splitlines()
            self.assertIn(f'[hostd] {name}: ', line)
            self.assertIn(value, line)


class OutlivedTest(base.BaseTestCase):
    """The pairs live on without the service, and are found again."""

    def setUp(self):
        super().setUp()
        self.hostd = hostd_process.of_test(self)
        self.hostd.start()
        self.pair = fakes.Pair(self, self.hostd)
        self.client = self.pair.client
        self.before = self.client.status()

    def _assert_as_before(self):
        status = self.client.status()
        self.assertEqual((self.before.pid, self.before.worker_pid),
                         (status.pid, status.worker_pid))
        self.assertEqual([self.pair.uuid], self.hostd.service.instances())

    def test_restarted(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.hostd.end(number)
            # Connections that are there lead to the worker itself.
            self.assertEqual(self.before.pid, self.client.status().pid)
            self.hostd.start()
            self.client.close()
            self._assert_as_before()

    def test_away(self):
        self.client.close()
        self.hostd.end()
        error = self.assertRaises(
            exception.HostServiceError, self.client.status, timeout=0.5)
        self.assertIn('nova-dmore-hostd', str(error))
        # Nobody says that the process is gone.
        self.assertRaises(exception.HostServiceError, self.client.is_gone)
        self.hostd.start()
        self._assert_as_before()

    def test_a_worker_that_ends_meanwhile(self):
        self.client.close()
        self.hostd.end()
        os.kill(self.before.worker_pid, signal.SIGKILL)
        time.sleep(0.5)
        self.hostd.start()
        status = self.client.status()
        self.assertEqual(self.before.pid, status.pid)
        self.assertEqual(2, status.worker_starts)

    def test_the_guest_does_not_wait_for_a_worker(self):
        instance, domain_r = self.pair.instance(), self.pair.domain_r()
        self.pair.live()
        instance.prints(b'first')
        wait_for(lambda: domain_r.output == b'first')
        self.client.close()
        self.hostd.end()
        os.kill(self.before.worker_pid, signal.SIGKILL)
        # More than lies in pipes; a guest would stand still.
        printed = bytes(range(256)) * 400
        began = time.monotonic()
        instance.prints(printed, timeout=4 * line.ALONE_S)
        self.assertGreater(time.monotonic() - began, line.ALONE_S / 2)
        self.hostd.start()
        wait_for(lambda: self.pair.gaps(), 30)
        (gap,) = self.pair.gaps()
        self.assertEqual(('serial0_out', 'exact'), (gap.stream, gap.kind))
        instance.prints(b'last')
        wait_for(lambda: domain_r.output.endswith(b'last'))
        # What came is the beginning, and the gap tells the rest.
        came = domain_r.output[len(b'first'):-len(b'last')]
        self.assertEqual(len(printed), len(came) + gap.bytes)
        kept = gap.at - len(b'first')
        self.assertEqual(printed[:kept] + printed[kept + gap.bytes:], came)
        # It is reported once.
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        wait_for(lambda: self.client.status().worker_starts == 3)
        self.assertEqual([gap], list(self.pair.gaps()))

    def test_reload(self):
        pid = self.hostd.process.pid
        self.hostd.reload()
        wait_for(lambda: self.client.status(60).worker_starts == 2, 60)
        status = self.client.status()
        self.assertEqual(self.before.pid, status.pid)
        self.assertNotEqual(self.before.worker_pid, status.worker_pid)
        # The same process runs what is installed now.
        self.assertEqual(pid, self.hostd.process.pid)
        self.assertIsNone(self.hostd.process.poll())
        self.assertEqual([self.pair.uuid], self.hostd.service.instances())
        self.assertFalse(is_there(self.before.worker_pid))

    def _kill_keeper_of_a_worker_that_is_hung(self):
        os.kill(self.before.worker_pid, signal.SIGSTOP)
        os.kill(self.before.pid, signal.SIGKILL)
        wait_for(lambda: not is_there(self.before.pid))

    def test_no_worker_outlives_its_keeper(self):
        self._kill_keeper_of_a_worker_that_is_hung()
        wait_for(lambda: not is_there(self.before.worker_pid))
        self.assertTrue(self.client.is_gone())

    def test_nor_one_that_an_earlier_service_has_started(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.hostd.end(number)
            self.hostd.start()
        self._kill_keeper_of_a_worker_that_is_hung()
        wait_for(lambda: not is_there(self.before.worker_pid))

    def test_nor_one_whose_keeper_ends_while_the_service_is_away(self):
        self.hostd.end()
        self._kill_keeper_of_a_worker_that_is_hung()
        time.sleep(0.3)
        self.assertTrue(is_there(self.before.worker_pid))
        self.hostd.start()
        wait_for(lambda: not is_there(self.before.worker_pid))
        self.assertNotEqual(self.before.pid, self.pair.start())
        self.assertEqual(1, self.client.status().worker_starts)

    def _left_over(self):
        """-> the id of a process that is hung, as a worker of the pair that
        this service does not know of."""
        ready, told = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                locks.acquire_as_worker(self.pair.where.own)
                os.write(told, b'.')
                signal.pause()
            finally:
                os._exit(1)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        self.assertEqual(b'.', os.read(ready, 1))
        for each in ready, told:
            os.close(each)
        os.kill(pid, signal.SIGSTOP)
        return pid

    def test_two_workers_at_a_time(self):
        left_over = self._left_over()
        os.kill(self.before.worker_pid, signal.SIGKILL)
        wait_for(lambda: self.client.status().worker_starts == 2)
        self.assertFalse(is_there(left_over))

    def test_a_pair_that_is_removed(self):
        self.client.shutdown()
        wait_for(lambda: not is_there(self.before.worker_pid))
        left_over = self._left_over()
        self.hostd.service.remove(self.pair.uuid)
        wait_for(lambda: not is_there(left_over))

    def test_two_for_one_run_dir(self):
        # The later one has the requests; nothing is started twice.
        second = hostd_process.Hostd(os.path.dirname(self.hostd.run_dir))
        second.start()
        self.addCleanup(second.end)
        self.client.close()
        self._assert_as_before()
        self.assertEqual(self.before.pid, second.service.start(
            self.pair.uuid))
