# SPDX-License-Identifier: Apache-2.0
"""An operator has the Domain Rs of a host exchanged for newer ones."""

import datetime
import pathlib

import fixtures
from nova import context

from nova_dmore import exception
from nova_dmore.virt.rpc import operator as operator_rpc
from tests.functional import base
from tests.functional import migration_case
from tests.unit.virt import fake_shadow
from tests.unit.virt.images import store_case


class RenewalTest(migration_case.MigrationTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.care.domain_r_renewal._SERVES_S', 0.5))
        self.old = self.digest
        folder = pathlib.Path(self.directory, 'newer')
        folder.mkdir()
        self.new = self.upload(store_case.make_image(folder, version='1.1'))
        for image in self.glance.images.values():
            if image['properties'].get('dmore_digest') == self.new:
                image['created_at'] = datetime.datetime(2099, 1, 1)
        self.context = context.get_admin_context()
        self.operator = operator_rpc.OperatorAPI()
        self.serve(ssh=0, serial=0, vnc=0)

    def serve(self, **clients):
        self.shadow_client(self.server).status.side_effect = (
            lambda *_: fake_shadow.status(serving=clients))

    def renew(self, when, host='c1'):
        return self.operator.renew(self.context, host, None, when)

    def record(self, host='c1'):
        return self.driver(host)._pairs.get(self.server['id'])

    def xml(self, host='c1'):
        return self.connection(host).xml['domr-' + self.server['id']]

    def assert_renewed(self, host='c1'):
        self.until(lambda: self.record(host).digest == self.new
                   and self.domain_r(self.server, host) is not None)
        self.until(lambda: self.new in self.xml(host))
        self.assertNotIn(self.old, self.xml(host))
        self.assertIsNone(self.record(host).renewal)

    def test_now(self):
        domain = self.domain_r(self.server)
        self.serve(ssh=1)
        self.renew('now')
        self.assert_renewed()
        self.assertIsNot(domain, self.domain_r(self.server))
        # At the same address, and the instance noticed nothing.
        self.assertEqual(self.port, self.assert_pair(self.server))
        self.until(lambda: [row['state'] for row in self.operator.renewals(
            self.context, 'c1')] == ['newest'])

    def test_when_nobody_is_attached(self):
        self.serve(ssh=1)
        (row,) = self.renew('idle')
        self.assertEqual(('waits', self.old), (row['state'], row['image']))
        self.driver()._operator._renewals.run()
        self.assertEqual(self.old, self.record().digest)
        # Also by another nova-compute.
        self.restart_compute_service('c1')
        self.serve(ssh=0)
        self.driver()._operator._renewals.run()
        self.assert_renewed()

    def test_in_a_live_migration(self):
        # Nova's fake tells of stock consoles, whatever it was given.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            base.kept_xml))
        self.renew('migration')
        self.go()
        self.assert_renewed('c2')
        self.assertIsNone(self.domain_r(self.server, 'c1'))

    def test_in_one_to_a_host_that_cannot_have_the_image(self):
        ensure = self.driver('c2')._pairs.images.ensure

        def refuse(digest):
            if digest == self.new:
                raise exception.ImageError('no room')
            ensure(digest)
        self.driver('c2')._pairs.images.ensure = refuse
        self.renew('migration')
        self.go()
        self.until(lambda: self.record('c2') is not None
                   and not self.record('c2').incoming)
        self.assertEqual((self.old, 'migration'), (
            self.record('c2').digest, self.record('c2').renewal))
        # It was moved.
        self.shadow_client(self.server, 'c2').carry_over.\
            assert_called_once()

    def test_rebuild(self):
        domain = self.domain_r(self.server)
        self.operator.rebuild(self.context, 'c1', self.server['id'])
        self.assertIsNot(domain, self.domain_r(self.server))
        self.assertEqual(self.old, self.record().digest)
        self.assert_pair(self.server)

    def test_a_pair_of_another_host(self):
        self.assertRaises(exception.DMoreError, self.operator.rebuild,
                          self.context, 'c2', self.server['id'])

    def test_what_hosts_say_of_each_other(self):
        found = operator_rpc.describe_all(self.context, 'c1')
        self.assertEqual(['c2'], list(found))
        self.assertEqual(self.new, found['c2']['image'])
