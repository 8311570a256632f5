# SPDX-License-Identifier: Apache-2.0
"""What is reserved, and what is refused. ``tests/functional/test_capacity.py``
shows the same with Nova and Placement."""

from concurrent import futures
import threading
import time
from unittest import mock

import fixtures
from keystoneauth1 import exceptions as auth_exceptions
from nova.compute import provider_tree
import os_resource_classes as orc
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt import capacity
from nova_dmore.virt import limited
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

NODE = 'node'
OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
COST = 96 + capacity.OVERHEAD_MIB + capacity.TRANSLATED_MIB


def _inventory(total, reserved=0, ratio=1.0):
    return {'total': total, 'reserved': reserved, 'allocation_ratio': ratio,
            'min_unit': 1, 'max_unit': total, 'step_size': 1}


class WithReservedTest(fakes.TestCase):

    def _reserved(self, wanted, used, **inventory):
        return capacity.with_reserved(
            _inventory(**inventory), wanted, used)['reserved']

    def test_beside_what_nova_reserves(self):
        self.assertEqual(612, self._reserved(100, 0, total=4096, reserved=512))

    def test_no_more_than_instances_leave(self):
        self.assertEqual(596, self._reserved(100, 3500, total=4096,
                                             reserved=512))

    def test_instances_overcommitted(self):
        # 501 take 334 of the host's.
        self.assertEqual(66, self._reserved(100, 501, total=400, ratio=1.5))

    def test_a_host_that_is_too_full_already(self):
        self.assertEqual(8, self._reserved(100, 500, total=400, reserved=8))


class MemoryTest(fakes.TestCase):

    def test_of_the_image_and_emulated(self):
        self.config.config(virt_type='qemu', group='libvirt')
        self.assertEqual(128 + 96, capacity.memory_mib(self.conf, 128))

    def test_not_emulated(self):
        self.config.config(virt_type='kvm', group='libvirt')
        self.assertEqual(128 + 64, capacity.memory_mib(self.conf, 128))

    def test_options(self):
        self.config.config(memory_mib=200, memory_overhead_mib=50,
                           group='dmore')
        self.assertEqual(250, capacity.memory_mib(self.conf, 128))

    def test_no_image_yet(self):
        self.config.config(virt_type='kvm', group='libvirt')
        self.assertEqual(160, capacity.memory_mib(self.conf, None))


class Placement:
    """As Nova's client asks it, about one provider."""

    def __init__(self):
        self.inventory = _inventory(4096, 512)
        self.used = 0
        self.generation = 1
        #: Called before each change of the inventory.
        self.meanwhile = lambda: None

    def get(self, url, version):
        what = url.rpartition('/')[2]
        return mock.Mock(status_code=200, json=lambda: {
            'usages': {'usages': {orc.MEMORY_MB: self.used}},
            'inventories': {
                'resource_provider_generation': self.generation,
                'inventories': {orc.MEMORY_MB: dict(self.inventory)}},
        }[what])

    def put(self, url, data, version):
        assert url.endswith('/inventories/MEMORY_MB')
        self.meanwhile()
        if data.pop('resource_provider_generation') != self.generation:
            return mock.Mock(status_code=409)
        self.inventory = data
        self.generation += 1
        return mock.Mock(status_code=200)

    def allocate(self, amount):
        self.used += amount
        self.generation += 1


class CapacityTestCase(fake_host.HostTestCase):

    small = None

    def setUp(self):
        super().setUp()
        self.config.config(virt_type='qemu', group='libvirt')
        self.config.config(reserved_host_memory_mb=512)
        self.placement = Placement()
        self.client = self.useFixture(fixtures.MockPatch(
            'nova.scheduler.client.report.report_client_singleton',
            return_value=self.placement)).mock
        self.nova = mock.Mock()
        self.instances = []
        self.useFixture(fixtures.MockPatchObject(
            capacity.Capacity, '_instances', lambda _: self.instances))
        self.capacity = capacity.Capacity(
            self.conf, self.pairs, None, lambda: 4096, lambda: self.small)

    def report(self):
        """What Placement is told is reserved of memory and processors."""
        tree = provider_tree.ProviderTree()
        tree.new_root(NODE, OTHER_UUID)
        tree.update_inventory(NODE, {
            orc.MEMORY_MB: _inventory(4096, 512), orc.VCPU: _inventory(8)})
        try:
            self.capacity.update(tree, NODE, self.nova)
        finally:
            inventory = tree.data(NODE).inventory
            self.told = tuple(inventory[name]['reserved']
                              for name in (orc.MEMORY_MB, orc.VCPU))
        return self.told


