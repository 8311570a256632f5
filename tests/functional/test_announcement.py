# SPDX-License-Identifier: Apache-2.0
"""What a user does with the properties of a server, which only tell."""

from unittest import mock

from nova import context
from nova import objects

from nova_dmore.virt.pair import announcement
from tests.functional import base
from tests.functional import migration_case

FORGED = {announcement.SSH_PROPERTY: 'ssh://console@10.0.0.66:22'}


class PropertyTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def test_the_user_has_what_he_gave(self):
        server = self.boot({'metadata': {'mine': '1'}})
        self.assert_pair(server)
        self.assertEqual({'mine': '1'}, self.api.get_server(
            server['id'])['metadata'])

    def test_a_full_quota(self):
        self.flags(metadata_items=2, group='quota')
        self.flags(ssh_metadata=True, group='dmore')
        server = self.boot({'metadata': {'a': '1', 'b': '2'}})
        self.assert_pair(server)
        # He may go on to use what he has.
        self.api.post_server_metadata(server['id'], {'a': '3'})
        self._reboot_server(server, hard=True)
        self.assertEqual({'a': '3', 'b': '2'}, self.api.get_server(
            server['id'])['metadata'])

    def test_forged_of_a_stock_instance(self):
        server = self.boot({'metadata': FORGED}, flavor_id=self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'}))
        self.assert_no_pair(server)
        self._delete_server(server)


class MigrationTest(migration_case.MigrationTestCase):

    def _go(self):
        role = self.driver('c2')._destination
        with mock.patch.object(
                role, 'pre_live_migration',
                side_effect=role.pre_live_migration) as pre:
            self._live_migrate(self.server, host='c2')
        self.until(lambda: not self.driver('c1')._source_roles._roles)
        return pre.called

    def test_a_user_overwrites_it(self):
        self.api.post_server_metadata(self.server['id'], FORGED)
        self.assertTrue(self._go())
        self.until(lambda: self.domain_r(self.server, 'c2') is not None)
        self.assertEqual('10.0.0.5', self.driver('c2')._pairs.get(
            self.server['id']).address.ip)

    def test_a_user_deletes_it(self):
        self.flags(ssh_metadata=True, group='dmore')
        self._reboot_server(self.server, hard=True)
        self.api.delete_server_metadata(
            self.server['id'], announcement.SSH_PROPERTY)
        self.assertTrue(self._go())

    def test_a_user_makes_it_up(self):
        self._delete_server(self.server)
        self.server = self.boot(
            {'metadata': FORGED}, host='c1', flavor_id=self._create_flavor(
                extra_spec={'dmore:domain_r': 'disabled'}))
        self.shadow.log.clear()
        self.assertFalse(self._go())
        self.assertEqual([], self.shadow.log)
        self.assert_nothing_left()

    def test_one_of_an_earlier_release(self):
        instance = objects.Instance.get_by_uuid(
            context.get_admin_context(), self.server['id'],
            expected_attrs=['metadata', 'system_metadata'])
        del instance.system_metadata[announcement.NOTE]
        instance.metadata = FORGED
        instance.save()
        self.assertTrue(self._go())
