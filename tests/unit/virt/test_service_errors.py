# SPDX-License-Identifier: Apache-2.0

from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore.virt import service_errors
from tests.unit.virt import fakes


class PerhapsAbsentTest(fakes.TestCase):

    def test_absent(self):
        with service_errors.perhaps_absent():
            raise neutron_exceptions.PortNotFoundClient()

    def test_another_error(self):
        def refuse():
            with service_errors.perhaps_absent():
                raise neutron_exceptions.Conflict()
        self.assertRaises(neutron_exceptions.Conflict, refuse)
