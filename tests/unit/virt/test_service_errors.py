# SPDX-License-Identifier: Apache-2.0

from glanceclient import exc as glance_exceptions
from neutronclient.common import exceptions as neutron_exceptions
from neutronclient.v2_0 import client as neutron_client

from nova_dmore import exception
from nova_dmore.virt.network import address
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


class AwayTest(fakes.TestCase):

    def _neutron_answers(self, status):
        """As its client says it where a web server answers for it."""
        answer = neutron_client._StrWithMeta(
            '<html>Gateway Time-out</html>', None)
        with address.neutron_errors('a port'):
            neutron_client.exception_handler_v20(status, answer)

    def test_a_load_balancer_answers_for_neutron(self):
        for status in (502, 503, 504):
            self.assertRaises(exception.NeutronAwayError,
                              self._neutron_answers, status)

    def test_neutron_answers_itself(self):
        for status in (400, 404, 409, 500):
            error = self.assertRaises(exception.AddressError,
                                      self._neutron_answers, status)
            self.assertNotIsInstance(error, exception.NeutronAwayError)

    def test_a_load_balancer_answers_for_glance(self):
        self.assertTrue(service_errors.is_away(
            glance_exceptions.HTTPBadGateway()))
        self.assertTrue(service_errors.is_away(
            glance_exceptions.HTTPServiceUnavailable()))
        self.assertFalse(service_errors.is_away(
            glance_exceptions.HTTPNotFound()))
