# SPDX-License-Identifier: Apache-2.0
"""Domain Rs with a region of either size, at real keepers and workers."""

import os

from oslotest import base

from nova_dmore.channel import region
from nova_dmore import wire
from tests.unit.worker import fakes

SOURCE, DESTINATION = wire.Role.SOURCE, wire.Role.DESTINATION
SIZES = {False: wire.REGION_SIZE, True: wire.LARGE_REGION_SIZE}
wait_for = fakes.wait_for


class LargeRegionTest(base.BaseTestCase):

    def pair(self, large, **options):
        """A keeper that expects a region of this size, and its instance."""
        pair = fakes.Pair(self, large=large, **options)
        return pair, pair.instance()

    def serves(self, pair, instance, domain_r, text):
        """Bytes flow both ways, in a region of this size."""
        pair.live()
        before = domain_r.output
        instance.prints(text)
        wait_for(lambda: domain_r.output == before + text)
        domain_r.types(text)
        self.assertEqual(text, instance.reads(len(text)))
        header = region.word(wire.HOST_PAGE + wire.HOST_REGION_SIZE)
        self.assertEqual(len(domain_r.memory), domain_r._area.words[header])

    def workers(self, pair):
        return pair.client.status().worker_starts

    def test_keeper_that_expected_it(self):
        for large, size in SIZES.items():
            pair, instance = self.pair(large)
            domain_r = pair.domain_r(large=large)
            self.assertEqual(size, len(domain_r.memory))
            self.serves(pair, instance, domain_r, b'a')
            self.assertEqual(1, self.workers(pair))

    def test_keeper_that_expected_the_other(self):
        for large, size in SIZES.items():
            pair, instance = self.pair(not large)
            first = self.workers(pair)
            domain_r = pair.domain_r(large=large)
            self.assertEqual(size, len(domain_r.memory))
            self.serves(pair, instance, domain_r, b'a')
            self.assertEqual(first + 1, self.workers(pair))

    def test_renewed_with_the_other(self):
        pair, instance = self.pair(False)
        for number, large in enumerate((False, True, True, False)):
            domain_r = pair.domain_r(large=large)
            self.assertEqual(SIZES[large], len(domain_r.memory))
            self.serves(pair, instance, domain_r, b'%d' % number)
            domain_r.close()
            wait_for(lambda: not pair.client.status().domain_r.attached)

    def test_region_costs_what_was_written(self):
        pair, instance = self.pair(True)
        domain_r = pair.domain_r(large=True)
        self.serves(pair, instance, domain_r, b'a')
        self.assertLess(
            os.fstat(domain_r._memfd).st_blocks * 512, 256 << 10)

    def test_migration(self):
        # The destination expects what is not so.
        for large in SIZES:
            pair, instance = self.pair(large)
            domain_r = pair.domain_r(large=large)
            self.serves(pair, instance, domain_r, b'a')
            other = fakes.Pair(self, arrives=True, large=not large)
            pair.client.arm('m', SOURCE)
            other.client.arm('m', DESTINATION)
            new_instance = other.instance('inmigrate')
            new_domain_r = other.domain_r(
                'inmigrate', boot=False, large=large)
            self.assertEqual(SIZES[large], len(new_domain_r.memory))
            wait_for(lambda: other.client.status().domain_r.status
                     == 'inmigrate')
            instance.prints(b'last')
            instance.leaves()
            pair.client.frozen(1000)
            domain_r.stop()
            answer = other.client.carry_over('m', pair.client.hand_over(1000))
            self.assertTrue(answer.accepted, answer.reason)
            new_instance.resume()
            new_domain_r.arrive_from(domain_r)
            other.live()
            wait_for(lambda: new_domain_r.output == b'alast')
            self.serves(other, new_instance, new_domain_r, b'next')
            self.assertEqual((), other.gaps())
