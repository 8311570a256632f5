# SPDX-License-Identifier: Apache-2.0
"""When the host is told that Domain R has stored something."""

import unittest

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire

OUT = wire.Stream.SERIAL0_OUT


class ToldTest(unittest.TestCase):

    def setUp(self):
        memory = bytearray(wire.REGION_SIZE)
        self.host = host_end.HostEnd(
            region.Region(memory), lambda vector: None,
            journal.Journal(bytearray(journal.journal_size())))
        self.told = []
        self.domr = domr_end.DomainREnd(region.Region(memory),
                                        self.told.append)
        self.host.open()
        self.domr.poll()
        self.host.poll()
        self.told.clear()

    def _store(self, count):
        self.host.produce(OUT, bytes(count))
        self.domr.poll()
        self.assertEqual(count, len(self.domr.received(OUT)))

    def test_of_as_much_as_is_ever_waited_for(self):
        self._store(wire.STORED_TOLD_BYTES - 1)
        self.assertEqual([], self.told)
        self._store(1)
        self.assertEqual([wire.Vector.SERIAL], self.told)

    def test_once_for_all_that_is_stored_at_once(self):
        self._store(10 * wire.STORED_TOLD_BYTES)
        self._store(1)
        self.assertEqual([wire.Vector.SERIAL], self.told)
