# SPDX-License-Identifier: Apache-2.0

import functools
import re
import threading
import time
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
            fake_host.wait(self.go_on, 60)
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
            with self.pairs.locked(uuid, wait_s=1) as locked:
                self.assertTrue(locked)
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))
        self.go_on.set()
        self._until(lambda: len(self.libvirt.domains) == self.count)

    def test_each_is_deleted_at_once(self):
        longest_s = 0.0
        for uuid in self.uuids:
            began = time.monotonic()
            fake_host.in_thread(functools.partial(
                self.pairs.remove, uuid, delete_address=True))
            longest_s = max(longest_s, time.monotonic() - began)
        # Far from the minute that a start takes here, on a busy machine too.
        self.assertLess(longest_s, 10)
        self.assertEqual(
            set(self.starting),
            {record.instance_uuid for record in self.pairs.records.all()})
        # What was being started is removed when that is over.
        self.go_on.set()
        self._until(lambda: not self.pairs.records.all())
        self._until(lambda: not self.neutron.ports)
        self.assert_nothing_left()
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))

    def test_migrations_do_not_wait_for_a_turn(self):
        began = time.monotonic()
        for uuid in self._waiting():
            self.watch.leave_alone(uuid)
        self.assertLess(time.monotonic() - began, 5)
        self.assertNotIn('still being rebuilt', self.log.output)

    def test_none_is_begun_after_the_end(self):
        with mock.patch.object(watch, '_STOP_S', 0.05):
            self.watch.stop()
        self.go_on.set()
        self._until(lambda: len(self.libvirt.domains) ==
                    watch._REBUILT_AT_ONCE)
        time.sleep(0.05)
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))
