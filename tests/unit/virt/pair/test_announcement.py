# SPDX-License-Identifier: Apache-2.0

import fixtures
from nova import exception as nova_exception
from nova import objects
import oslo_messaging as messaging

from nova_dmore.virt.pair import announcement
from tests.unit.virt import fakes

URL = 'ssh://console@10.0.0.5:22'


class AnnouncementTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance(
            metadata={'mine': '1'}, system_metadata={'image_x': 'y'})
        self.save = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.save', autospec=True)).mock

    def _announce(self, **record):
        announcement.announce(self.conf.dmore, self.instance,
                              fakes.make_record(**record))

    def test_a_user_sees_nothing_by_default(self):
        self._announce()
        self.assertEqual({'mine': '1'}, self.instance.metadata)
        self.assertEqual(
            {'image_x': 'y', announcement.NOTE: URL},
            self.instance.system_metadata)
        # What is known is not written again.
        self._announce()
        self.save.assert_called_once_with(self.instance)

    def test_a_user_sees_it(self):
        self.config.config(ssh_metadata=True, group='dmore')
        self._announce()
        self.assertEqual({'mine': '1', announcement.SSH_PROPERTY: URL},
                         self.instance.metadata)
        self.instance.metadata[announcement.SSH_PROPERTY] = 'forged'
        self._announce()
        self.assertEqual(URL, self.instance.metadata[
            announcement.SSH_PROPERTY])
        # Not any more: of an earlier release, too.
        self.config.config(ssh_metadata=False, group='dmore')
        self._announce()
        self.assertEqual({'mine': '1'}, self.instance.metadata)

    def test_an_address_of_ipv6(self):
        self.config.config(ssh_metadata=True, group='dmore')
        self._announce(address=fakes.make_address(
            interface='2001:db8::5/64'))
        for told in (self.instance.metadata[announcement.SSH_PROPERTY],
                     self.instance.system_metadata[announcement.NOTE]):
            self.assertEqual('ssh://console@[2001:db8::5]:22', told)
        self.assertEqual('2001:db8::5',
                         announcement.address_of(self.instance))

    def test_the_address_that_it_had(self):
        self.assertIsNone(announcement.address_of(self.instance))
        self._announce()
        self.assertEqual('10.0.0.5', announcement.address_of(self.instance))

    def test_the_user_has_as_many_as_he_may(self):
        self.config.config(ssh_metadata=True, group='dmore')
        self.config.config(metadata_items=1, group='quota')
        self._announce()
        self.assertEqual({'mine': '1'}, self.instance.metadata)
        self.assertEqual(URL, self.instance.system_metadata[
            announcement.NOTE])
        self.config.config(metadata_items=-1, group='quota')
        self._announce()
        self.assertIn(announcement.SSH_PROPERTY, self.instance.metadata)

    def test_the_secret(self):
        self._announce(secret_id=3)
        self.assertEqual('3', self.instance.system_metadata[
            'dmore_secret_id'])

    def test_retract(self):
        announcement.retract(self.instance)
        self.save.assert_not_called()
        for options in ({}, {'ssh_metadata': True}):
            self.save.reset_mock()
            self.config.config(group='dmore', **options)
            self._announce()
            announcement.retract(self.instance)
            self.assertEqual(2, self.save.call_count)
            self.assertEqual({'mine': '1'}, self.instance.metadata)
            self.assertEqual({'image_x': 'y'},
                             self.instance.system_metadata)

    def test_retract_where_its_host_boots(self):
        """Nova has read it when nova-compute began; its user has changed it
        since."""
        self.config.config(ssh_metadata=True, group='dmore')
        self._announce()
        self.instance.task_state = None
        changed = fakes.make_instance(
            task_state=None,
            metadata={**self.instance.metadata, 'mine': '2'},
            system_metadata={**self.instance.system_metadata,
                             'image_x': 'z'})
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=changed))
        self.save.reset_mock()
        announcement.retract(self.instance)
        self.save.assert_called_once_with(
            changed, expected_task_state=[None])
        self.assertEqual({'mine': '2'}, changed.metadata)
        self.assertEqual({'image_x': 'z'}, changed.system_metadata)

    def test_retract_of_one_that_is_not_at_hand(self):
        find = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance)).mock
        self._announce()
        # Who starts it does that.
        self.instance.task_state = 'rebooting'
        announcement.retract_of('context', fakes.UUID)
        self.assertIn(announcement.NOTE, self.instance.system_metadata)
        self.instance.task_state = None
        announcement.retract_of('context', fakes.UUID)
        self.assertEqual({'image_x': 'y'}, self.instance.system_metadata)
        log = self.useFixture(fixtures.FakeLogger())
        for error in (messaging.MessagingTimeout(),
                      nova_exception.InstanceNotFound(
                          instance_id=fakes.UUID)):
            find.side_effect = error
            announcement.retract_of('context', fakes.UUID)
        self.assertEqual(2, log.output.count('which has none'))
