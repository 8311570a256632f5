# SPDX-License-Identifier: Apache-2.0

import threading

from oslotest import base

from nova_dmore.virt import under_way
from tests.unit.virt import fakes


class UnderWayTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.reboots = under_way.UnderWay()

    def test_until_it_has_ended_or_failed(self):
        self.assertFalse(self.reboots.is_on(fakes.UUID))
        with self.reboots.on(fakes.UUID):
            self.assertTrue(self.reboots.is_on(fakes.UUID))
            self.assertFalse(self.reboots.is_on('another'))
        self.assertFalse(self.reboots.is_on(fakes.UUID))

        def fail():
            with self.reboots.on(fakes.UUID):
                raise RuntimeError
        self.assertRaises(RuntimeError, fail)
        self.assertFalse(self.reboots.is_on(fakes.UUID))

    def test_another_thread_is_in_none(self):
        seen = []
        with self.reboots.on(fakes.UUID):
            other = threading.Thread(target=lambda: seen.append(
                self.reboots.is_on(fakes.UUID)))
            other.start()
            other.join()
        self.assertEqual([False], seen)
