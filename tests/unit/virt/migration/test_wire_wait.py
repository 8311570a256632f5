# SPDX-License-Identifier: Apache-2.0

import threading

import fixtures

from nova_dmore import exception
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration import wire_wait
from tests.unit.virt import fakes


class WireWaitTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(wire_wait, '_POLL_S', 0.001))
        self.log = self.useFixture(fixtures.FakeLogger())
        self.co_migration = phases.CoMigration(fakes.make_instance(), 'c2')
        self.over = threading.Event()
        self.addCleanup(self.over.set)
        self.here = True
        self.asked = threading.Semaphore(0)
        #: What the destination says; an exception is raised.
        self.there = arrival.Arrival()
        self.wait = wire_wait.WireWait(
            self.co_migration, lambda: self.here, self._ask, self.over, 'w')

    def _ask(self):
        self.asked.release()
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    def _assert_waits(self):
        for _ in range(3):
            self.assertTrue(self.asked.acquire(timeout=20))
        self.assertFalse(self.wait.ended.is_set())

    def _assert_ended(self, text=''):
        self.wait.join(20)
        self.assertTrue(self.wait.ended.is_set())
        self.assertIn(text, self.log.output)

    def test_wired_in_time(self):
        self.wait.start()
        self._assert_waits()
        self.there = arrival.Arrival(is_wired=True)
        self._assert_ended('is wired at c2')

    def test_the_network_here_has_no_such_sign(self):
        self.here = False
        self.wait.start()
        self._assert_ended()
        self.assertFalse(self.asked.acquire(timeout=0))

    def test_nobody_waits_any_more(self):
        self.wait.start()
        self._assert_waits()
        self.over.set()
        self._assert_ended('not seen to be wired')

    def test_the_instance_goes_alone(self):
        self.wait.start()
        self._assert_waits()
        self.co_migration.phase = phases.Phase.ALONE
        self._assert_ended('not seen to be wired')

    def test_it_is_never_wired(self):
        self.useFixture(fixtures.MockPatchObject(
            wire_wait, '_GIVE_UP_S', 0.05))
        self.wait.start()
        self._assert_ended('not seen to be wired')

    def test_the_destination_does_not_answer(self):
        self.there = exception.NoAnswerError('no queue')
        self.wait.start()
        self._assert_ended('no queue')

    def test_a_fault_of_ours(self):
        self.there = ZeroDivisionError()
        self.wait.start()
        self._assert_ended('Waiting for the wire')
