# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The small parts of the shadow-device process."""

import asyncio
import os
import socket
import tempfile

from oslotest import base

from nova_dmore.channel import host_end
from nova_dmore.channel import journal
from nova_dmore.channel import region
from nova_dmore.shadow.devices import base as device_base
from nova_dmore.shadow.devices import serial_in
from nova_dmore.shadow.devices import serial_out
from nova_dmore.shadow.devices import unix_stream
from nova_dmore.shadow import gaps
from nova_dmore.shadow import ledger
from nova_dmore.shadow import messages
from nova_dmore.shadow import notes
from nova_dmore.shadow import pair_state
from nova_dmore.shadow import qmp
from nova_dmore import wire
from tests.unit.shadow import fake_qmp

Fate = unix_stream.Fate
OUT = wire.Stream.SERIAL0_OUT
IN = wire.Stream.SERIAL0_IN


class TestUnixStream(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        ours, self.theirs = socket.socketpair()
        self.stream = unix_stream.UnixStream(ours)
        self.addCleanup(self.stream.close)
        self.addCleanup(self.theirs.close)

    def test_taken(self):
        self.assertTrue(self.stream.send_byte(b'x'))
        self.assertIs(Fate.UNREAD, self.stream.fate())
        self.theirs.recv(1)
        self.assertIs(Fate.TAKEN, self.stream.fate())

    def test_peer_closes_without_reading(self):
        self.stream.send_byte(b'x')
        self.theirs.close()
        self.assertIs(Fate.RETURNED, self.stream.fate())
        self.assertIs(Fate.RETURNED, self.stream.fate())

    def test_peer_closes_without_reading_seen_by_a_read(self):
        self.stream.send_byte(b'x')
        self.theirs.close()
        self.assertEqual(b'', self.stream.receive(1))
        self.assertIs(Fate.RETURNED, self.stream.fate())

    def test_peer_closes_after_reading(self):
        self.stream.send_byte(b'x')
        self.theirs.recv(1)
        self.theirs.close()
        self.assertIs(Fate.TAKEN, self.stream.fate())
        self.assertFalse(self.stream.send_byte(b'y'))

    def test_peek_reads_over_all_buffers(self):
        for _ in range(100):
            self.theirs.send(b'x')
        self.assertEqual(100, self.stream.queued())
        self.assertEqual(b'x' * 100, self.stream.peek(100))
        self.assertEqual(100, self.stream.queued())
        self.assertEqual(b'x' * 100, self.stream.receive(100))
        self.assertIsNone(self.stream.receive(1))


class TestRecovery(base.BaseTestCase):
    """What a new worker makes of what a killed one left."""

    def setUp(self):
        super().setUp()
        self.gaps = []
        self.journal = journal.Journal(bytearray(journal.journal_size()))
        self.ledger = ledger.Ledger(bytearray(ledger.LEDGER_SIZE))
        memory = region.Region(bytearray(1 << 18))
        self.host_end = host_end.HostEnd(
            memory, lambda vector: None, self.journal)
        self.context = device_base.DeviceContext(
            loop=None, region=memory, ring=None, host_end=self.host_end,
            journal=self.journal, ledger=self.ledger,
            machine=pair_state.PairMachine(),
            report_gap=lambda *gap: self.gaps.append(gap),
            close_connection=None, commands=None, last_input=None,
            input_limit_reached=None, config={})
        ours, self.theirs = socket.socketpair()
        self.stream = unix_stream.UnixStream(ours)
        self.addCleanup(self.stream.close)
        self.addCleanup(self.theirs.close)

    def recover_output(self):
        output = serial_out.SerialOutput(self.context)
        output.recover(self.stream)
        output.pump(self.stream)
        position = self.journal.position(OUT)
        return self.journal.read(OUT, 0, position)

    def intend(self, data):
        self.theirs.send(data)
        self.ledger.set_reading(
            ledger.Reading.PRODUCED, self.journal.position(OUT), len(data),
            self.stream.queued())

    def test_output_not_yet_produced(self):
        self.intend(b'abc')
        self.assertEqual(b'abc', self.recover_output())
        self.assertEqual([], self.gaps)

    def test_output_produced_and_not_read(self):
        self.intend(b'abc')
        self.host_end.produce(OUT, b'abc')
        self.theirs.send(b'def')
        self.assertEqual(b'abcdef', self.recover_output())
        # Equal bytes might have followed; nobody can tell.
        self.assertEqual([(OUT, wire.GapKind.AMBIGUOUS, 0, 3)],
                         [(g[0], g[1], g[3], g[4]) for g in self.gaps])

    def test_output_produced_and_read(self):
        self.intend(b'abc')
        self.host_end.produce(OUT, b'abc')
        self.stream.receive(3)
        self.assertEqual(b'abc', self.recover_output())
        self.assertEqual([], self.gaps)

    def test_output_read_and_as_much_followed(self):
        self.intend(b'abc')
        self.host_end.produce(OUT, b'abc')
        self.stream.receive(3)
        self.theirs.send(b'defg')
        self.assertEqual(b'abcdefg', self.recover_output())
        self.assertEqual([], self.gaps)

    def test_input_about_to_be_sent(self):
        self.ledger.set_sending(ledger.Sending.BEFORE, 0)
        serial_in.SerialInput(self.context).recover(self.stream)
        self.assertEqual([(IN, wire.GapKind.AMBIGUOUS, 0, 1)],
                         [(g[0], g[1], g[3], g[4]) for g in self.gaps])

    def test_input_sent_and_not_read(self):
        self.ledger.set_sending(ledger.Sending.BEFORE, 0)
        self.stream.send_byte(b'x')
        device = serial_in.SerialInput(self.context)
        device.recover(self.stream)
        self.assertFalse(device.settle(self.stream))
        self.theirs.recv(1)
        self.assertTrue(device.settle(self.stream))
        self.assertEqual(1, self.journal.position(IN))
        self.assertEqual([], self.gaps)

    def test_input_taken_and_not_recorded(self):
        self.ledger.set_sending(ledger.Sending.AFTER, 0)
        device = serial_in.SerialInput(self.context)
        device.recover(self.stream)
        self.assertTrue(device.settle(self.stream))
        self.assertEqual(1, self.journal.position(IN))
        self.assertEqual([], self.gaps)

    def test_input_recorded(self):
        self.ledger.set_sending(ledger.Sending.AFTER, 0)
        self.journal.set_position(IN, 1)
        device = serial_in.SerialInput(self.context)
        device.recover(self.stream)
        self.assertFalse(device.pending)
        self.assertEqual(1, self.journal.position(IN))


class TestNotes(base.BaseTestCase):

    def test_torn_write_leaves_the_older_ones(self):
        buffer = bytearray(notes.NOTES_SIZE)
        mine = notes.Notes(buffer)
        self.assertIsNone(mine.read())
        mine.write({'n': 1})
        before = bytes(buffer[:8])
        mine.write({'n': 2})
        self.assertEqual({'n': 2}, notes.Notes(buffer).read())
        buffer[:8] = before     # the last access of the last write
        self.assertEqual({'n': 1}, notes.Notes(buffer).read())
        self.assertRaises(ValueError, mine.write,
                          'x' * notes.NOTES_SIZE)


class TestGapLog(base.BaseTestCase):

    def test_numbers_go_on(self):
        log = gaps.GapLog()
        first = log.add(OUT, wire.GapKind.EXACT, 'a', 5, 2)
        log.add(IN, wire.GapKind.UNKNOWN, 'b', migration_id='m')
        log.forget([first['number'], 99])
        log = gaps.GapLog(log.to_notes())
        third = log.add(OUT, wire.GapKind.AMBIGUOUS, 'c', 7, 1)
        self.assertEqual([2, 3], [g['number'] for g in log.reports()])
        self.assertEqual(('serial0_out', 7, 1, 'ambiguous'), (
            third['stream'], third['at'], third['bytes'], third['kind']))

    def test_limit(self):
        log = gaps.GapLog()
        for _ in range(gaps.GAPS_MAX + 5):
            log.add(OUT, wire.GapKind.EXACT, 'a', 0, 1)
        numbers = [g['number'] for g in log.reports()]
        self.assertEqual(gaps.GAPS_MAX, len(numbers))
        self.assertEqual((1, gaps.GAPS_MAX + 5), (numbers[0], numbers[-1]))


class TestMessages(base.BaseTestCase):

    def test_descriptors_travel(self):
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        read, write = os.pipe()
        messages.send(ours, {'type': 'x'}, [write])
        os.close(write)
        message, received = messages.receive(theirs)
        self.assertEqual({'type': 'x'}, message)
        os.write(received[0], b'y')
        self.assertEqual(b'y', os.read(read, 1))
        os.close(read)
        os.close(received[0])
        self.assertRaises(BlockingIOError, messages.receive, theirs)
        ours.close()
        self.assertEqual((None, []), messages.receive(theirs))
        self.assertRaises(OSError, messages.send, theirs, {})
        theirs.close()

    def test_too_long(self):
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertRaises(ValueError, messages.send, ours,
                          {'x': 'y' * messages.MESSAGE_MAX})


class TestQmp(base.BaseTestCase):

    def test_allow_list(self):
        for vm in (messages.INSTANCE, messages.DOMAIN_R):
            qmp.check_allowed(vm, 'query-status', {})
        qmp.check_allowed(messages.INSTANCE, 'chardev-send-break',
                          {'id': 'charserial0'})
        qmp.check_allowed(messages.DOMAIN_R, 'stop', {})
        for command, arguments in (
                ('quit', {}), ('human-monitor-command', {}),
                ('chardev-send-break', {'id': 'other'}),
                ('chardev-send-break', {}),
                ('query-status', {'x': 1}),
                ('input-send-event', {'events': [], 'x': 1}),
                ('input-send-event', None), ('stop', {})):
            self.assertRaises(qmp.NotAllowed, qmp.check_allowed,
                              messages.INSTANCE, command, arguments)
        for command, arguments in (
                ('quit', {}), ('cont', {}), ('stop', {'x': 1}),
                ('chardev-send-break', {'id': 'charserial0'})):
            self.assertRaises(qmp.NotAllowed, qmp.check_allowed,
                              messages.DOMAIN_R, command, arguments)

    def test_events_of_input(self):
        def key(**changes):
            return {'type': 'key', 'data': {
                'key': {'type': 'number', 'data': 30, **changes},
                'down': True}}

        def of(kind, **data):
            return {'type': kind, 'data': data}
        good = [key(), of('btn', button='wheel-up', down=False),
                of('abs', axis='x', value=0x7fff),
                of('rel', axis='y', value=-5)]
        for events in ([each] for each in good):
            qmp.check_allowed(messages.INSTANCE, 'input-send-event',
                              {'events': events})
        qmp.check_allowed(messages.INSTANCE, 'input-send-event',
                          {'events': good})
        for events in (
                [], [key()] * (qmp.EVENTS_MAX + 1), 'key', {}, [None], [[]],
                [key(type='qcode', data='a')], [key(data=0)],
                [key(data=256)], [key(data=True)], [key(data=[30])],
                [key(more=1)], [{**key(), 'more': 1}],
                [of('btn', button='left', down=1)],
                [of('btn', button='touch', down=True)],
                [of('btn', button=['left'], down=True)],
                [of('abs', axis='x', value=0x8000)],
                [of('abs', axis='x', value=-1)],
                [of('abs', axis='z', value=1)],
                [of('abs', axis='x', value='1')],
                [of('rel', axis='x', value=1 << 40)],
                [of('mtt', axis='x', value=1)],
                [{'type': ['key'], 'data': 'xx'}]):
            self.assertRaises(
                qmp.NotAllowed, qmp.check_allowed, messages.INSTANCE,
                'input-send-event', {'events': events})

    def test_follows_and_reconnects(self):
        seen = []
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, 'qmp')

            async def follow():
                link = qmp.QmpLink(
                    messages.INSTANCE, path, lambda *state: seen.append(state),
                    lambda event, at: seen.append(event))
                task = asyncio.create_task(link.run())
                first = fake_qmp.FakeQmp(path, 'inmigrate')
                await self._until(lambda: seen)
                first.event('RESUME', 'running')
                await self._until(lambda: len(seen) > 2)
                await asyncio.to_thread(first.close)
                await self._until(lambda: (False, None, True) in seen)
                second = fake_qmp.FakeQmp(path, 'paused')
                await self._until(lambda: seen[-1][0])
                self.assertEqual({}, await link.execute(
                    'chardev-send-break', {'id': 'charserial0'}))
                task.cancel()
                await asyncio.wait([task])
                await asyncio.to_thread(second.close)
            asyncio.run(follow())
        self.assertEqual(
            [(True, 'inmigrate', True), 'RESUME', (True, 'running', True),
             (True, 'running', True), (False, None, True),
             (True, 'paused', False)], seen[:6])

    async def _until(self, what):
        for _ in range(500):
            if what():
                return
            await asyncio.sleep(0.01)
        self.fail('waited in vain')
