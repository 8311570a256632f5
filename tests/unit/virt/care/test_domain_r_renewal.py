# SPDX-License-Identifier: Apache-2.0
"""When a Domain R is renewed, and what becomes of it."""

import threading

import fixtures

from nova_dmore import exception
from nova_dmore.virt.care import domain_r_renewal
from nova_dmore.virt.care import pair_care
from nova_dmore.virt.pair import renewable
from tests.unit.virt.care import care_case
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes

NEWER = 'e' * 64
OTHER_UUID = care_case.OTHER_UUID
NOW, IDLE, MIGRATION = renewable.When


class RenewalsTestCase(care_case.CareTestCase):

    def setUp(self):
        super().setUp()
        for name, seconds in (('_SERVES_S', 0.2), ('_POLL_S', 0.001)):
            self.useFixture(fixtures.MockPatchObject(
                domain_r_renewal, name, seconds))
        self.images.current.return_value = NEWER
        self.images.newest.return_value = NEWER
        self.images.prune.side_effect = lambda used: []
        self.condition = pair_care.Condition.WELL
        self.renewals = domain_r_renewal.Renewals(
            self.pairs, lambda uuid: self.condition, self.reporter, 'context')
        self.serving = {'ssh': 0, 'serial': 0, 'vnc': 0}
        self._serve(self.client())

    def _serve(self, client):
        client.status.side_effect = lambda *_: fake_shadow.status(
            serving=self.serving)


