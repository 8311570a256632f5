# SPDX-License-Identifier: Apache-2.0
"""What is asked of Nova and Neutron, and what is made of their answers."""

import pathlib
import socket
import tempfile
import time

from oslotest import base

from nova_dmore import exception
from nova_dmore.gateway import cloud
from nova_dmore.gateway import index
from nova_dmore.gateway import options
from nova_dmore.virt.network import address
from nova_dmore.virt.network import key_mark
from tests.unit.gateway import fake_cloud
from tests.unit.gateway import fakes


class CloudTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.there = fake_cloud.state()
        self.fake = fake_cloud.FakeCloud(lambda: self.there)
        self.addCleanup(self.fake.close)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / 'gateway.conf'

    def _cloud(self, limit_s=30.0, **others):
        self.file.write_text('[gateway]\n' + ''.join(
            f'{name} = {value}\n' for name, value in {
                'auth_type': 'password', 'auth_url': f'{self.fake.url}/v3',
                'username': 'u', 'password': fake_cloud.PASSWORD,
                'project_name': 'p', 'user_domain_id': 'd',
                'project_domain_id': 'd', 'management_network': 'consoles',
                **others}.items()))
        return cloud.Cloud(options.read([str(self.file)]), limit_s)

    def test_it_finds_the_ports_that_nova_compute_makes(self):
        self.assertEqual(address.DEVICE_OWNER, cloud.DEVICE_OWNER)
        self.assertEqual(address.device_id(fakes.WEB),
                         cloud.DEVICE_PREFIX + fakes.WEB)

    def _addresses(self, **given):
        return {name: console.address
                for name, console in self._cloud(**given).consoles().items()}

    def test_addresses(self):
        self.there['ports'] = [
            fake_cloud.port(fakes.WEB, '192.0.2.5'),
            fake_cloud.port(fakes.MAIL, '2001:DB8:0::5'),
            fake_cloud.port(fakes.OTHERS, '192.0.2.6')]
        self.assertEqual(
            {fakes.WEB: '192.0.2.5', fakes.MAIL: '2001:db8::5',
             fakes.OTHERS: '192.0.2.6'}, self._addresses())
        pages = [query for path, query, _version in self.fake.requests
                 if path == '/network/v2.0/ports']
        self.assertEqual(2, len(pages))
        self.assertEqual([fake_cloud.NETWORK], pages[0]['network_id'])
        self.assertEqual(['compute:dmore'], pages[0]['device_owner'])

    def test_which_key_a_console_lets_in(self):
        """As nova-compute writes it, among what an operator has written."""
        text = f'{fakes.key(1)} \u00e4'
        described = key_mark.description('ask Bob', key_mark.of(text))
        self.there['ports'] = [
            {**fake_cloud.port(fakes.WEB, '192.0.2.5'),
             'description': described},
            {**fake_cloud.port(fakes.MAIL, '192.0.2.6'),
             'description': None},
            {**fake_cloud.port(fakes.OTHERS, '192.0.2.7'),
             'description': 'console-key-sha256:no'}]
        self.assertEqual(
            {fakes.WEB: index.digest_of(text), fakes.MAIL: None,
             fakes.OTHERS: None},
            {name: console.digest
             for name, console in self._cloud().consoles().items()})

    def test_ports_of_users_are_none(self):
        self.there['ports'] = [
            fake_cloud.port(fakes.WEB, '192.0.2.66', 'of-a-user'),
            fake_cloud.port(fakes.WEB, '192.0.2.5'),
            fake_cloud.port(fakes.WEB, '192.0.2.66', project='of-a-user')]
        self.assertEqual({fakes.WEB: '192.0.2.5'}, self._addresses())

    def test_ports_that_are_of_no_pair(self):
        odd = fake_cloud.port(fakes.WEB, '192.0.2.5')
        self.there['ports'] = [
            fake_cloud.port('-oProxyCommand=id', '192.0.2.5'),
            fake_cloud.port(fakes.MAIL, '127.0.0.1'),
            {**odd, 'fixed_ips': []}]
        self.assertEqual({}, self._addresses())

    def test_the_network_by_its_id(self):
        self.there['ports'] = [fake_cloud.port(fakes.WEB, '192.0.2.5')]
        self.assertEqual(
            {fakes.WEB: '192.0.2.5'},
            self._addresses(management_network=fake_cloud.NETWORK))

    def test_no_network_or_two(self):
        self.assertRaises(exception.ConfigurationError,
                          self._cloud(management_network='x').consoles)
        self.there['networks'] *= 2
        self.assertRaises(exception.ConfigurationError,
                          self._cloud().consoles)

    def test_instances(self):
        self.there['servers'] = [
            fake_cloud.server(fakes.WEB, 'ann', 'laptop'),
            fake_cloud.server(fakes.MAIL, 'ann', None, status='DELETED'),
            fake_cloud.server(fakes.OTHERS, 'bob', '../../x')]
        self.assertEqual(
            {fakes.WEB: index.Server('ann', 'laptop'),
             fakes.OTHERS: index.Server('bob', '../../x')},
            dict(self._cloud().changed(None)))
        self.assertEqual(
            {fakes.WEB: index.Server('ann', 'laptop'), fakes.MAIL: None,
             fakes.OTHERS: index.Server('bob', '../../x')},
            dict(self._cloud().changed(86400.0)))
        self.assertEqual(['1970-01-02T00:00:00Z'],
                         self.fake.requests[-1][1]['changes-since'])

    def test_key_pairs(self):
        pairs = {f'{number} /?&': fakes.key(number) for number in range(5)}
        self.there['keypairs'] = {'ann&limit=1': pairs}
        self.assertEqual(pairs, self._cloud().keys_of('ann&limit=1'))
        self.assertEqual({}, self._cloud().keys_of('bob'))
        self.assertEqual({'compute 2.35'},
                         {each[2] for each in self.fake.requests})

    def test_nova_fails(self):
        self.there['down'] = True
        self.assertRaises(exception.ServiceAwayError,
                          self._cloud().keys_of, 'ann')

    def test_no_credentials(self):
        self.assertRaises(exception.ConfigurationError, self._cloud,
                          auth_type='')
        self.assertRaises(exception.ServiceAwayError,
                          self._cloud(password='other').consoles)

    def test_nobody_is_there(self):
        self.assertRaises(exception.ServiceAwayError,
                          self._cloud(auth_url='http://127.0.0.1:1').consoles)

    def test_no_answer_within_the_limit(self):
        self.assertRaises(exception.ServiceAwayError,
                          self._cloud(limit_s=0.0).consoles)

    def test_keystone_takes_connections_and_does_not_answer(self):
        """The process would have the others' lock for ever."""
        with socket.create_server(('127.0.0.1', 0)) as silent:
            where = 'http://{}:{}/v3'.format(*silent.getsockname())
            begun = time.monotonic()
            self.assertRaises(
                exception.ServiceAwayError,
                self._cloud(limit_s=0.5, auth_url=where).consoles)
            self.assertLess(time.monotonic() - begun, 5)

    def test_answers_that_are_none(self):
        for wrong in ({}, {'servers': 5}, {'servers': [None]},
                      {'servers': [{}]}, [], None):
            self.fake._list = lambda *arguments, told=wrong: told
            self.assertRaises(exception.ServiceAwayError, dict,
                              self._cloud().changed(None))

    def test_an_option_is_missing(self):
        self.assertRaises(exception.ConfigurationError, self._cloud,
                          management_network='')
        self.assertRaises(exception.ConfigurationError, self._cloud,
                          cache_seconds='no')
