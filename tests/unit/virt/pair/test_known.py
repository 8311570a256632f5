# SPDX-License-Identifier: Apache-2.0

import tempfile
import threading
from unittest import mock

import fixtures

from nova_dmore import exception
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import known
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class KnownPairsTest(fake_host.HostTestCase):

    def _ensure(self):
        return self.pairs.ensure(fakes.make_instance())

    def test_get(self):
        self.assertIsNone(self.pairs.get(fakes.UUID))
        record = self._ensure()
        self.assertEqual(record, self.pairs.get(fakes.UUID))

    def test_is_domain_r(self):
        self.assertFalse(self.pairs.is_domain_r(
            domain_r.uuid_of(fakes.UUID)))
        self._ensure()
        self.assertTrue(self.pairs.is_domain_r(domain_r.uuid_of(fakes.UUID)))
        self.assertFalse(self.pairs.is_domain_r(fakes.UUID))
        self.assertFalse(self.pairs.is_domain_r(None))
        # Its last event comes when it is gone.
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assertTrue(self.pairs.is_domain_r(domain_r.uuid_of(fakes.UUID)))

    def test_instance_of(self):
        self._ensure()
        # Also by a nova-compute that has not made it.
        for pairs in (self.pairs, self.make_pairs()):
            self.assertEqual(fakes.UUID, pairs.instance_of(
                domain_r.uuid_of(fakes.UUID)))
            self.assertIsNone(pairs.instance_of(fakes.UUID))

    def test_those_that_were_removed_long_ago_are_forgotten(self):
        self.useFixture(fixtures.MockPatchObject(known, '_LATE_MAX', 2))
        self._ensure()
        others = [f'00000000-0000-4000-8000-{number:012}'
                  for number in range(20)]
        for uuid in others:
            self.pairs.ensure(fakes.make_instance(uuid=uuid))
            self.pairs.remove(uuid, delete_address=True)
            self.neutron.free_addresses.append('10.0.0.7')
        for uuid in (fakes.UUID, *others[-2:]):
            self.assertTrue(self.pairs.is_domain_r(domain_r.uuid_of(uuid)))
        self.assertLessEqual(len(self.pairs._domain_r_uuids), 4)

    def test_no_room_for_a_record(self):
        with mock.patch.object(tempfile, 'mkstemp',
                               side_effect=OSError(28, 'No space left')):
            error = self.assertRaises(
                exception.ConfigurationError, self._ensure)
        self.assertIn('record_dir', str(error))
        self.assertIn('No space left', str(error))


class LockTest(fake_host.HostTestCase):

    def test_nobody_waits_for_ever(self):
        self.useFixture(fixtures.MockPatchObject(known, 'LOCK_S', 0.01))
        begun, ends = threading.Event(), threading.Event()

        def change():
            with self.pairs.locked(fakes.UUID):
                begun.set()
                fake_host.wait(ends)

        holder = threading.Thread(target=change)
        holder.start()
        self.addCleanup(holder.join)
        self.addCleanup(ends.set)
        fake_host.wait(begun)
        error = self.assertRaises(exception.PairError, self.pairs.rebuild,
                                  fakes.UUID)
        self.assertIn('being changed', str(error))
        with self.pairs.locked(fakes.UUID, wait_s=0) as locked:
            self.assertFalse(locked)
