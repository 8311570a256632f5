# SPDX-License-Identifier: Apache-2.0

import socket
import threading
from unittest import mock

import fixtures
from nova.objects import base as objects_base
from nova import rpc as nova_rpc
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt import limited
from nova_dmore.virt.rpc import operator as operator_rpc
from tests.unit.virt import fakes
from tests.unit.virt.rpc import rpc_case

ROW = {'instance_uuid': fakes.UUID, 'state': 'waits', 'when': 'idle',
       'image': 'a' * 64, 'newest': 'b' * 64, 'error': None}


class OperatorTest(rpc_case.RpcCase):

    def setUp(self):
        super().setUp()
        # What "connect" sets.
        self.useFixture(fixtures.MockPatchObject(
            objects_base.NovaObject, 'indirection_api', None))
        self.api = operator_rpc.OperatorAPI()

    def test_every_call_arrives(self):
        self.operator.describe.return_value = {'run_dir': '/run/x'}
        self.assertEqual({'run_dir': '/run/x'},
                         self.api.describe(self.context, 'c2'))
        self.operator.pairs_among.return_value = [fakes.UUID]
        self.assertEqual([fakes.UUID], self.api.pairs_among(
            self.context, 'c2', [fakes.UUID]))
        self.operator.rebuild.return_value = None
        self.api.rebuild(self.context, 'c2', fakes.UUID)
        self.operator.rebuild.assert_called_once_with(fakes.UUID)
        self.operator.renew.return_value = [ROW]
        self.operator.renewals.return_value = [ROW]
        self.assertEqual([ROW], self.api.renewals(self.context, 'c2'))
        for uuids, when in ((None, 'idle'), ([fakes.UUID], None)):
            self.assertEqual([ROW], self.api.renew(
                self.context, 'c2', uuids, when))
            self.operator.renew.assert_called_with(uuids, when)

    def test_what_nobody_would_send(self):
        server = operator_rpc.OperatorServer(self.operator)
        for method, good, name, values in (
                ('rebuild', {}, 'instance_uuid', ('../x', None, 7)),
                ('pairs_among', {}, 'instance_uuids', (
                    None, fakes.UUID, ['../x'], [fakes.UUID] * 1001)),
                ('renew', {'when': 'now'}, 'instance_uuids', (
                    7, ['x'], {})),
                ('renew', {'instance_uuids': None}, 'when', (
                    7, 'a b', '', ['now']))):
            for value in values:
                error = self.assertRaises(
                    messaging.ExpectedException, getattr(server, method),
                    None, **{**good, name: value}).exc_info[1]
                self.assertIsInstance(error, exception.PairError)
                self.assertIn(name, str(error))
            getattr(self.operator, method).assert_not_called()

    def test_an_error_over_there(self):
        self.operator.rebuild.side_effect = messaging.RemoteError(
            'PairError', 'no pair')
        error = self.assertRaises(exception.PairError, self.api.rebuild,
                                  self.context, 'c2', fakes.UUID)
        self.assertIn('c2', str(error))
        self.assertIn('no pair', str(error))

    def test_what_no_host_would_answer(self):
        self.operator.renewals.return_value = [
            {**ROW, 'error': 'bad', 'of a later release': [1]}]
        self.assertEqual([{**ROW, 'error': 'bad'}],
                         self.api.renewals(self.context, 'c2'))
        for answer in (None, 7, {}, 'x', [7], [[]], [{}], *(
                [{**ROW, name: value}] for name, value in (
                    ('instance_uuid', '../x'), ('state', '\x1b[2J'),
                    ('state', None), ('when', ['now']), ('image', 7),
                    ('newest', 'x'), ('error', 7), ('error', 'x' * 9999)))):
            self.operator.renew.return_value = answer
            self.operator.renewals.return_value = answer
            for call in (lambda: self.api.renewals(self.context, 'c2'),
                         lambda: self.api.renew(
                             self.context, 'c2', None, 'now')):
                error = self.assertRaises(exception.PairError, call)
                self.assertIn('c2', str(error))
                self.assertTrue(str(error).isprintable())

    def test_pairs_among_others(self):
        for answer, pairs in (
                ([fakes.UUID, 'x', 7, [], {}, None], [fakes.UUID]),
                ([], [])):
            self.operator.pairs_among.return_value = answer
            self.assertEqual(pairs, self.api.pairs_among(
                self.context, 'c2', [fakes.UUID]))
        for answer in (None, 7, {fakes.UUID: 1}, fakes.UUID):
            self.operator.pairs_among.return_value = answer
            self.assertRaises(exception.PairError, self.api.pairs_among,
                              self.context, 'c2', [fakes.UUID])

    def test_a_host_of_an_earlier_release(self):
        with mock.patch.object(operator_rpc.OperatorServer, 'target',
                               messaging.Target(version='2.2')):
            self.assertRaises(exception.PairError, self.api.describe,
                              self.context, 'c2')

    def _hosts(self, *names):
        self.useFixture(fixtures.MockPatchObject(
            operator_rpc, 'hosts_up', return_value=list(names)))

    def test_describe_all(self):
        self._hosts('c1', 'c2', 'c3', 'c4')
        answers = {'c2': {'run_dir': 'x'},
                   'c3': exception.NobodyThereError('stock'),
                   'c4': exception.NoAnswerError('away')}

        def describe(api, context, host):
            if isinstance(answers[host], Exception):
                raise answers[host]
            return answers[host]
        self.useFixture(fixtures.MockPatchObject(
            operator_rpc.OperatorAPI, 'describe', describe))
        self.assertEqual(
            {'c2': {'run_dir': 'x'}, 'c4': None},
            operator_rpc.describe_all(self.context, 'c1'))

    def test_a_broker_that_is_not_there(self):
        with socket.create_server(('127.0.0.1', 0)) as listening:
            there = listening.getsockname()
            operator_rpc._find_broker([('127.0.0.1', 1), there])
        error = self.assertRaises(
            exception.PairError, operator_rpc._find_broker,
            [('127.0.0.1', 1), there])
        self.assertIn('[DEFAULT] transport_url', str(error))
        error = self.assertRaises(
            exception.PairError, operator_rpc._find_broker, [('::1', 1)])
        self.assertIn('[::1]:1: ', str(error))
        operator_rpc._find_broker([])       # the transport in memory

    def test_a_broker_that_lets_nobody_in(self):
        goes_on = threading.Event()
        self.addCleanup(goes_on.set)
        self.useFixture(fixtures.MockPatch(
            'nova.baserpc.BaseAPI.ping', lambda *_, **__: goes_on.wait()))
        self.useFixture(fixtures.MockPatchObject(limited, 'BUS_S', 0.1))
        error = self.assertRaises(
            exception.PairError, operator_rpc.connect, self.conf)
        self.assertIn('[DEFAULT] transport_url', str(error))

    def test_a_conductor_that_is_away(self):
        self.useFixture(fixtures.MockPatchObject(
            operator_rpc, '_TIMEOUT_S', 0.1))
        operator_rpc.connect(self.conf)

    def test_the_exchange_of_nova(self):
        self.addCleanup(nova_rpc.set_defaults, self.conf.control_exchange)
        self.useFixture(fixtures.MockPatchObject(
            operator_rpc, '_TIMEOUT_S', 0.1))
        nova_rpc.set_defaults(control_exchange='openstack')
        operator_rpc.connect(self.conf)
        self.assertEqual('nova', self.conf.control_exchange)
        self.conf.set_override('control_exchange', 'own')
        operator_rpc.connect(self.conf)
        self.assertEqual('own', self.conf.control_exchange)

    def test_where_a_broker_is(self):
        for url, places in (
                ('rabbit://', [('localhost', 5672)]),
                ('rabbit://nova:word@/cell', [('localhost', 5672)]),
                ('rabbit://nova:word@c1:5671,nova:word@c2/cell',
                 [('c1', 5671), ('c2', 5672)]),
                ('rabbit://nova:word@[2001:db8::5]:5671/cell',
                 [('2001:db8::5', 5671)]),
                ('fake:/', [])):
            self.assertEqual(places, operator_rpc._brokers(
                messaging.TransportURL.parse(self.conf, url)))

    def test_many_instances(self):
        self.operator.pairs_among.side_effect = lambda uuids: uuids[:1]
        self.assertEqual([fakes.UUID] * 3, operator_rpc.pairs_among(
            self.context, 'c2', [fakes.UUID] * 2500))
