# SPDX-License-Identifier: Apache-2.0

import functools
import re
import threading
from unittest import mock

from nova_dmore.virt.care import watch
from tests.unit.virt.care import watch_case
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class ManyTest(watch_case.WatchTestCase):
    """All Domain Rs of a host ended, and each takes long to start."""

    interval = 3600.0
    count = 100

    def setUp(self):
        super().setUp()
        self.neutron.free_addresses.extend(
            f'10.0.0.{number}' for number in range(7, 7 + self.count))
        self.uuids = [fakes.UUID]
        for number in range(2, self.count + 1):
            uuid = f'{number:08x}-59c1-4b0e-8f58-0a5a4c3d2b10'
            self.pairs.ensure(fakes.make_instance(uuid=uuid, id=number))
            self.uuids.append(uuid)
        self.libvirt.domains.clear()
        #: Names of Domain Rs that are being started.
        self.starting = []
        self.go_on = threading.Event()
        create = self.libvirt.createXML

        def create_slowly(xml, flags):
            self.starting.append(re.search('domr-([-0-9a-f]+)', xml)[1])
            # What waits for a start waits for ever: no test needs a clock.
            self.go_on.wait()
            return create(xml, flags)

        self.libvirt.createXML = create_slowly
        self.watch.start()
        self.addCleanup(self.watch.stop)
        self.addCleanup(self.go_on.set)
        self._until(
            lambda: len(self.starting) == watch._REBUILT_AT_ONCE
            and self.reconciler.reconcile.call_count >= self.count)

    def _waiting(self):
        return [uuid for uuid in self.uuids if uuid not in self.starting]

    def test_those_that_wait_for_their_turn_are_not_locked(self):
        for uuid in self._waiting():
            with self.pairs.locked(uuid, wait_s=60) as locked:
                self.assertTrue(locked)
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))
        self.go_on.set()
        self._until(lambda: len(self.libvirt.domains) == self.count)

    def test_each_is_deleted_at_once(self):
        for uuid in self.uuids:
            fake_host.in_thread(functools.partial(
                self.pairs.remove, uuid, delete_address=True))
        # One that was just being checked is removed by its check.
        self._until(lambda: set(self.starting) == {
            record.instance_uuid for record in self.pairs.records.all()})
        # What was being started is removed when that is over.
        self.go_on.set()
        self._until(lambda: not self.pairs.records.all())
        self._until(lambda: not self.neutron.ports)
        self.assert_nothing_left()
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))

    def test_migrations_do_not_wait_for_a_turn(self):
        for uuid in self._waiting():
            fake_host.in_thread(functools.partial(
                self.watch.leave_alone, uuid))
        self.assertNotIn('still being rebuilt', self.log.output)

    def test_none_is_begun_after_the_end(self):
        with mock.patch.object(watch, '_STOP_S', 0.05):
            self.watch.stop()
        self.go_on.set()
        self._until(lambda: len(self.libvirt.domains) ==
                    watch._REBUILT_AT_ONCE)
        self._until(lambda: not self.watch._aside._threads)
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))
