# SPDX-License-Identifier: Apache-2.0
"""What Domain R is told, however slow it is to read it."""

import types
import unittest

from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire
from nova_dmore.worker.devices.serial import fence
from nova_dmore.worker import domain_r_control
from nova_dmore.worker import serial_break

State = wire.InstanceState


class SlowReaderTest(unittest.TestCase):

    def setUp(self):
        memory = region.Region(bytearray(1 << 18))
        self.host = host_end.HostEnd(
            memory, lambda vector: None,
            journal.Journal(bytearray(journal.journal_size())))
        self.domain_r = domr_end.DomainREnd(memory, lambda vector: None)
        self._codec = control.LineCodec()
        serial_input = types.SimpleNamespace(
            taken=0, sent=0, limit=None, fence=fence.Fence())
        self.control = domain_r_control.DomainRControl(
            self.host, serial_input, serial_break.SerialBreak(
                self.host, serial_input, None, None))
        self.host.open()
        self.domain_r.poll()
        self.assertTrue(self.host.poll().opened)
        self.control.opened()

    def _reads(self):
        """-> the messages that Domain R reads, with a turn for the host after
        each poll."""
        messages = []
        for _ in range(20):
            self.domain_r.poll()
            messages += self._codec.feed(self.domain_r.received(
                wire.Stream.CONTROL_TO_DOMAIN_R))
            self.host.poll()
            self.control.pump()
        return messages

    def test_the_newest_comes_at_last(self):
        with self.assertLogs(domain_r_control.LOG, 'WARNING') as log:
            for number in range(50):
                self.control.configure(
                    {'number': number, 'keys': 'k' * 5000}, True)
                self.control.state(
                    State.OFF if number % 2 else State.RUNNING, True)
        # Not for each of them.
        self.assertLess(len(log.output), 5)
        messages = self._reads()
        newest = {each['type']: each for each in messages}
        self.assertEqual(49, newest[wire.CONFIG]['number'])
        self.assertEqual('off', newest[wire.STATE]['state'])
        self.assertEqual([], self._reads())