class UpdateTest(CapacityTestCase):

    def test_room_for_those_who_come_next(self):
        self.assertEqual((512 + 2 * COST, 1), self.report())

    def test_instances_and_pairs_count_once(self):
        self.instances = [fakes.make_instance()]
        self.pairs.records.save(fakes.make_record())
        self.assertEqual(512 + 3 * COST, self.report()[0])

    def test_nova_reads_before_it_writes_what_has_changed(self):
        refresh = self.nova._refresh_and_get_inventory
        self.report()
        refresh.assert_called_once_with(None, OTHER_UUID)
        self.report()
        refresh.assert_called_once()
        self.pairs.records.save(fakes.make_record())
        self.report()
        self.assertEqual(2, refresh.call_count)

    def test_one_of_an_instance_that_is_not_here_yet(self):
        self.pairs.records.save(fakes.make_record(incoming=True))
        self.assertEqual(512 + 3 * COST, self.report()[0])

    def test_processors_are_rounded_up(self):
        self.config.config(cpu_reserved_percent=40, group='dmore')
        self.pairs.records.save(fakes.make_record())
        self.assertEqual(2, self.report()[1])

    def test_a_host_that_can_have_none(self):
        self.pairs.impossible = 'no device'
        self.instances = [fakes.make_instance()]
        self.assertEqual((512, 0), self.report())

    def test_files_of_instances(self):
        self.config.config(file_backed_memory=4096, group='libvirt')
        self.assertEqual((512, 1), self.report())

    def test_placement_is_away(self):
        self.placement.used = 3500
        before = self.report()
        self.client.side_effect = auth_exceptions.ConnectFailure
        self.assertRaises(exception.PlacementAwayError, self.report)
        self.assertEqual(before, self.told)

    def test_it_does_not_wait_for_those_who_claim(self):
        with (futures.ThreadPoolExecutor(1) as thread,
              self.capacity._turn()):
            self.assertEqual((512 + 2 * COST, 1),
                             thread.submit(self.report).result(20))

    def test_nova_compute_starts_while_its_database_is_away(self):
        """What is here is not given away until it answers."""
        self.pairs.records.save(fakes.make_record())
        self.useFixture(fixtures.MockPatchObject(
            capacity.Capacity, '_instances', mock.Mock(
                side_effect=messaging.MessagingTimeout)))
        self.assertRaises(messaging.MessagingTimeout, self.report)
        self.assertEqual((512 + COST, 1), self.told)


