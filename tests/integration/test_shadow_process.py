# SPDX-License-Identifier: Apache-2.0
"""Keeper and worker as processes: what they tell, what they outlive and what
they leave behind."""

import os
import select
import signal
import socket
import stat
import threading
import uuid

from oslotest import base

from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore import wire
from tests.integration import live_pair
from tests.unit.worker import fakes

State = wire.PairState
SOURCE = wire.Role.SOURCE
wait_for = fakes.wait_for


class TestWaitingForGaps(live_pair.LivePair):

    def setUp(self):
        super().setUp()
        self.instance, self.domain_r = self.go_live()

    def _ask(self):
        request = self.client.wait_for_gaps()
        self.addCleanup(request.close)
        return request

    def _is_told(self, request, seconds=5.0):
        ready, _, _ = select.select([request], [], [], seconds)
        return bool(ready)

    def _worker(self):
        try:
            return self.client.status().worker_pid
        except exception.ShadowAnswerError:
            return None

    def test_nothing_is_told_before_there_is_a_gap(self):
        request, other = self._ask(), self._ask()
        self.assertFalse(self._is_told(request, 0.3))
        self.domain_r.close()
        for each in request, other:
            self.assertTrue(self._is_told(each))
            self.assertFalse(each.is_refused())
        self.assertEqual(1, len(self.pair.gaps()))

    def test_a_gap_that_is_there(self):
        self.domain_r.close()
        wait_for(self.pair.gaps)
        self.assertTrue(self._is_told(self._ask()))
        self.client.forget_gaps([gap.number for gap in self.pair.gaps()])
        self.assertFalse(self._is_told(self._ask(), 0.3))

    def test_the_worker_ends(self):
        request, status = self._ask(), self.client.status()
        os.kill(status.worker_pid, signal.SIGKILL)
        self.assertTrue(self._is_told(request))
        self.assertFalse(request.is_refused())
        # What the keeper gives the worker before it knows goes with it.
        wait_for(lambda: self._worker() not in (None, status.worker_pid))
        self.assertFalse(self._is_told(self._ask(), 0.3))
        self.domain_r.close()

    def test_the_keeper_ends(self):
        request = self._ask()
        os.kill(self.client.status().pid, signal.SIGKILL)
        self.assertTrue(self._is_told(request))
        self.assertRaises(exception.ShadowAnswerError,
                          self.client.wait_for_gaps)

    def test_whoever_asked_goes(self):
        for _time in range(3):
            self.client.wait_for_gaps().close()
        self.domain_r.close()
        self.assertTrue(self._is_told(self._ask()))

    def test_a_worker_that_does_not_know_the_request(self):
        sock = self.pair.hostd.service.open(self.pair.uuid)
        request = shadow_client.GapsRequest(sock)
        self.addCleanup(request.close)
        sock.sendall(b'{"id": 0, "method": "gaps of 2030", "params": {}}\n')
        self.assertTrue(self._is_told(request))
        self.assertTrue(request.is_refused())


class TestEarlierRelease(live_pair.LivePair):
    """What release 0.2 started, and what follows it."""

    def test_it_goes_on(self):
        instance = self.pair.instance(is_earlier=True)
        domain_r = self.pair.domain_r(is_earlier=True)
        self.pair.live()
        instance.prints(b'login: ')
        wait_for(lambda: domain_r.output == b'login: ')
        domain_r.types(b'root')
        self.assertEqual(b'root', instance.reads(4))
        # Nobody else is QEMU meanwhile.
        other = fakes.FakeInstance(self.pair.where, 'paused')
        self.addCleanup(other.close)
        wait_for(lambda: other.qmp.connections > 1)
        self.assertEqual('running', self.client.status().instance.status)
        instance.ends()
        wait_for(lambda: self.client.status().instance.status == 'paused')
        other.resume()
        domain_r.types(b'x')
        self.assertEqual(b'x', other.reads(1))
        self.assertEqual((), self.pair.gaps())

    def test_the_next_keeper_finds_it(self):
        instance = self.pair.instance(is_earlier=True)
        os.kill(self.pair.pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f'/proc/{self.pair.pid}'))
        # As they were: the FIFOs in the keeper's own directory alone.
        for name in ('serial0.in', 'serial0.out'):
            os.unlink(os.path.join(self.pair.where.instance, name))
        instance.prints(b'unread')
        self.pair.start()
        domain_r = self.pair.domain_r()
        wait_for(lambda: domain_r.output.endswith(b'unread'))
        domain_r.types(b'x')
        self.assertEqual(b'x', instance.reads(1))


