# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import libvirt

from nova_dmore.virt.migration import guest
from nova_dmore.virt.migration import source
from tests.unit.virt import fakes


class GuestTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.role = mock.create_autospec(source.SourceRole, instance=True)
        self.stock = mock.Mock(
            spec=['migrate', 'migrate_configure_max_downtime', 'uuid',
                  'get_job_info'],
            uuid=fakes.UUID)
        self.guest = guest.CoMigratingGuest(self.stock, self.role)

    def test_the_role_migrates(self):
        self.guest.migrate('uri', flags=1)
        self.role.migrate.assert_called_once_with(self.stock, 'uri', flags=1)
        self.stock.migrate.assert_not_called()

    def test_the_role_takes_the_limit(self):
        self.role.migrate_configure_max_downtime.return_value = True
        self.guest.migrate_configure_max_downtime(50)
        self.role.migrate_configure_max_downtime.assert_called_once_with(50)
        self.stock.migrate_configure_max_downtime.assert_not_called()

    def test_no_pre_copy_takes_the_limit(self):
        self.role.migrate_configure_max_downtime.return_value = False
        self.guest.migrate_configure_max_downtime(50)
        self.stock.migrate_configure_max_downtime.assert_called_once_with(50)

    def test_it_was_aborted(self):
        self.role.is_cancelled.return_value = False
        self.assertIs(self.stock.get_job_info.return_value,
                      self.guest.get_job_info())
        self.role.is_cancelled.return_value = True
        self.assertEqual(libvirt.VIR_DOMAIN_JOB_CANCELLED,
                         self.guest.get_job_info().type)

    def test_everything_else_is_novas(self):
        self.assertEqual(fakes.UUID, self.guest.uuid)
        self.assertRaises(AttributeError, getattr, self.guest, 'nothing')
