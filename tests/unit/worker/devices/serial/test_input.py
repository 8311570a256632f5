# SPDX-License-Identifier: Apache-2.0
"""Input of the serial port: what is on its way, whoever ends meanwhile."""

import os
import types
import unittest
from unittest import mock

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import input as serial_in

IN = wire.Stream.SERIAL0_IN


class SerialInputTest(unittest.TestCase):

    def setUp(self):
        self.region = region.Region(bytearray(1 << 18))
        self.journal = journal.Journal(bytearray(journal.journal_size()))
        self.gaps = []
        self.dropped = []       # of which the clients are told
        self.notes = None       # to the next worker
        self.written = 0
        self.qemu, self.pipe = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, self.qemu)
        self.addCleanup(os.close, self.pipe)
        # Nothing lies elsewhere, as a rule.
        self.elsewhere, self.moved_on = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, self.elsewhere)
        self.addCleanup(os.close, self.moved_on)
        self.got = b''
        self.start_domain_r()
        self.start_worker()

    def start_domain_r(self):
        self.domain_r = domr_end.DomainREnd(self.region, lambda vector: None)

    def start_worker(self):
        """:ivar written: as the keeper would know it"""
        if hasattr(self, 'device'):
            self.written = self.device._written
            self.notes = self.device.fence.to_notes()
        self.end = host_end.HostEnd(
            self.region, lambda vector: None, self.journal)
        self.device = serial_in.SerialInput(types.SimpleNamespace(
            host_end=self.end, journal=self.journal,
            report_gap=lambda *gap: self.gaps.append(gap),
            input_limit_reached=lambda: None,
            input_dropped=lambda *dropped: self.dropped.append(dropped),
            kept={'serial': self.notes}, note=lambda: None,
            serial=base.SerialPipes(self.pipe, None, self.elsewhere,
                                    self.written, 0)))

    def open(self):
        self.end.open()
        self.poll()
        self.poll()

    def poll(self):
        self.domain_r.poll()
        changes = self.end.poll()
        self.gaps += changes.gaps
        self.device.pump()

    def types(self, data):
        self.domain_r.send(IN, data)
        for _ in range(3):
            self.poll()

    def reads(self, count):
        self.got += os.read(self.qemu, count)
        for _ in range(3):
            self.poll()

    def test_taken_when_it_is_read(self):
        self.open()
        self.types(b'abc')
        self.assertEqual(0, self.device.taken)
        self.reads(2)
        self.assertEqual(2, self.device.taken)

    def test_worker_and_then_domain_r_end(self):
        self.open()
        self.types(bytes(100))
        self.reads(40)
        self.start_worker()
        self.start_domain_r()
        self.open()
        self._types_and_reads_all()

    def test_domain_r_and_then_worker_end(self):
        self.open()
        self.types(bytes(100))
        self.reads(40)
        self.start_domain_r()
        self.open()
        self.start_worker()
        self.open()
        self._types_and_reads_all()

    def test_what_another_domain_r_had_sent_is_read_before_one_joins(self):
        self.open()
        self.types(bytes(100))
        self.start_worker()
        self.start_domain_r()
        self.end.open()
        for count in 60, 20:
            self.got += os.read(self.qemu, count)
            self.device.pump()
        self._types_and_reads_all()

    def test_only_domain_r_ends(self):
        self.open()
        self.types(bytes(100))
        self.reads(40)
        self.start_domain_r()
        self.open()
        self._types_and_reads_all()

    def test_count_of_a_stop_that_was_rolled_back_meanwhile(self):
        self.open()
        self.types(b'abc')
        # The keeper has counted and, after the rollback, moved them on.
        os.write(self.moved_on, os.read(self.qemu, 3))
        self.device.counted({'unread': 0, 'final': True, 'unsure_in': 0})
        self.assertEqual(0, self.device.taken)
        os.read(self.elsewhere, 2)
        self.poll()
        self.assertEqual(2, self.device.taken)

    def test_count_of_what_qemu_has_read_since(self):
        """It is not in the state that was saved."""
        self.open()
        self.types(b'abc')
        os.read(self.qemu, 3)
        self.device.counted({'unread': 2, 'final': True, 'unsure_in': 0})
        self.assertEqual(1, self.device.taken)

    def test_what_qemu_read_when_its_state_was_saved_is_told(self):
        """The worker took it for read before it heard of the stop."""
        self.open()
        self.types(b'abc')
        self.reads(2)
        self.device.stop()
        for final in False, True:
            self.device.counted({'unread': 2, 'final': final, 'unsure_in': 0,
                                 'read_late': 2})
        self.device.frozen()
        self.assertEqual([(IN, wire.GapKind.AMBIGUOUS, mock.ANY, 0, 2)],
                         self.gaps)

    def test_what_qemu_read_after_the_keepers_count_is_told(self):
        """The keeper has counted, and the worker did not hear of it yet."""
        self.open()
        self.types(b'abcd')
        os.write(self.moved_on, os.read(self.qemu, 4))
        os.read(self.elsewhere, 3)
        self.poll()
        self.device.stop()
        self.device.counted({'unread': 4, 'final': True, 'unsure_in': 0})
        self.device.frozen()
        self.assertEqual([(IN, wire.GapKind.AMBIGUOUS, mock.ANY, 0, 3)],
                         self.gaps)

    def test_what_qemu_read_after_a_rollback_is_not_lost(self):
        """The worker sees that before it hears of the stop and the rollback;
        at the next stop all is well."""
        self.open()
        self.types(b'abcd')
        self.reads(4)
        self.device.stop()
        self.device.counted({'unread': 4, 'final': True, 'unsure_in': 0})
        self.device.thaw()
        self.device.stop()
        self.device.counted({'unread': 0, 'final': True, 'unsure_in': 0})
        self.device.frozen()
        self.assertEqual((4, []), (self.device.taken, self.gaps))

    def test_what_an_earlier_keeper_wrote_is_not_told(self):
        self.open()
        os.write(self.moved_on, b'old')
        self.types(b'abcd')
        os.write(self.moved_on, os.read(self.qemu, 2))
        self.device.stop()
        self.device.counted({'unread': 5, 'final': True, 'unsure_in': 0})
        self.device.frozen()
        self.assertEqual((0, []), (self.device.taken, self.gaps))

    def test_what_it_read_then_and_nobody_took_is_sent_again(self):
        self.open()
        self.types(b'abc')
        os.read(self.qemu, 2)
        self.device.stop()
        self.device.counted({'unread': 2, 'final': True, 'unsure_in': 0,
                             'read_late': 2})
        self.device.frozen()
        self.assertEqual((0, []), (self.device.taken, self.gaps))

    def test_typed_before_a_boot_and_left_at_the_stop(self):
        self._left_at_the_stop(7)

    def test_domain_r_did_not_say_before_the_stop_what_that_is(self):
        self._left_at_the_stop(None)

    def _left_at_the_stop(self, before):
        self.open()
        self.types(b'abc')      # QEMU has them, and its guest does not read
        self.device.fence.begin(0)
        self.types(b'defg')
        if before is not None:
            self.device.fence.is_at(1, before)
        self.poll()
        self.device.stop()
        self.end.freeze()
        self.poll()
        self.device.frozen()
        self.assertEqual(7, self.end.carry_over().taken[IN])
        self.assertEqual([(0, 7)], self.dropped)
        # It is rolled back.
        self.device.thaw()
        self.open()
        self.types(b'new')
        if before is None:
            self.reads(3)
            self.device.fence.is_at(1, 7)
            self.poll()
        self.reads(6 - len(self.got))
        self.assertEqual(b'abcnew', self.got)
        self.assertEqual(10, self.device.taken)
        self.assertEqual([(0, 7)], self.dropped)

    def test_typed_while_it_is_off(self):
        self.open()
        self.types(b'ab')
        self.reads(1)
        self.device.discard()       # its QEMU may still read a byte
        self.assertEqual(1, self.device.taken)
        self.reads(1)
        pump, self.device.pump = self.device.pump, self.device.discard
        self.types(bytes(100))
        self.assertEqual((102, 0), (self.device.taken,
                                    self.device._under_way))
        self.device.pump = pump
        self.start_worker()
        self.open()
        self.types(b'c')
        self.reads(9)
        self.assertEqual((b'abc', 103), (self.got, self.device.taken))

    def _types_and_reads_all(self):
        """What was on its way, and all that the new Domain R sends."""
        data = bytes(range(1, 101))
        self.types(data)
        for _ in range(5):
            self.reads(60)
            if len(self.got) == 200:
                break
        self.assertEqual(bytes(100) + data, self.got)
        self.assertEqual(0, self.device._under_way)