class ClaimTest(CapacityTestCase):

    def setUp(self):
        super().setUp()
        self.report()

    def test_what_is_reserved_already(self):
        self.placement.inventory['reserved'] = 512 + COST
        self.placement.meanwhile = self.fail
        self.capacity.claim(fakes.UUID)

    def test_more_is_reserved(self):
        self.pairs.records.save(fakes.make_record(instance_uuid=OTHER_UUID))
        self.capacity.claim(fakes.UUID)
        self.assertEqual(512 + 2 * COST, self.placement.inventory['reserved'])

    def test_a_pair_that_has_its_record_counts_once(self):
        self.pairs.records.save(fakes.make_record())
        self.capacity.claim(fakes.UUID)
        self.assertEqual(512 + COST, self.placement.inventory['reserved'])

    def test_two_at_once_are_two(self):
        """The record of the first waits for Neutron."""
        self.placement.used = 4096 - 512 - 2 * COST + 1
        self.capacity.claim(fakes.UUID)
        self.assertRaises(
            exception.NoRoomError, self.capacity.claim, OTHER_UUID)
        self.capacity.end_claim(fakes.UUID)
        self.capacity.claim(OTHER_UUID)
        self.assertEqual(512 + COST, self.placement.inventory['reserved'])

    def test_what_was_claimed_in_vain_is_taken_back(self):
        """Nova writes to Placement what differs from what it knows of it; so
        it has to read what was written past it, also if the answer was
        lost."""
        read = self.nova._refresh_and_get_inventory
        for put in (self.placement.put, mock.Mock(
                side_effect=auth_exceptions.ConnectFailure)):
            read.reset_mock()
            self.report()
            read.assert_not_called()
            self.placement.put = put
            self.placement.inventory['reserved'] = 512
            try:
                self.capacity.claim(fakes.UUID)
            except exception.PlacementAwayError:
                pass
            self.capacity.end_claim(fakes.UUID)
            self.report()
            read.assert_called_once()

    def test_a_claim_that_was_refused_does_not_count(self):
        self.placement.used = 4096 - 512 - COST + 1
        self.assertRaises(
            exception.NoRoomError, self.capacity.claim, fakes.UUID)
        self.placement.used -= 1
        self.capacity.claim(OTHER_UUID)

    def test_a_claim_that_has_its_record_ends_with_it(self):
        self.pairs.records.save(fakes.make_record())
        self.capacity.claim(fakes.UUID)
        self.pairs.records.forget(fakes.UUID)
        self.capacity.claim(OTHER_UUID)
        self.assertEqual(512 + COST, self.placement.inventory['reserved'])

    def test_the_report_counts_what_is_claimed(self):
        self.capacity.claim(fakes.UUID)
        self.assertEqual(512 + 3 * COST, self.report()[0])

    def test_its_own_image_asks_for_more(self):
        def manifest(digest):
            return mock.Mock(memory_mib={'large': 128}.get(digest, 96))
        self.useFixture(fixtures.MockPatchObject(
            self.pairs.images, 'manifest', manifest))
        self.pairs.records.save(fakes.make_record(instance_uuid=OTHER_UUID))
        self.capacity.claim(fakes.UUID, 'large')
        self.assertEqual(512 + 2 * (COST + 32),
                         self.placement.inventory['reserved'])

    def test_no_room(self):
        self.placement.used = 4096 - 512 - COST + 1
        error = self.assertRaises(
            exception.NoRoomError, self.capacity.claim, fakes.UUID)
        self.assertIn(f'{COST - 1} MiB', str(error))
        self.assertEqual(512, self.placement.inventory['reserved'])

    def test_an_instance_comes_between(self):
        """What Placement gave it is not reserved."""
        changes = iter([lambda: self.placement.allocate(4096 - 512 - COST)])
        self.placement.meanwhile = lambda: next(changes, lambda: None)()
        self.capacity.claim(fakes.UUID)
        self.assertEqual(512 + COST, self.placement.inventory['reserved'])
        self.placement.allocate(1)
        self.pairs.records.save(fakes.make_record(instance_uuid=OTHER_UUID))
        self.assertRaises(
            exception.NoRoomError, self.capacity.claim, fakes.UUID)

    def test_it_changes_all_the_time(self):
        self.placement.meanwhile = lambda: self.placement.allocate(0)
        self.assertRaises(
            exception.PlacementAwayError, self.capacity.claim, fakes.UUID)

    def test_placement_is_away(self):
        self.client.side_effect = auth_exceptions.ConnectFailure
        self.assertRaises(
            exception.PlacementAwayError, self.capacity.claim, fakes.UUID)

    def test_placement_does_not_know_the_memory_yet(self):
        """Nova reports it a moment later."""
        self.useFixture(fixtures.MockPatchObject(
            self.placement, 'get', return_value=mock.Mock(
                status_code=200, json=lambda: {
                    'resource_provider_generation': 1, 'usages': {},
                    'inventories': {}})))
        self.assertRaises(
            exception.PlacementAwayError, self.capacity.claim, fakes.UUID)

    def test_placement_does_not_answer(self):
        """And who comes next does not wait for those before."""
        self.useFixture(fixtures.MockPatchObject(limited, 'ANSWER_S', 0.2))
        never, asked = threading.Event(), threading.Event()
        self.addCleanup(never.set)

        def get(*_, **__):
            asked.set()
            never.wait(60)
        self.placement.get = get
        with futures.ThreadPoolExecutor() as threads:
            first = threads.submit(self.capacity.claim, fakes.UUID)
            self.assertTrue(asked.wait(60))
            # Nobody else has the lock for long.
            self.capacity.end_claim(OTHER_UUID)
            others = [threads.submit(self.capacity.claim, OTHER_UUID)
                      for _ in range(40)]
            began = time.monotonic()
            for claim in (first, *others):
                self.assertRaises(exception.PlacementAwayError, claim.result)
        self.assertLess(time.monotonic() - began, 4)

    def test_ram_where_instances_have_files(self):
        self.config.config(file_backed_memory=1 << 20, group='libvirt')
        self.placement.used = 1 << 20
        self.capacity.claim(fakes.UUID)
        self.config.config(reserved_host_memory_mb=4096 - COST + 1)
        self.assertRaises(
            exception.NoRoomError, self.capacity.claim, fakes.UUID)

    def test_huge_pages_are_not_for_domain_rs(self):
        self.small = 512 + COST
        self.capacity.claim(fakes.UUID)
        huge = fakes.make_instance()
        huge.flavor.extra_specs['hw:mem_page_size'] = 'large'
        self.instances = [huge]
        self.capacity.claim(fakes.UUID)
        self.instances = [fakes.make_instance()]
        self.assertRaises(
            exception.NoRoomError, self.capacity.claim, fakes.UUID)


class PairsTest(fake_host.HostTestCase):

    def test_nothing_is_made_without_room(self):
        self.pairs.claim = mock.Mock(side_effect=exception.NoRoomError('full'))
        self.assertRaises(exception.NoRoomError, self.pairs.ensure,
                          fakes.make_instance())
        self.assertRaises(exception.NoRoomError, self.pairs.prepare_early,
                          fakes.make_record(incoming=True))
        self.pairs.claim.assert_called_with(fakes.UUID)
        self.assert_nothing_left()

    def test_a_claim_lasts_until_there_is_a_record(self):
        recorded = []
        self.pairs.claim = mock.Mock()
        self.pairs.end_claim = lambda uuid: recorded.append(
            self.pairs.get(uuid))
        record = self.pairs.ensure(fakes.make_instance())
        self.pairs.claim.assert_called_once_with(fakes.UUID, record.digest)
        self.assertEqual([record], recorded)

    def test_a_claim_ends_with_a_pair_that_cannot_be_made(self):
        self.pairs.end_claim = mock.Mock()
        self.neutron.free_addresses.clear()
        self.assertRaises(exception.AddressError, self.pairs.ensure,
                          fakes.make_instance())
        self.pairs.end_claim.assert_called_once_with(fakes.UUID)

    def test_one_that_is_here_needs_no_more(self):
        self.pairs.ensure(fakes.make_instance())
        self.pairs.claim = self.fail
        self.libvirt.domains.clear()
        self.pairs.rebuild(fakes.UUID)
        self.pairs.ensure(fakes.make_instance())
