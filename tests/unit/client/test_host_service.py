# SPDX-License-Identifier: Apache-2.0
"""How nova-compute asks a host service, also one that is away."""

import grp
import os
import time
from unittest import mock

from oslotest import base

from nova_dmore.client import host_service
from nova_dmore import exception
from tests.unit import hostd_process

UUID = '3e0a3d6b-0a0c-4a6e-9d53-7d21a9f6a1c4'


class GroupTest(base.BaseTestCase):
    """The group through which the service lets QEMU in."""

    def test_it_is_told(self):
        hostd = hostd_process.of_test(
            self, qemu_group=grp.getgrgid(os.getgid()).gr_name)
        hostd.start()
        self.assertEqual(os.getgid(), hostd.service.qemu_group())

    def test_there_is_none(self):
        self.assertIsNone(hostd_process.shared().service.qemu_group())

    def test_a_service_of_before_the_upgrade(self):
        service = hostd_process.shared().service
        refused, _ = service._exchange(
            {'type': 'state'}, time.monotonic() + 60)
        self.assertEqual('refused', refused['failure'])
        with mock.patch.object(service, '_exchange', autospec=True,
                               return_value=(refused, [])) as exchange:
            self.assertRaises(
                exception.HostServiceError, service.qemu_group)
        # It is not asked again: it will not know it.
        exchange.assert_called_once()


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
        # And away again: that may be a reload.
        self.hostd.end()
        self.assertGreaterEqual(
            self._waited(self.service.open, UUID, timeout=0.4), 0.3)
        self.hostd.start()