class TestKilledWorker(live_pair.LivePair):

    def kill(self):
        status = self.client.status()
        os.kill(status.worker_pid, signal.SIGKILL)
        wait_for(lambda: self.client.status().worker_starts >
                 status.worker_starts)

    def test_at_rest(self):
        self.client.configure({'ssh_port': 1})
        instance, domain_r = self.go_live()
        instance.prints(b'one')
        wait_for(lambda: domain_r.output == b'one')
        self.kill()
        self.pair.live()
        instance.prints(b'two')
        domain_r.types(b'x')
        self.assertEqual(b'x', instance.reads(1))
        wait_for(lambda: domain_r.output == b'onetwo')
        self.assertEqual((), self.pair.gaps())
        self.assertEqual(2, len(domain_r.messages(wire.CONFIG)))

    def test_byte_on_its_way(self):
        instance, domain_r = self.go_live()
        domain_r.types(b'abc')
        wait_for(lambda: instance.unread() == 3)
        self.kill()
        self.assertEqual(b'abc', instance.reads(3))
        self.assertTrue(instance.reads_nothing())
        self.assertEqual((), self.pair.gaps())

    def test_byte_read_while_no_worker_is_there(self):
        instance, domain_r = self.go_live()
        domain_r.types(b'abc')
        wait_for(lambda: instance.unread() == 3)
        pid = self.client.status().worker_pid
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(b'a', instance.reads(1))
        self.assertEqual(b'bc', instance.reads(2))
        self.assertTrue(instance.reads_nothing())
        self.assertEqual((), self.pair.gaps())

    def test_in_the_middle_of_traffic(self):
        instance, domain_r = self.go_live()
        data = b''.join(b'%07d\n' % n for n in range(40000))
        typed = b''.join(b'%05d\n' % n for n in range(10000))
        got = []
        threads = [
            threading.Thread(target=instance.prints, args=[data]),
            threading.Thread(
                target=lambda: got.append(instance.reads(len(typed), 60)))]
        for each in threads:
            each.start()
        kills = 0
        for start in range(0, len(typed), 5000):
            domain_r.types(typed[start:start + 5000])
            self.kill()
            kills += 1
        self.assertEqual(12, kills)
        for each in threads:
            each.join(60)
        wait_for(lambda: len(domain_r.output) >= len(data), 30)
        self.assertEqual(data, domain_r.output)
        self.assertEqual([typed], got)
        self.assertEqual((), self.pair.gaps())

    def test_frozen(self):
        instance, domain_r = self.go_live()
        self.client.arm('m', SOURCE)
        instance.prints(b'last')
        instance.leaves()
        before = self.client.frozen(1000), self.client.hand_over(1000)
        self.kill()
        self.assertEqual(State.FROZEN, self.client.status().state)
        self.assertEqual(before, (self.client.frozen(1000),
                                  self.client.hand_over(1000)))
        instance.resume()
        self.pair.live()
        instance.prints(b'next')
        wait_for(lambda: domain_r.output == b'lastnext')
        self.assertEqual((), self.pair.gaps())


class TestFiles(base.BaseTestCase):

    def test_modes_and_shutdown(self):
        pair = fakes.Pair(self)
        for folder, mode, names in (
                (pair.where.own, 0o700,
                 ['control.sock', 'ivshmem.sock', 'journal.sock',
                  'keeper.lock', 'serial0.in', 'serial0.out', 'serial0.sock',
                  'worker.lock']),
                (pair.where.instance, 0o711,
                 ['qmp.sock', 'serial0.in', 'serial0.out']),
                (pair.where.domain_r, 0o711,
                 ['ivshmem-large.sock', 'ivshmem.sock', 'qmp.sock'])):
            self.assertEqual(mode, stat.S_IMODE(os.stat(folder).st_mode))
            self.assertEqual(names, sorted(os.listdir(folder)))
            for name in names:
                self.assertEqual(0o600, stat.S_IMODE(os.stat(
                    os.path.join(folder, name)).st_mode))
        self.assertEqual(pair.pid, pair.start())
        status = pair.client.status()
        pair.client.shutdown()
        wait_for(lambda: not os.path.exists(f'/proc/{status.worker_pid}'))
        # The folders stay, for the service to remove; nobody listens there.
        with socket.socket(socket.AF_UNIX) as sock:
            self.assertRaises(
                ConnectionRefusedError, sock.connect,
                os.path.join(pair.where.own, 'control.sock'))
        pair.hostd.service.remove(pair.uuid)
        for each in (pair.where.own, pair.where.instance,
                     pair.where.domain_r):
            self.assertFalse(os.path.exists(each))
        pair.client.shutdown()      # of nobody

    def test_killed_keeper_is_replaced(self):
        pair = fakes.Pair(self)
        status = pair.client.status()
        os.kill(pair.pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f'/proc/{status.worker_pid}'))
        second = pair.start()
        self.assertNotEqual(pair.pid, second)
        self.assertEqual(second, pair.client.status().pid)

    def test_start_that_cannot_succeed(self):
        pair = fakes.Pair(self)
        other = str(uuid.uuid4())
        path = os.path.join(pair.hostd.run_dir, other)
        with open(path, 'w'):
            pass
        self.addCleanup(os.unlink, path)
        e = self.assertRaises(exception.HostServiceError,
                              pair.hostd.service.start, other)
        self.assertIn(path, str(e))

    def test_requests_that_are_wrong(self):
        pair = fakes.Pair(self)
        for line in (b'nonsense\n', b'{"id": 1, "method": "none"}\n',
                     b'{"id": 1, "method": "frozen"}\n', b'[]\n',
                     b'{"id": 1, "method": "hold", "params": 3}\n'):
            with pair.hostd.service.open(pair.uuid) as sock:
                sock.settimeout(5)
                sock.sendall(line)
                self.assertIn(b'"error"', sock.recv(1000))
        e = self.assertRaises(exception.ShadowAnswerError,
                              pair.client.configure, ['not', 'an', 'object'])
        self.assertIn('config', str(e))
