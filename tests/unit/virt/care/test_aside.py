# SPDX-License-Identifier: Apache-2.0

import asyncio
import threading
import time

from oslotest import base

from nova_dmore.virt.care import aside


class AsideTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.aside = aside.Aside('beside')
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)

    def _wait(self, result):
        self.assertTrue(self.go_on.wait(60))
        return result

    def test_what_it_returns_or_raises(self):
        name = asyncio.run(self.aside.call(
            lambda: threading.current_thread().name))
        self.assertEqual('beside', name)
        self.assertRaises(ZeroDivisionError, asyncio.run,
                          self.aside.call(lambda: 1 // 0))
        self.aside.join(time.monotonic() + 60)
        self.assertEqual(set(), self.aside._threads)

    def test_none_waits_for_another(self):
        async def both():
            slow = asyncio.create_task(self.aside.call(self._wait, 1))
            await self.aside.call(int)
            self.assertFalse(slow.done())
            self.go_on.set()
            return await slow
        self.assertEqual(1, asyncio.run(both()))

    def test_one_that_is_left_behind_goes_on(self):
        async def leave():
            try:
                async with asyncio.timeout(0.01):
                    await self.aside.call(self._wait, 1)
            except TimeoutError:
                return
            self.fail('it has not waited')
        asyncio.run(leave())
        self.aside.join(time.monotonic())
        self.assertEqual(1, len(self.aside._threads))
        self.go_on.set()
        self.aside.join(time.monotonic() + 60)
        self.assertEqual(set(), self.aside._threads)
