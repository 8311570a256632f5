# SPDX-License-Identifier: Apache-2.0
"""What is recorded of pairs with real keepers and workers: every byte, once.
"""

import os
import pathlib
import random
import signal
import tempfile
import time
from unittest import mock

from nova_dmore.channel.host import tail
from nova_dmore.recorder import export
from nova_dmore.recorder import files
from nova_dmore.recorder import recorder
from nova_dmore import wire
from tests.integration import stop_case
from tests.unit.worker import fakes

SOURCE, DESTINATION = wire.Role.SOURCE, wire.Role.DESTINATION
wait_for = fakes.wait_for
_TELLS = {'type': wire.SERVING, 'ssh': 1, 'tells_recording': 1}


class RecorderTest(stop_case.Stop):

    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        patch = mock.patch.object(recorder, '_SURVEY_S', 0)
        patch.start()
        self.addCleanup(patch.stop)
        self.recorder = self._recorder()

    def _recorder(self):
        made = recorder.Recorder(recorder.Options(
            self.pair.hostd.run_dir, self.directory, 64 << 20, 3600))
        self.addCleanup(made.close)
        return made

    def _want(self, pair, domain_r):
        """The operator wants it, and Domain R tells its users."""
        pair.client.configure({'recorded': True})
        domain_r.says(_TELLS)
        wait_for(lambda: pair.client.status().recording)

    def _parts(self, pair):
        return [export.read(path) for path in
                files.casts(self.directory / pair.uuid)]

    def _bytes(self, pair):
        return b''.join(event.data for part in self._parts(pair)
                        for event in part.events if event.data is not None)

    def _turns_until(self, pair, data):
        def is_there():
            self.recorder.turn()
            return self._bytes(pair) == data
        wait_for(is_there, 20)

    def test_only_what_is_wanted_and_told(self):
        self.instance.prints(b'before')
        wait_for(lambda: self.domain_r.output == b'before')
        self.recorder.turn()
        self.pair.client.configure({'recorded': True})
        self.recorder.turn()
        self.assertEqual([], self._parts(self.pair))
        self.domain_r.says(_TELLS)
        wait_for(lambda: self.client.status().recording)
        self.instance.prints(b'after')
        self._turns_until(self.pair, b'after')
        (part,) = self._parts(self.pair)
        self.assertEqual((6, 11, self.pair.uuid), (
            part.header.offset, part.end, part.header.instance))
        self.client.configure({})
        self.instance.prints(b'not any more')
        wait_for(lambda: self.domain_r.output.endswith(b'more'))
        self.recorder.turn()
        self.assertEqual(b'after', self._bytes(self.pair))
        self.client.configure({'recorded': True})
        self.instance.prints(b'again')
        self._turns_until(self.pair, b'afteragain')
        self.assertEqual(2, len(self._parts(self.pair)))

    def test_a_domain_r_that_cannot_tell(self):
        self.client.configure({'recorded': True})
        self.domain_r.says({'type': wire.SERVING, 'ssh': 1})
        wait_for(lambda: self.client.status().serving)
        self.instance.prints(b'x')
        wait_for(lambda: self.domain_r.output == b'x')
        self.assertIsNone(self.client.status().recording)

    def test_keys_are_not_recorded(self):
        self._want(self.pair, self.domain_r)
        self.domain_r.types(b'secret')
        self.assertEqual(b'secret', self.instance.reads(6))
        self.instance.prints(b'$ ')
        self._turns_until(self.pair, b'$ ')

    def test_workers_and_recorders_that_are_killed(self):
        self._want(self.pair, self.domain_r)
        chance = random.Random(1)
        printed = b''
        for number in range(12):
            data = chance.randbytes(chance.randrange(1, 3000))
            self.instance.prints(data)
            printed += data
            if number % 3 == 0:
                os.kill(self.client.status().worker_pid, signal.SIGKILL)
            if number % 4 == 1:
                self.recorder.turn()
                # As one that was killed: nothing is written at its end.
                self.recorder._known.clear()
                self.recorder = self._recorder()
            wait_for(lambda: self.domain_r.output == printed, 30)
        self._turns_until(self.pair, printed)
        parts = self._parts(self.pair)
        self.assertEqual((0, len(printed)), (parts[0].header.offset,
                                             parts[-1].end))
        self.assertEqual([], [event.mark for part in parts
                              for event in part.events if event.mark])

    def test_a_recorder_that_comes_too_late(self):
        self._want(self.pair, self.domain_r)
        self.instance.prints(b'first')
        self._turns_until(self.pair, b'first')
        with mock.patch.object(tail, 'WINDOW', 10):
            self.instance.prints(b'0123456789abcdefghij')
            wait_for(lambda: self.domain_r.output.endswith(b'hij'))
            self._turns_until(self.pair, b'firstabcdefghij')
        self.assertEqual(
            [files.missing(5, 15)],
            [event.mark for part in self._parts(self.pair)
             for event in part.events if event.mark])

    def test_the_end_of_a_pair(self):
        """What its journal has is recorded after its processes are gone."""
        self._want(self.pair, self.domain_r)
        self.instance.prints(b'first')
        self._turns_until(self.pair, b'first')
        self.instance.prints(b'last')
        wait_for(lambda: self.domain_r.output == b'firstlast')
        self.client.shutdown()
        wait_for(lambda: self.pair.uuid not in
                 self.pair.hostd.service.instances(), 30)
        self.recorder.turn()
        self.assertEqual(b'firstlast', self._bytes(self.pair))

    def test_a_gap_of_the_console_is_marked(self):
        """What users have missed is recorded all the same."""
        self.client.arm('m', SOURCE, on=False)
        self._want(self.pair, self.domain_r)
        self.client.configure({'recorded': True, 'scrollback_bytes': 100})
        self.instance.prints(b'x')
        self._turns_until(self.pair, b'x')
        self.domain_r.close()
        wait_for(lambda: not self.client.status().domain_r.attached)
        data = bytes(range(97, 122)) * 40
        self.instance.prints(data)
        wait_for(lambda: self.instance.printed() == 0)
        new = self.pair.domain_r()
        self.pair.live()
        new.says(_TELLS)
        self.instance.prints(b'y')
        self._turns_until(self.pair, b'x' + data + b'y')
        self.recorder.turn()
        (gap,) = [gap for gap in self.client.status().gaps
                  if gap.stream == 'serial0_out']
        (mark,) = [event.mark for part in self._parts(self.pair)
                   for event in part.events if event.mark]
        self.assertIn(f'gap of {gap.bytes} bytes', mark)
        self.assertIn(gap.reason, mark)
        # It is marked once, also by the next recorder.
        self.client.forget_gaps([gap.number])
        self.recorder._known.clear()
        self.recorder = self._recorder()
        self.instance.prints(b'z')
        self._turns_until(self.pair, b'x' + data + b'yz')
        self.assertEqual(1, sum(
            bool(event.mark) for part in self._parts(self.pair)
            for event in part.events))

    def test_a_live_migration(self):
        """The destination's file begins where the source's ends, whatever
        Domain R had stored by then."""
        self._want(self.pair, self.domain_r)
        other = fakes.Pair(self)
        other.client.configure({'recorded': True})
        other.client.arm('m', DESTINATION)
        new_instance = other.instance('inmigrate')
        new_domain_r = other.domain_r('inmigrate', boot=False)
        self.instance.prints(b'one')
        wait_for(lambda: self.domain_r.output == b'one')
        # Domain R takes no more: this is carried over.
        self.domain_r.pause_output(True)
        self.instance.prints(b'two')
        self.recorder.turn()
        self.instance.leaves()
        self.client.frozen(3000)
        self.domain_r.stop()
        carried = self.client.hand_over(3000)
        self.assertTrue(other.client.carry_over('m', carried).accepted)
        new_instance.prints(b'three')
        new_instance.resume()
        new_domain_r.arrive_from(self.domain_r)
        new_domain_r.pause_output(False)
        other.live()
        wait_for(lambda: new_domain_r.output == b'onetwothree', 20)
        new_domain_r.says(_TELLS)
        self.client.shutdown()
        wait_for(lambda: self.pair.uuid not in
                 self.pair.hostd.service.instances(), 30)
        self._turns_until(other, b'three')
        self.assertEqual(b'onetwo', self._bytes(self.pair))
        (before,), (after,) = self._parts(self.pair), self._parts(other)
        self.assertEqual((0, 6, 6, 11), (
            before.header.offset, before.end, after.header.offset, after.end))
        self.assertEqual(0, export.joined([before, after])[1])

    def test_it_keeps_up_with_a_flood(self):
        self._want(self.pair, self.domain_r)
        data = b''.join(b'%07d\r\n' % number for number in range(30000))
        began = time.monotonic()
        for start in range(0, len(data), 9000):
            self.instance.prints(data[start:start + 9000])
            self.recorder.turn()
        self._turns_until(self.pair, data)
        self.assertLess(time.monotonic() - began, 120)
