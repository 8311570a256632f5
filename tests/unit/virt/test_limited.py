# SPDX-License-Identifier: Apache-2.0

import threading
import types
from unittest import mock

import fixtures
from keystoneauth1 import exceptions as keystone_exceptions
from keystoneauth1 import session
from keystoneauth1 import token_endpoint
from neutronclient.v2_0 import client as neutron_client
import requests

from nova_dmore import exception
from nova_dmore.virt import limited
from nova_dmore.virt.network import address_book
from tests.unit.virt import fakes


class NeutronTest(fakes.TestCase):

    def _limited(self, timeout):
        """What Nova's session and that of our client wait, in seconds."""
        stock = session.Session(timeout=timeout)
        client = types.SimpleNamespace(
            httpclient=types.SimpleNamespace(session=stock))
        self.useFixture(fixtures.MockPatch(
            'nova.network.neutron.get_client', return_value=client))
        used = address_book.AddressBook('consoles', None, None)._client()
        return stock.timeout, used.httpclient.session.timeout

    def test_nova_has_no_limit(self):
        self.assertEqual((None, limited.ANSWER_S), self._limited(None))

    def test_nova_waits_longer(self):
        self.assertEqual((300.0, limited.ANSWER_S), self._limited(300))

    def test_nova_waits_less(self):
        self.assertEqual((10.0, 10.0), self._limited(10))

    def test_what_is_waited(self):
        """The requests of our client, and those alone."""
        stock = session.Session()
        client = types.SimpleNamespace(
            httpclient=types.SimpleNamespace(session=stock))
        limited.neutron_client(client)
        for each, expected in ((client.httpclient.session, limited.ANSWER_S),
                               (stock, None)):
            with mock.patch.object(each.session, 'request') as request:
                request.return_value.status_code = 200
                each.get('http://neutron.invalid/', log=False)
            self.assertEqual(expected,
                             request.call_args.kwargs.get('timeout'))

    def test_nothing_is_asked_twice(self):
        """By Neutron's real client, made as Nova makes it."""
        auth = token_endpoint.Token('http://neutron.invalid', 'token')
        client = limited.neutron_client(neutron_client.Client(
            session=session.Session(auth=auth), auth=auth, connect_retries=3,
            endpoint_override='http://neutron.invalid'))
        with mock.patch.object(
                client.httpclient.session.session, 'request',
                side_effect=requests.exceptions.Timeout) as request:
            self.assertRaises(keystone_exceptions.ConnectTimeout,
                              client.create_port, {'port': {}})
        request.assert_called_once()


class GlanceTest(fakes.TestCase):

    def test_it_answers(self):
        self.assertEqual(3, limited.glance(60, 'x', lambda a, b: a + b, 1,
                                           b=2))

    def test_it_refuses(self):
        self.assertRaises(KeyError, limited.glance, 60, 'x', {}.__getitem__, 1)

    def test_it_does_not_answer(self):
        never = threading.Event()
        self.addCleanup(never.set)
        error = self.assertRaises(
            exception.GlanceAwayError, limited.glance, 0.01, 'the image',
            never.wait)
        self.assertIn('the image: Glance has not', str(error))


class PlacementTest(fakes.TestCase):

    def test_it_answers(self):
        self.assertEqual(3, limited.placement('x', lambda: 3))

    def test_it_does_not_answer(self):
        never = threading.Event()
        self.addCleanup(never.set)
        self.useFixture(fixtures.MockPatchObject(limited, 'ANSWER_S', 0.01))
        error = self.assertRaises(
            exception.PlacementAwayError, limited.placement, 'its memory',
            never.wait)
        self.assertIn('its memory: Placement has not', str(error))