class RenewalsTest(RenewalsTestCase):

    def _request(self, when, uuids=None):
        """And wait for what is done at once."""
        before = set(threading.enumerate())
        rows = self.renewals.request(uuids, when)
        for thread in set(threading.enumerate()) - before:
            thread.join(60)
        return rows

    def _state(self, uuid=fakes.UUID):
        (row,) = [row for row in self.renewals.progress()
                  if row['instance_uuid'] == uuid]
        return row['state']

    def _digest(self, uuid=fakes.UUID):
        return self.pairs.get(uuid).digest

    def test_now(self):
        self.assertEqual('old', self._state())
        self._request(NOW)
        self.assertEqual(('newest', NEWER), (self._state(), self._digest()))
        self.assertIsNone(self.pairs.get(fakes.UUID).renewal)
        (call,) = self.reporter.rebuilt.call_args_list
        self.assertIn('renewed', call.args[2])
        self.images.prune.assert_called_once_with({NEWER})

    def test_who_has_it_already(self):
        self.images.current.return_value = fakes.DIGEST
        self.images.newest.return_value = fakes.DIGEST
        domain = self.libvirt.domains[self.domr]
        self._request(NOW)
        self.assertIs(domain, self.libvirt.domains[self.domr])
        self.assertEqual('newest', self._state())

    def test_when_nobody_is_attached(self):
        self.serving['vnc'] = 1
        self._request(IDLE)
        self.renewals.run()
        self.assertEqual(('waits', fakes.DIGEST),
                         (self._state(), self._digest()))
        self.serving['vnc'] = 0
        self.renewals.run()
        self.assertEqual('newest', self._state())

    def test_one_that_does_not_say_who_is_attached(self):
        self._request(IDLE)
        self.pairs.note_renewal(fakes.UUID, IDLE)
        self.images.current.return_value = 'f' * 64
        for self.serving in (None, {'ssh': -1}):
            self.renewals.run()
            self.assertEqual(NEWER, self._digest())

    def test_at_the_next_migration(self):
        self._request(MIGRATION)
        self.renewals.run()
        self.assertEqual(('waits', fakes.DIGEST),
                         (self._state(), self._digest()))
        self._request(None)
        self.assertEqual('old', self._state())
        self.assertIsNone(self.pairs.get(fakes.UUID).renewal)

    def test_it_came_to_it_otherwise(self):
        self._request(MIGRATION)
        self.pairs.renew(fakes.UUID, NEWER)
        self.pairs.note_renewal(fakes.UUID, MIGRATION)
        self.renewals.run()
        self.assertIsNone(self.pairs.get(fakes.UUID).renewal)

    def test_it_is_not_forgotten(self):
        self._request(IDLE, [])
        self.pairs.note_renewal(fakes.UUID, NOW)
        renewals = domain_r_renewal.Renewals(
            self.make_pairs(), lambda uuid: self.condition, self.reporter,
            'context')
        renewals.run()
        self.assertEqual(NEWER, self._digest())

    def test_a_pair_that_moves(self):
        for self.condition in (pair_care.Condition.MOVING,
                               pair_care.Condition.UNCLEAR):
            self._request(NOW)
            self.assertEqual(('waits', fakes.DIGEST),
                             (self._state(), self._digest()))
        self.condition = pair_care.Condition.WELL
        self.renewals.run()
        self.assertEqual('newest', self._state())

    def test_somebody_is_at_the_pair(self):
        taken, done = threading.Event(), threading.Event()

        def hold():
            with self.pairs.locked(fakes.UUID):
                taken.set()
                done.wait(60)
        thread = threading.Thread(target=hold, daemon=True)
        self.pairs.note_renewal(fakes.UUID, NOW)
        thread.start()
        taken.wait(60)
        self.renewals.run()
        self.assertEqual(fakes.DIGEST, self._digest())
        done.set()
        thread.join(60)

    def test_one_that_has_crashed(self):
        self.condition = pair_care.Condition.DEAD
        self.libvirt.domains[self.domr].destroy()
        self._request(NOW)
        self.assertEqual(NEWER, self._digest())
        self.assertIn(self.domr, self.libvirt.domains)

    def _add_other(self):
        self.pairs.ensure(fakes.make_instance(uuid=OTHER_UUID))
        self.pairs.records.save(fakes.make_record(
            instance_uuid=OTHER_UUID, address=self.pairs.get(
                OTHER_UUID).address))
        self._serve(self.shadow.clients[
            self.pairs.records.directory(OTHER_UUID)])

    def test_an_image_that_does_not_serve(self):
        self.images.current.return_value = fakes.DIGEST
        self._add_other()
        self.images.current.return_value = NEWER
        renew = self.pairs.renew

        def renewed(uuid, digest):
            renew(uuid, digest)
            self.serving = None if digest == NEWER else {'ssh': 0}
        self.useFixture(fixtures.MockPatchObject(
            self.pairs, 'renew', renewed))
        self._request(NOW)
        # One has lost its console for a moment, and the other has not.
        self.assertEqual(['failed', 'waits'], sorted(
            self._state(uuid) for uuid in (fakes.UUID, OTHER_UUID)))
        self.assertEqual({fakes.DIGEST}, {
            self._digest(uuid) for uuid in (fakes.UUID, OTHER_UUID)})
        self.assertEqual(2, self.reporter.rebuilt.call_count)
        self.assertTrue(all(row['error']
                            for row in self.renewals.progress()))
        self.renewals.run()
        self.assertEqual(2, self.reporter.rebuilt.call_count)
        # A better one is tried.
        self.images.current.return_value = 'f' * 64
        self.images.newest.return_value = 'f' * 64
        self._request(NOW)
        self.assertEqual({'f' * 64}, {
            self._digest(uuid) for uuid in (fakes.UUID, OTHER_UUID)})

    def test_one_that_does_not_start(self):
        self.libvirt.refuse = fake_host.libvirt_error(text='bad kernel')
        self._request(NOW)
        (row,) = self.renewals.progress()
        self.assertEqual(('failed', fakes.DIGEST),
                         (row['state'], row['image']))
        self.assertIn('bad kernel', row['error'])
        self.assertEqual(1, self.reporter.rebuilt.call_count)

    def test_no_image(self):
        self.images.current.side_effect = exception.ImageError('none')
        self.assertRaises(exception.ImageError, self.renewals.request, None,
                          NOW)
        self.assertIsNone(self.pairs.get(fakes.UUID).renewal)

    def test_no_such_pair(self):
        error = self.assertRaises(exception.PairError, self.renewals.request,
                                  [OTHER_UUID], NOW)
        self.assertIn(OTHER_UUID, str(error))

    def test_rebuild(self):
        domain = self.libvirt.domains[self.domr]
        self.renewals.rebuild(fakes.UUID)
        self.assertIsNot(domain, self.libvirt.domains[self.domr])
        self.assertEqual(fakes.DIGEST, self._digest())
        self.reporter.rebuilt.assert_called_once()
        self.condition = pair_care.Condition.MOVING
        self.assertRaises(exception.PairError, self.renewals.rebuild,
                          fakes.UUID)
