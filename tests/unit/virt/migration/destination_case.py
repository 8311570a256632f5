# SPDX-License-Identifier: Apache-2.0

import os
from unittest import mock

from nova_dmore.virt.care import reporter
from nova_dmore.virt.migration import destination
from nova_dmore.virt.migration import send_back
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import record
from nova_dmore.virt.rpc import source as source_rpc
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes


class DestinationTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        # The port is where the instance comes from.
        here = self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
        self.there = fakes.make_record(address=here)
        self.text = record.to_json(self.there)
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        self.instances_path = os.path.join(self.directory, 'instances')
        os.makedirs(os.path.join(self.instances_path, fakes.UUID))
        self.source = mock.create_autospec(source_rpc.SourceAPI, instance=True)
        self.role = self._role()

    def _role(self):
        def connect():
            return self.libvirt
        self.sends_back = send_back.SendBack(
            self.pairs, connect, 'qemu:///system',
            lambda: uris.MigrationURIs('qemu+tcp://anyhost/system',
                                       'tcp://anyhost'), encrypts=False,
            connections=4)
        return destination.DestinationRole(
            self.pairs, self.reporter, connect, self.instances_path,
            self.sends_back, self.source)

    def _finish(self, moved, console_log=None):
        self.libvirt.add_instance()
        self.role.finish(None, 'm1', record.to_json(self.there), moved,
                         console_log)

    def _assert_awaited_alone(self):
        """Nothing is left but what the instance needs, and the record."""
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual({self.pairs.records.directory(fakes.UUID)},
                         self.shadow.alive)
        self.assertEqual(set(), self.vif_driver.plugged)

    def _domain_r_comes(self):
        self.libvirt.createXML(
            self.pairs.blueprint.domain_xml(self.pairs.get(fakes.UUID)), 0)

    def _restart(self, migration_id):
        """Restart nova-compute; what the shadow-device process knows stays."""
        self.role = self._role()
        status = fake_shadow.status(migration_id=migration_id)
        self.client().status.side_effect = lambda timeout=None: status
        self.shadow.log.clear()

    def _assert_rebuilt(self):
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        self.reporter.rebuilt.assert_called_once()
