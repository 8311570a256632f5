# SPDX-License-Identifier: Apache-2.0
"""A pair whose QEMU, or Domain R, does what it can to its processes."""

import contextlib
import os
import signal
import socket
import threading
import time

from nova_dmore.client import answers
from nova_dmore import exception
from nova_dmore import wire
from tests.integration import live_pair
from tests.unit.worker import fakes


def processor_s(pid):
    """Processor time that a process has used, in seconds."""
    with open(f'/proc/{pid}/stat') as file:
        fields = file.read().rsplit(')', 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf('SC_CLK_TCK')


class TestHostile(live_pair.LivePair):

    def still_serves(self):
        """The processes are those of the beginning, and at rest."""
        status = self.client.status()
        self.assertEqual((self.pair.pid, 1), (
            status.pid, status.worker_starts))
        pids = status.pid, status.worker_pid
        before = sum(map(processor_s, pids))
        time.sleep(1)
        self.assertLess(sum(map(processor_s, pids)) - before, 0.5)
        self.assertLess(len(self.pair.logged()), 200_000)

    def connect(self, name):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.settimeout(5)
        sock.connect(os.path.join(self.pair.directory, name))
        return sock

    def test_out_of_band_bytes(self):
        instance, _ = self.go_live()
        for name in (wire.SERIAL0_SOCKET, wire.IVSHMEM_SOCKET):
            sock = self.connect(name)
            # It may be refused before it has said anything.
            with contextlib.suppress(BrokenPipeError):
                sock.send(b'x', socket.MSG_OOB)
        self.still_serves()
        instance.qmp._client.send(b'x', socket.MSG_OOB)
        self.still_serves()

    def test_connections_without_end(self):
        self.pair.instance()
        for name in (wire.SERIAL0_SOCKET, wire.IVSHMEM_SOCKET):
            end = time.monotonic() + 1.5
            with contextlib.ExitStack() as held:
                while time.monotonic() < end:
                    sock = held.enter_context(socket.socket(socket.AF_UNIX))
                    sock.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        sock.connect(os.path.join(self.pair.directory, name))
                    time.sleep(0.01)
                count = len(os.listdir(f'/proc/{self.pair.pid}/fd'))
                self.assertLess(count, 100)
        self.still_serves()

    def test_half_closed_ends(self):
        instance, domain_r = self.go_live()
        serial = self.connect(wire.SERIAL0_SOCKET)
        serial.shutdown(socket.SHUT_RD)
        domain_r.types(b'abc')
        self.connect(wire.IVSHMEM_SOCKET).shutdown(socket.SHUT_WR)
        self.still_serves()

    def test_events_without_end(self):
        instance, _ = self.go_live()
        for _ in range(900):
            instance.qmp.event('RESET')
        self.still_serves()
        for event, status in (('STOP', 'paused'), ('RESUME', 'running')):
            with contextlib.suppress(OSError):
                for _ in range(5000):
                    instance.qmp.event(event, status)
        self.still_serves()
        fakes.wait_for(lambda: self.client.status().instance.connected)

    def test_requests_that_cannot_be(self):
        for line in (b'[' * 100000, b'{"id": 1, "method": "frozen", '
                     b'"params": {"timeout_ms": 1e999}}',
                     b'{"id": 1, "method": "frozen", '
                     b'"params": {"timeout_ms": NaN}}',
                     b'{"id": 1, "method": "frozen", '
                     b'"params": {"timeout_ms": %s}}' % (b'9' * 4000),
                     b'{"id": 1, "method": "forget_gaps", '
                     b'"params": {"numbers": [[]]}}',
                     b'{"id": 1, "method": "arm", "params": {"role": {}, '
                     b'"migration_id": "m", "on": true}}',
                     b'{"id": 1, "method": "status", "params": {"x": 1}}'):
            sock = self.pair.hostd.service.open(self.pair.uuid)
            self.addCleanup(sock.close)
            sock.settimeout(5)
            sock.sendall(line + b'\n')
            self.assertIn(b'"error"', sock.recv(10000), line[:80])
        self.still_serves()

    def test_what_domain_r_says_in_numbers(self):
        _, domain_r = self.go_live()
        domain_r.says({'type': wire.SERVING, 'ssh': float('inf'),
                       'serial': float('nan'), 'vnc': -1, 'boot_s': 10 ** 99,
                       'memory_kib': 5})
        fakes.wait_for(lambda: self.client.status().serving)
        self.assertEqual({'memory_kib': 5}, self.client.status().serving)

    def test_reasons_and_states_are_printable(self):
        instance, domain_r = self.go_live()
        instance.qmp.event('STOP', 'pau\nsed\x1b[2J\u202e')
        status = fakes.wait_for(
            lambda: self.client.status().instance.status.startswith('pau\\n')
            and self.client.status())
        self.assertEqual(r'pau\nsed\x1b[2J\u202e', status.instance.status)
        domain_r.says({'type': wire.LOG, 'text': 'a\n2026 b\x1b[2J\u202e'})
        fakes.wait_for(
            lambda: r'a\n2026 b\x1b[2J\u202e' in self.pair.logged())

    def test_an_unexpected_answer_of_the_process(self):
        self.assertRaises(ValueError, answers._gap_report, {
            'number': 1, 'stream': 'serial0_out', 'at': '\x1b', 'bytes': 1,
            'kind': 'exact', 'reason': 'x', 'migration_id': None, 'time': 1})


class TestBudgets(live_pair.LivePair):
    """A pair that spends all that it may have slows down alone."""

    def setUp(self):
        super().setUp()
        self.instance, self.domain_r = self.go_live()
        self.other = self.make_pair()
        self.other_instance = self.other.instance()
        self.other_domain_r = self.other.domain_r()
        self.other.live()

    def echoes_of_the_other(self, seconds):
        """-> how long each took from Domain R to the instance and back."""
        took, end, came = [], time.monotonic() + seconds, b''
        while (began := time.monotonic()) < end:
            self.other_domain_r.types(b'x')
            self.assertEqual(b'x', self.other_instance.reads(1, 30))
            self.other_instance.prints(b'x')
            came += b'x'
            fakes.wait_for(lambda: self.other_domain_r.output == came, 30)
            took.append(time.monotonic() - began)
        return took

    def test_processor(self):
        """Its Domain R rings all the time, its guest prints all the time."""
        flood = os.fork()
        if not flood:
            try:
                while True:
                    self.domain_r.ring(wire.Vector.CONTROL)
                    with contextlib.suppress(BlockingIOError):
                        os.write(self.instance._output, b'x' * 100)
            finally:
                os._exit(1)
        self.addCleanup(os.waitpid, flood, 0)
        self.addCleanup(os.kill, flood, signal.SIGKILL)
        workers = [each.client.status().worker_pid
                   for each in (self.pair, self.other)]
        before = list(map(processor_s, workers))
        took = self.echoes_of_the_other(3)
        spent, others = (processor_s(worker) - used
                         for worker, used in zip(workers, before))
        self.assertGreater(spent, others)
        self.assertLess(max(took), 2)

    def test_workers(self):
        """Its worker ends whenever there is one, as one that has spent its
        memory does."""
        status = self.other.client.status()
        hostd = self.pair.hostd.process.pid
        before, end = processor_s(hostd), time.monotonic() + 4
        starts = 0

        def kill():
            nonlocal starts
            while time.monotonic() < end:
                with contextlib.suppress(exception.DMoreError):
                    now = self.client.status(1)
                    if now.worker_starts > starts:
                        starts = now.worker_starts
                        os.kill(now.worker_pid, signal.SIGKILL)
        killer = threading.Thread(target=kill)
        killer.start()
        took = self.echoes_of_the_other(3)
        killer.join()
        self.assertLess(max(took), 2)
        self.assertEqual(status.worker_pid,
                         self.other.client.status().worker_pid)
        # Each waits for twice as long as the one before.
        self.assertGreater(starts, 2)
        self.assertLess(starts, 12)
        self.assertLess(processor_s(hostd) - before, 2)
        self.pair.live(30000)
        self.instance.prints(b'still')
        fakes.wait_for(lambda: self.domain_r.output == b'still', 30)
