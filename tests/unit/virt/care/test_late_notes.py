# SPDX-License-Identifier: Apache-2.0

import dataclasses

import fixtures
from nova import exception as nova_exception
from nova import objects
import oslo_messaging as messaging

from nova_dmore.virt.care import late_notes
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.pair import announcement
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class LateNotesTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance(task_state='rebooting')
        self.pairs.ensure(self.instance)
        self.record = dataclasses.replace(
            self.pairs.get(fakes.UUID), secret_id=3)
        self.find = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance)).mock
        self.save = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'save')).mock
        self.notes = late_notes.LateNotes(
            self.pairs, 'context', self.conf.dmore)
        self.log = self.useFixture(fixtures.FakeLogger())

    def _assert_told(self):
        self.assertIn('10.0.0.5', self.instance.system_metadata[
            announcement.NOTE])
        self.assertEqual(3, host_secrets.id_of(self.instance))
        self.assertEqual(set(), self.pairs.unnoted)

    def test_once_nova_does_nothing_with_it(self):
        for function in (lambda: self.notes.tell(self.record),
                         lambda: self.notes.retry(lambda: [self.record])):
            function()
            self.save.assert_not_called()
            self.assertEqual({}, self.instance.system_metadata)
        self.instance.task_state = None
        self.notes.retry(lambda: [self.record])
        self._assert_told()

    def test_at_once(self):
        self.instance.task_state = None
        self.notes.tell(self.record)
        self._assert_told()
        # There is nothing to be told later.
        self.find.reset_mock()
        self.notes.retry(lambda: [self.record])
        self.find.assert_not_called()

    def test_nova_compute_ended_before_it_told(self):
        self.instance.task_state = None
        again = self.make_pairs()
        notes = late_notes.LateNotes(again, 'context', self.conf.dmore)
        notes.retry(lambda: [self.record])
        self._assert_told()
        self.assertEqual(set(), again.unnoted)

    def test_what_is_left_over_of_one_on_another_host(self):
        self.instance.task_state = None
        self.instance.host = fakes.OTHER_HOST
        self.pairs.unnoted.add(fakes.UUID)
        self.notes.retry(lambda: [self.record])
        self.save.assert_not_called()
        self.assertEqual(set(), self.pairs.unnoted)

    def test_nova_does_not_answer(self):
        self.find.side_effect = messaging.MessagingTimeout
        self.notes.tell(self.record)
        self.find.side_effect = None
        self.instance.task_state = None
        self.notes.retry(lambda: [self.record])
        self._assert_told()

    def test_one_that_arrives(self):
        self.notes.tell(self.record)
        self.find.reset_mock()
        coming = dataclasses.replace(self.record, incoming=True)
        self.notes.retry(lambda: [coming])
        self.find.assert_not_called()

    def test_one_that_is_removed(self):
        self.notes.tell(self.record)
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.assertEqual(set(), self.pairs.unnoted)

    def test_it_is_no_more(self):
        self.notes.tell(self.record)
        self.find.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self.notes.retry(lambda: [self.record])
        self.assertIn('Nova does not know', self.log.output)
        self.assertEqual(set(), self.pairs.unnoted)
