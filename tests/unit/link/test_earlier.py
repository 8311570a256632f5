# SPDX-License-Identifier: Apache-2.0
"""An earlier release at the other end of the link: its keeper has a worker of
today, and its worker a keeper of today. :mod:`recorded` has what it says.
"""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import uuid

from oslotest import base

from nova_dmore.channel.host import ivshmem
from nova_dmore.channel import input_event
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore.link import notes
from nova_dmore import places
from nova_dmore import wire
from tests.unit import hostd_process
from tests.unit.link import recorded
from tests.unit.worker import fake_domain_r
from tests.unit.worker import fakes

wait_for = fakes.wait_for

RECORDED = recorded.Recorded(messages.VERSION)


class _End:
    """The end of a link at which a test plays a process of that release.

    :param other: who is at the other end, ``worker`` or ``keeper``.
    """

    def __init__(self, test, link, other):
        self._test, self.link, self._other = test, link, other
        self._to = 'keeper' if other == 'worker' else 'worker'
        self._got = []
        self.refused = []

    def send(self, message, descriptors=()):
        """Say what that release says."""
        self._test.assertTrue(
            RECORDED.is_known(self._other, message), message)
        messages.send(self.link, message, descriptors)

    def _refuse(self, message):
        """Say what that release says to a command that it does not know."""
        self._test.assertEqual('worker', self._other)
        self.refused.append(message)
        messages.send(self.link, {
            'type': 'reply', 'id': message['id'], 'failure': 'refused',
            'error': f'{message["command"]} is not allowed'})

    def wait_for(self, kind, **fields):
        """Wait for a message with these fields -> (it, its descriptors).

        All that comes has to be what that release understands.
        """
        def found():
            while select.select([self.link], [], [], 0)[0]:
                message, descriptors = messages.receive(self.link)
                if message.get('arguments') == messages.KEYBOARD_STATUS:
                    self._refuse(message)
                    continue
                self._test.assertTrue(
                    RECORDED.is_known(self._to, message), message)
                self._got.append((message, descriptors))
            return [each for each in self._got
                    if {**each[0], 'type': kind, **fields} == each[0]]
        first = wait_for(found, 30)[0]
        del self._got[:self._got.index(first) + 1]
        return first


