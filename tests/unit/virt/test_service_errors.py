# SPDX-License-Identifier: Apache-2.0

from unittest import mock

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

    def _glance_answers(self, status, text):
        return glance_exceptions.from_response(mock.Mock(
            status_code=status, headers={'content-type': 'text/html'},
            text=text), text.encode())

    def test_glance_takes_longer_than_its_load_balancer_waits(self):
        for text in (
                # haproxy, nginx, Apache
                '<html><body><h1>504 Gateway Time-out</h1>\n'
                "The server didn't respond in time.\n</body></html>\n",
                '<html>\r\n<head><title>504 Gateway Time-out</title></head>'
                '\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>'
                '\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n',
                '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html>'
                '<head>\n<title>504 Gateway Timeout</title>\n</head><body>\n'
                '<h1>Gateway Timeout</h1>\n</body></html>\n'):
            self.assertTrue(service_errors.is_away(
                self._glance_answers(504, text)))
        self.assertFalse(service_errors.is_away(self._glance_answers(
            410, '<html><body><h1>410 Gone</h1></body></html>')))
