# SPDX-License-Identifier: Apache-2.0

import json
import logging
import os
import socket
import threading

import fixtures
from oslo_config import cfg

from nova_dmore.virt.network import wired
from tests.unit.virt import fakes

PORT = 'f1e2d3c4-0000-4000-8000-000000000001'
#: As ovsdb-server writes them.
NO_TAG = {'tag': ['set', []]}
INSTALLED = {'external_ids': ['map', [
    ['iface-id', PORT], ['ovn-installed', 'true'],
    ['ovn-installed-ts', '1764500000000']]]}
PLUGGED = {'external_ids': ['map', [['iface-id', PORT]]]}


def answer(tap=(), bridge=(), interface=()):
    return {'id': PORT, 'error': None, 'result': [
        {'rows': list(rows)} for rows in (tap, bridge, interface)]}


class ShownTest(fakes.TestCase):

    def test_question(self):
        asked = wired.question(PORT)
        self.assertEqual('transact', asked['method'])
        database, *operations = asked['params']
        self.assertEqual('Open_vSwitch', database)
        # Names of taps have no room for more (IFNAMSIZ).
        self.assertEqual(
            [[['name', '==', 'tapf1e2d3c4-00']],
             [['name', '==', 'qvof1e2d3c4-00']],
             [['external_ids', 'includes', ['map', [['iface-id', PORT]]]]]],
            [each['where'] for each in operations])
        self.assertEqual({'select'}, {each['op'] for each in operations})

    def test_wired(self):
        for rows in ({'tap': [{'tag': 3}], 'interface': [PLUGGED]},
                     {'bridge': [{'tag': 1}], 'interface': [PLUGGED]},
                     {'tap': [NO_TAG], 'interface': [INSTALLED]}):
            self.assertTrue(wired.shows(answer(**rows)))

    def test_not_wired(self):
        for rows in ({}, {'tap': [NO_TAG], 'interface': [PLUGGED]},
                     {'tap': [{'tag': 4095}], 'interface': [PLUGGED]},
                     {'tap': [{'tag': True}]},
                     {'interface': [{'external_ids': ['map', [
                         ['ovn-installed', 'false']]]}]},
                     {'interface': [{'external_ids': ['set', []]}]}):
            self.assertFalse(wired.shows(answer(**rows)))

    def test_the_database_refuses(self):
        # One that does not know the table, and one that is none.
        self.assertFalse(wired.shows({'id': PORT, 'error': None, 'result': [
            {'error': 'unknown table'}, None]}))
        for said in ({'id': PORT, 'error': 'syntax', 'result': None}, [], 7):
            self.assertRaises(ValueError, wired.shows, said)


class DatabaseTest(fakes.TestCase):
    """A server of its own, that answers once."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.asked = None
        self.useFixture(fixtures.MockPatchObject(wired, '_TIMEOUT_S', 10.0))

    def _serve(self, listener, *parts):
        listener.listen()

        def run():
            with listener, listener.accept()[0] as connection:
                connection.settimeout(10)
                received = b''
                while self.asked is None:
                    received += connection.recv(100)
                    try:
                        self.asked = json.loads(received)
                    except ValueError:
                        continue
                for part in parts:
                    connection.sendall(part)

        server = threading.Thread(target=run, daemon=True)
        server.start()
        self.addCleanup(server.join, 20)

    def _tcp(self, *parts):
        listener = socket.socket()
        listener.bind(('127.0.0.1', 0))
        self._serve(listener, *parts)
        return 'tcp:127.0.0.1:%d' % listener.getsockname()[1]

    def test_tcp(self):
        said = json.dumps(answer(tap=[{'tag': 3}])).encode()
        self.assertTrue(wired.is_wired(self._tcp(said[:20], said[20:]), PORT))
        self.assertEqual(wired.question(PORT), self.asked)

    def test_unix(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'db')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        self._serve(listener, json.dumps(answer(
            interface=[INSTALLED])).encode())
        self.assertTrue(wired.is_wired('unix:' + path, PORT))

    def test_what_it_does_not_say(self):
        for parts, why in (((b'{"result": [', b'{'), 'hangs up'),
                           ((), 'hangs up'), ((b'[]',), '[]')):
            self.asked = None
            self.assertFalse(wired.is_wired(self._tcp(*parts), PORT))
            self.assertIn(why, self.log.output)

    def test_an_answer_without_end(self):
        self.useFixture(fixtures.MockPatchObject(wired, '_ANSWER_MAX', 100))
        self.assertFalse(wired.is_wired(self._tcp(b'[' * 200), PORT))
        self.assertIn('no end', self.log.output)

    def test_it_is_not_there(self):
        listener = socket.socket()
        listener.bind(('127.0.0.1', 0))
        address = 'tcp:127.0.0.1:%d' % listener.getsockname()[1]
        listener.close()
        for database in (address, 'unix:/nonexistent/db.sock',
                         'ssl:127.0.0.1:6640', 'tcp:127.0.0.1', ''):
            self.assertFalse(wired.is_wired(database, PORT))
            self.assertIn(f'{database} does not say', self.log.output)

    def test_where_it_is(self):
        conf = cfg.ConfigOpts()
        self.assertIsNone(wired.database_of(conf))
        self.assertFalse(wired.is_wired(None, PORT))
        conf.register_opts([cfg.StrOpt('ovsdb_connection', default='tcp:x:1')],
                           group='os_vif_ovs')
        self.assertEqual('tcp:x:1', wired.database_of(conf))