class TestWorkerOfToday(base.BaseTestCase):
    """The test plays a keeper, whose last worker was killed."""

    def setUp(self):
        super().setUp()
        hostd = hostd_process.of_test(self)
        hostd.start()
        instance = str(uuid.uuid4())
        self.where = places.of_pair(os.path.join(hostd.run_dir, instance))
        for each in (self.where.own, self.where.domain_r):
            os.mkdir(each)
        # As a keeper has it.
        lock = open(os.path.join(self.where.own, wire.KEEPER_LOCK), 'w')
        self.addCleanup(lock.close)
        fcntl.lockf(lock, fcntl.LOCK_EX)
        memory = [RECORDED.memory(name)
                  for name in ('region', 'journal', 'notes')]
        from_domain_r = ivshmem.make_eventfds()
        to_domain_r = ivshmem.make_eventfds()
        self.input, input_end = os.pipe2(os.O_NONBLOCK)
        output_end, self.output = os.pipe2(os.O_NONBLOCK)
        self.unread, fifo = os.pipe2(os.O_NONBLOCK)
        os.write(fifo, b'ab')       # typed, and not read by QEMU
        self.notes = memory[-1]
        given = [*memory, input_end, output_end, self.unread,
                 *from_domain_r, *to_domain_r]
        self.addCleanup(
            lambda: [os.close(each)
                     for each in (*given, self.input, self.output, fifo)])
        self._server = ivshmem.IvshmemServer(
            memory[0], from_domain_r, to_domain_r)
        self.addCleanup(self._server.close)
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        with theirs, hostd_protocol.connect(hostd.run_dir, 30) as sock:
            hostd_protocol.send(
                sock, {'type': 'worker', 'instance': instance},
                [theirs.fileno()])
            _, (pidfd,) = hostd_protocol.receive(sock)
        os.close(pidfd)
        self.end = _End(self, ours, 'worker')
        told = RECORDED.last_start()
        self.last_input = told[0]['last_input']
        for message in told:
            self.end.send(message, given if message is told[0] else ())
        self.control, theirs = socket.socketpair()
        self.control.settimeout(30)
        self.addCleanup(self.control.close)
        with theirs:
            self.end.send({'type': 'control'}, [theirs.fileno()])

    def _ask(self, method, **params):
        self.control.sendall(json.dumps(
            {'id': 1, 'method': method, 'params': params}).encode() + b'\n')
        answer = b''
        while not answer.endswith(b'\n'):
            answer += self.control.recv(1 << 16)
        return json.loads(answer)['result']

    def _positions(self):
        return {name: each['position']
                for name, each in self._ask('status')['streams'].items()}

    def _domain_r(self):
        """Another Domain R connects, and is live."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(self.where.domain_r,
                                       wire.IVSHMEM_SOCKET))
            listener.listen()
            greeter = threading.Thread(target=lambda: self._server.connected(
                listener.accept()[0]))
            greeter.start()
            domain_r = fake_domain_r.FakeDomainR(self.where)
            greeter.join()
        self.addCleanup(domain_r.close)
        self.end.send({'type': 'domain_r', 'connected': True,
                       'generation': 2})
        self._vm('domain_r', 'running')
        self.assertEqual('live', self._ask('live', timeout_ms=30000)['state'])
        # What the one before held down is let go.
        self._is_sent(48, False)
        return domain_r

    def _is_sent(self, number, down):
        """Have QEMU take the next event, which is that of a key."""
        asked, _ = self.end.wait_for('qmp', command='input-send-event')
        (event,) = asked['arguments']['events']
        self.assertEqual((number, down), (
            event['data']['key']['data'], event['data']['down']))
        self.end.send({'type': 'reply', 'id': asked['id'], 'result': None})

    def _last_key_is_answered(self):
        """QEMU answers to what the last worker had sent."""
        self.end.send({'type': 'reply', 'id': self.last_input['id'],
                       'result': None})
        wait_for(lambda: self._positions()['input0_in'] == 40)

    def _vm(self, vm, status):
        self.end.send({'type': 'vm', 'vm': vm, 'connected': True,
                       'status': status, 'arriving': False})

    def test_it_goes_on_from_what_is_kept(self):
        status = self._ask('status')
        self.assertEqual(
            ('starting', 'm', 3, [1, 2]),
            (status['state'], status['migration_id'],
             status['worker_starts'],
             [gap['number'] for gap in status['gaps']]))
        # b'login: lastkept', and Domain R has not stored b'kept'.
        self.assertEqual({'position': 15, 'base': 11},
                         status['streams']['serial0_out'])
        # Seven bytes were written, and QEMU has not read two of them.
        self.assertEqual(5, status['streams']['serial0_in']['position'])
        os.read(self.unread, 1)
        wait_for(lambda: self._positions()['serial0_in'] == 6)
        # What QEMU answers to the last worker's key.
        self.assertEqual(32, status['streams']['input0_in']['position'])
        self._last_key_is_answered()

    def test_its_notes(self):
        """The release before finds in them what it expects."""
        before, machine = self._notes()
        self._ask('configure', config={'ssh_port': 2})
        after, machine_after = self._notes()
        self.assertEqual({'ssh_port': 2}, after['config'])
        self.assertLessEqual(set(before), set(after))
        self.assertLessEqual(set(machine), set(machine_after))

    def _notes(self):
        found = notes.Notes(bytearray(
            os.pread(self.notes, notes.NOTES_SIZE, 0))).read()
        return found, found['machine']

    def test_traffic(self):
        self._last_key_is_answered()
        domain_r = self._domain_r()
        wait_for(lambda: domain_r.output == b'kept')
        os.write(self.output, b' more')
        wait_for(lambda: domain_r.output == b'kept more')
        self.assertEqual(
            22, wait_for(lambda: domain_r.messages(wire.CONFIG))[0][
                'ssh_port'])
        os.read(self.unread, 2)
        domain_r.types(b'x')
        wait_for(lambda: select.select([self.input], [], [], 0)[0])
        self.assertEqual(b'x', os.read(self.input, 10))
        domain_r.sends(input_event.Key(30, True))
        self._is_sent(30, True)
        wait_for(lambda: self._positions()['input0_in'] == 48)
        # It goes without an answer, and asks no more.
        self.assertEqual(1, len(self.end.refused))
        # What only the one before had is lost: of each input another gap.
        self.assertEqual(['serial0_in', 'input0_in'], [
            gap['stream'] for gap in self._ask('status')['gaps'][2:]])

    def test_a_migration(self):
        self._last_key_is_answered()
        domain_r = self._domain_r()
        wait_for(lambda: domain_r.output == b'kept')
        self._ask('arm', migration_id='n', role='source', on=True)
        self.end.wait_for('leaving', on=True)
        self._ask('let_go', on=True)
        for event in ('STOP', 'saving'):
            self.end.send({'type': 'event', 'vm': 'instance',
                           'event': event, 'at': 1.5})
        self._vm('instance', 'paused')
        os.write(self.output, b'last')
        count = {'type': 'count', 'output': 19, 'unread': 2, 'final': False,
                 'unsure_in': 0, 'unsure_out': 0}
        self.end.send(count)
        asked, _ = self.end.wait_for('qmp', command='stop')
        self.end.send({'type': 'reply', 'id': asked['id'], 'result': None})
        self._vm('domain_r', 'paused')
        self.end.send({**count, 'final': True})
        self.end.send({'type': 'event', 'vm': 'instance', 'event': 'saved',
                       'at': 2.5})
        carried = self._ask('hand_over', timeout_ms=30000)['carry_over']
        self.assertTrue(carried['acknowledged'])
        self.assertEqual({'base': 19, 'data': ''},
                         carried['unstored']['serial0_out'])
        self.assertEqual(5, carried['taken']['serial0_in'])
        self.assertEqual(b'keptlast', domain_r.output)


class TestKeeperOfToday(base.BaseTestCase):
    """The test plays the host service, and the worker that it gives."""

    def setUp(self):
        super().setUp()
        hostd = hostd_process.of_test(self)
        hostd.start()
        self.pair = fakes.Pair(self, hostd)
        status = self.pair.client.status()
        hostd.end()
        # Cleaned up in the reverse order.
        self.addCleanup(hostd.start)
        path = hostd_protocol.path_of(hostd.run_dir)
        os.unlink(path)
        self._service = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(self._service.close)
        self._service.bind(path)
        self._service.listen()
        self._service.settimeout(30)
        os.kill(status.worker_pid, signal.SIGKILL)

    def _worker(self):
        """-> its end, what START says, and START's descriptors."""
        sock, _ = self._service.accept()
        with sock:
            sock.settimeout(30)
            _, (link,) = hostd_protocol.receive(sock)
            # Somebody has to live.
            process = subprocess.Popen([sys.executable, '-c', 'input()'],
                                       stdin=subprocess.PIPE)
            self.addCleanup(process.communicate)
            pidfd = os.pidfd_open(process.pid)
            hostd_protocol.send(sock, {'pid': process.pid}, [pidfd])
            os.close(pidfd)
        link = socket.socket(fileno=link)
        self.addCleanup(link.close)
        end = _End(self, link, 'keeper')
        start, descriptors = end.wait_for('start')
        self.addCleanup(lambda: list(map(os.close, descriptors)))
        self.assertEqual(
            len(messages.START_DESCRIPTORS) + 2 * len(wire.Vector),
            len(descriptors))
        return end, start, dict(zip(messages.START_DESCRIPTORS, descriptors))

    def test_all_that_a_worker_says(self):
        instance, domain_r = self.pair.instance(), self.pair.domain_r()
        end, start, given = self._worker()
        self.assertEqual((2, 2), (start['version'], start['worker_starts']))
        for vm in ('instance', 'domain_r'):
            end.wait_for('vm', vm=vm, status='running')
        os.write(given['serial_in'], b'x')
        self.assertEqual(b'x', instance.reads(1))
        instance.prints(b'login: ')
        printed = bytearray()   # a keeper moves what there is
        while len(printed) < len(b'login: '):
            wait_for(lambda: select.select(
                [given['serial_out']], [], [], 0)[0])
            printed += os.read(given['serial_out'], 100)
        self.assertEqual(b'login: ', printed)
        for message in RECORDED.from_workers():
            kind = message['type']
            if kind == 'shutdown':
                continue
            end.send(message)
            if kind == 'qmp':
                end.wait_for('reply', id=message['id'], result=None)
                fake = instance if message['vm'] == 'instance' else domain_r
                self.assertIn(
                    (message['command'], message['arguments']),
                    [(each['execute'], each.get('arguments', {}))
                     for each in fake.qmp.commands])
            elif kind == 'open_display':
                _, (display,) = end.wait_for('display', error=None)
                os.close(display)
        instance.leaves()
        end.wait_for('count', final=True)
        # The next one is told of the last input.
        end.link.close()
        end, start, _ = self._worker()
        self.assertEqual(
            [message['note'] for message in RECORDED.from_workers()
             if message.get('note')],
            [{name: value for name, value in start['last_input'].items()
              if name not in ('id', 'answer')}])
        self.assertEqual({'written': 1, 'read': 7, 'dropped': 0},
                         start['serial'])
        end.send({'type': 'shutdown'})
        wait_for(lambda: not os.path.exists(f'/proc/{self.pair.pid}'))
