# SPDX-License-Identifier: Apache-2.0
"""A pair that is about to be migrated, with real processes."""

from oslotest import base

from nova_dmore import wire
from tests.unit.worker import fakes

SOURCE = wire.Role.SOURCE


class Stop(base.BaseTestCase):
    """A source that is live and armed."""

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)
        self.client = self.pair.client
        self.instance, self.domain_r = (
            self.pair.instance(), self.pair.domain_r())
        self.pair.live()
        self.client.arm('m', SOURCE)

    def carried(self):
        """The offsets, when all has stopped; a worker may be restarting."""
        self.assertIsNotNone(self.client.frozen(3000).stopped_at)
        return self.client.hand_over(1000)

    def types_two(self):
        """They stay unread."""
        self.domain_r.types(b'ab')
        fakes.wait_for(lambda: self.instance.unread() == 2)

    def types_and_reads_only(self, byte):
        self.domain_r.types(byte)
        self.assertEqual(byte, self.instance.reads(1))
        self.assertTrue(self.instance.reads_nothing())
