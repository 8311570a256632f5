# SPDX-License-Identifier: Apache-2.0

import asyncio

import fixtures

from nova_dmore import exception
from nova_dmore.virt.care import service_wait
from tests.unit.virt import fakes

AWAY = exception.HostServiceError('no answer')


class ServiceWaitTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        #: What the host service answers, and then that it is there.
        self.answers = []
        self.asked = 0

    async def _is_there(self):
        self.asked += 1
        return self.answers.pop(0) if self.answers else True

    def _was_away(self, *errors):
        """What each of some that wait at the same time is told."""
        async def wait():
            waiting = service_wait.ServiceWait(self._is_there, 0.001)
            return await asyncio.gather(*map(waiting.was_away, errors))
        return asyncio.run(wait())

    def test_another_error(self):
        self.assertEqual(
            [False], self._was_away(exception.AddressError('no answer')))
        self.assertEqual(0, self.asked)

    def test_it_is_there(self):
        self.assertEqual([False], self._was_away(AWAY))
        self.assertEqual('', self.log.output)

    def test_one_asks_for_all(self):
        self.answers = [False, False]
        self.assertEqual([True, True], self._was_away(AWAY, AWAY))
        self.assertEqual(3, self.asked)
        self.assertEqual(1, self.log.output.count('no answer'))
        self.assertEqual(1, self.log.output.count('watched again'))

    def test_whoever_waits_no_more_does_not_end_it_for_others(self):
        self.answers = [False] * 5

        async def wait():
            waiting = service_wait.ServiceWait(self._is_there, 0.001)
            first = asyncio.create_task(waiting.was_away(AWAY))
            second = asyncio.create_task(waiting.was_away(AWAY))
            await asyncio.sleep(0)
            first.cancel()
            return await second

        self.assertTrue(asyncio.run(wait()))
