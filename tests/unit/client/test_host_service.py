# SPDX-License-Identifier: Apache-2.0
"""How nova-compute asks a host service that is away."""

import time

from oslotest import base

from nova_dmore.client import host_service
from nova_dmore import exception
from tests.unit import hostd_process

UUID = '3e0a3d6b-0a0c-4a6e-9d53-7d21a9f6a1c4'


class AwayTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.hostd = hostd_process.of_test(self)
        self.service = host_service.HostService(self.hostd.run_dir)

    def _waited(self, ask, *arguments, **keywords):
        """How long it took to fail, in seconds."""
        began = time.monotonic()
        error = self.assertRaises(exception.HostServiceError, ask,
                                  *arguments, **keywords)
        self.assertIn(self.hostd.run_dir, str(error))
        self.assertIn('nova-dmore-hostd', str(error))
        return time.monotonic() - began

    def test_one_request_waits_and_the_next_ones_do_not(self):
        self.assertGreaterEqual(
            self._waited(self.service.open, UUID, timeout=0.4), 0.3)
        for ask in (self.service.start, self.service.open,
                    self.service.remove, self.service.end):
            self.assertLess(self._waited(ask, UUID), 0.3)

    def test_it_is_back(self):
        self._waited(self.service.open, UUID, timeout=0.1)
        self.hostd.start()
        self.assertEqual([], self.service.instances())
        self.assertIsNone(self.service.qemu_group())
        # And away again: that may be a reload.
        self.hostd.end()
        self.assertGreaterEqual(
            self._waited(self.service.open, UUID, timeout=0.4), 0.3)
        self.hostd.start()
