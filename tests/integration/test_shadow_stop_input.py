# SPDX-License-Identifier: Apache-2.0
"""What becomes of input that QEMU has not read at a stop, or just then."""

import time

from nova_dmore import wire
from tests.integration import stop_case


class TestStopInput(stop_case.Stop):

    def check_ambiguous(self, at, count):
        gap, = self.pair.gaps()
        self.assertEqual(
            ('serial0_in', at, count, wire.GapKind.AMBIGUOUS, 'm'),
            (gap.stream, gap.at, gap.bytes, gap.kind, gap.migration_id))

    def test_bytes_that_qemu_did_not_read_are_sent_again(self):
        self.types_two()
        self.instance.leaves()
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        # A QEMU that has moved away reads it, and it is lost.
        self.assertEqual(b'a', self.instance.reads(1))
        self.assertEqual((), self.pair.gaps())

    def test_byte_that_qemu_read_before_it_saved_is_taken(self):
        self.types_two()
        self.instance.stop()
        self.assertEqual(b'a', self.instance.reads(1))
        time.sleep(0.01)
        self.instance.save()
        time.sleep(0.01)
        self.instance.saved()
        self.assertEqual(1, self.carried()['taken']['serial0_in'])
        self.assertEqual((), self.pair.gaps())

    def test_byte_that_qemu_read_while_it_saved_is_ambiguous(self):
        self.types_two()
        self.instance.stop()
        self.instance.save()
        time.sleep(0.05)
        self.assertEqual(b'a', self.instance.reads(1))
        self.instance.saved()
        self.assertEqual(1, self.carried()['taken']['serial0_in'])
        self.check_ambiguous(0, 1)

    def types_after_the_save(self, ago):
        time.sleep(0.3)
        self.domain_r.types(b'abc')
        self.assertEqual(b'abc', self.instance.reads(3))
        self.instance.stop(ago=ago + 0.01)
        self.instance.save(ago=ago)
        time.sleep(0.01)
        self.instance.saved()

    def test_bytes_that_were_sent_when_it_saved_are_sent_again(self):
        """All that QEMU said came late."""
        self.types_after_the_save(0.2)
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        self.instance.resume()
        self.pair.live()
        # Rolled back, it has them.
        self.types_and_reads_only(b'd')
