# SPDX-License-Identifier: Apache-2.0

import logging
import threading
from unittest import mock

import fixtures
from nova import context
from nova import exception as nova_exception
from nova import rpc as nova_rpc
import oslo_messaging as messaging
from oslo_messaging import conffixture

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrival
from nova_dmore.virt import operator_rpc
from nova_dmore.virt import rpc
from tests.unit.virt import fakes

ARGUMENTS = {
    'prepare': {'migration_id': 'm1', 'record': '{}'},
    'arrival': {'migration_id': 'm1', 'instance_uuid': fakes.UUID},
    'carry_over': {'migration_id': 'm1', 'instance_uuid': fakes.UUID,
                   'carry_over': {'epoch': 7, 'unstored': {
                       'control_to_domain_r': {'base': 3, 'data': 'CiAK'}}}},
    'finish': {'migration_id': 'm1', 'record': '{}', 'domain_r_moved': True,
               'console_log': None},
    'abort': {'migration_id': 'm1', 'instance_uuid': fakes.UUID},
    'send_back': {'migration_id': 'm1', 'instance_uuid': fakes.UUID,
                  'uri': 'qemu+tcp://c1/system', 'migrate_uri': None,
                  'flags': 33, 'within_s': 5.0},
}


class Destination:
    """Notes the calls, as the role's methods are called."""

    def __init__(self):
        self.calls = []
        self.said = arrival.Arrival()
        self.error = None
        self.runs = False
        self.layout = 2

    def prepare(self, context, migration_id, record_text):
        self._note('prepare', migration_id, record_text)
        return self.layout

    def arrival(self, migration_id, instance_uuid):
        self._note('arrival', migration_id, instance_uuid)
        return self.said

    def carry_over(self, migration_id, instance_uuid, carry_over):
        self._note('carry_over', migration_id, instance_uuid, carry_over)

    def finish(self, context, migration_id, record_text, domain_r_moved,
               console_log):
        self._note('finish', migration_id, record_text, domain_r_moved,
                   console_log)

    def abort(self, migration_id, instance_uuid):
        self._note('abort', migration_id, instance_uuid)
        return self.runs

    def send_back(self, migration_id, instance_uuid, uri, migrate_uri, flags,
                  within_s):
        self._note('send_back', migration_id, instance_uuid, uri, migrate_uri,
                   flags, within_s)

    def _note(self, *call):
        if self.error is not None:
            raise self.error
        self.calls.append(call)


class RpcTest(fakes.TestCase):
    """Both ends, over oslo.messaging's transport in memory."""

    def setUp(self):
        super().setUp()
        # Not Nova's own fixture: whatever imports nova.tests is patched by
        # eventlet.
        self.useFixture(conffixture.ConfFixture(
            self.conf, transport_url='fake:/'))
        nova_rpc.init(self.conf)
        self.addCleanup(nova_rpc.cleanup)
        self.destination = Destination()
        self.source = mock.Mock()
        self.server = rpc.start_server(
            'c2', self.destination, self.source,
            operator_rpc.OperatorServer(mock.Mock()))
        self.addCleanup(self._stop)
        self.api = rpc.DestinationAPI(5)
        self.context = context.get_admin_context()

    def _stop(self):
        self.server.stop()
        self.server.wait()

    def _call(self, method, host='c2'):
        getattr(self.api, method)(self.context, host, **ARGUMENTS[method])

    def test_every_call_arrives(self):
        for method in ARGUMENTS:
            self._call(method)
        self.assertEqual([
            (method, *arguments.values())
            for method, arguments in ARGUMENTS.items()],
            self.destination.calls)

    def _leave(self, **changes):
        rpc.SourceAPI.leave(self.context, 'c2', **{
            'instance_uuid': fakes.UUID, 'host': 'c1', 'address': None,
            **changes})

    def test_domain_r_may_leave(self):
        told = threading.Event()
        self.source.leave.side_effect = lambda *args: told.set()
        self._leave(address='fd00::1')
        self.assertTrue(told.wait(5))
        (_context, *arguments), _ = self.source.leave.call_args
        self.assertEqual([fakes.UUID, 'c1', 'fd00::1'], arguments)

    def test_the_source_cannot_be_told(self):
        with mock.patch('oslo_messaging._drivers.impl_fake.FakeDriver.send',
                        side_effect=messaging.MessageDeliveryFailure('no')):
            self.assertRaises(exception.PairError, self._leave)

    def test_where_it_would_not_leave_for(self):
        server = rpc.SourceServer(self.source)
        good = {'instance_uuid': fakes.UUID, 'host': 'c1', 'address': None}
        for name, values in {
                'instance_uuid': ('../x', None, 7),
                'host': (None, '', 'c1/system?command=sh', '-x', 'a b', 7),
                'address': ('', 'c1\n', '10.0.0.1:16514/x', ['c1'])}.items():
            for value in values:
                error = self.assertRaises(
                    messaging.ExpectedException, server.leave, None,
                    **{**good, name: value}).exc_info[1]
                self.assertIn(name, str(error))
        self.source.leave.assert_not_called()

    def test_arguments_of_other_types_are_refused(self):
        server = rpc.DestinationServer(self.destination)
        for method, arguments in ARGUMENTS.items():
            for name in arguments:
                for value in ([], {'x': '\x1b' * 9000} if name != 'carry_over'
                              else 7, b'x'):
                    error = self.assertRaises(
                        messaging.ExpectedException, getattr(server, method),
                        None, **{**arguments, name: value}).exc_info[1]
                    self.assertIsInstance(error, exception.PairError)
                    self.assertIn(name, str(error))
                    self.assertLess(len(str(error)), 300)
                    self.assertTrue(str(error).isprintable())
        for method in ('carry_over', 'abort', 'send_back'):
            self.assertRaises(
                messaging.ExpectedException, getattr(server, method), None,
                **{**ARGUMENTS[method], 'instance_uuid': '../../etc'})
            for number in ('a\nb', '\x1b[2J', '\ud800', 'm' * 9000):
                self.assertRaises(
                    messaging.ExpectedException, getattr(server, method),
                    None, **{**ARGUMENTS[method], 'migration_id': number})
        self.assertEqual([], self.destination.calls)

    def test_the_instance_runs_over_there(self):
        for runs in (False, True):
            self.destination.runs = runs
            self.assertIs(runs, self.api.abort(
                self.context, 'c2', **ARGUMENTS['abort']))

    def test_what_a_destination_knows(self):
        # One before version 2.1 says nothing, that says True.
        for said, layout in ((2, places.Layout.DOMAIN_DIRECTORIES),
                             (True, places.Layout.FIFOS), (3, 3),
                             (None, places.Layout.SOCKETS),
                             (-1, places.Layout.STOCK),
                             (-2, places.Layout.STOCK),
                             ('2', places.Layout.SOCKETS)):
            self.destination.layout = said
            self.assertEqual(layout, self.api.prepare(
                self.context, 'c2', **ARGUMENTS['prepare']))

    def test_how_domain_r_is_to_arrive(self):
        def ask():
            return self.api.arrival(
                self.context, 'c2', **ARGUMENTS['arrival'])
        self.destination.said = arrival.Arrival('0-3', True)
        self.assertEqual(self.destination.said, ask())
        with mock.patch.object(arrival, 'to_wire', autospec=True,
                               return_value={'cpus': 'all of them'}):
            error = self.assertRaises(exception.PairError, ask)
        self.assertIn('c2', str(error))

    def test_a_destination_that_sends_nothing_back(self):
        later = ('send_back', 'arrival')
        with mock.patch.object(rpc.DestinationServer, 'target',
                               messaging.Target(version='2.0')):
            for method in ARGUMENTS:
                if method not in later:
                    self._call(method)
            for method in later:
                self.assertRaises(exception.PairError, self._call, method)

    def test_an_error_over_there(self):
        # What a transport makes of an error of the other side: the one in
        # memory hands over the error itself.
        self.destination.error = messaging.RemoteError(
            'ImageError', '[dmore] image: gone')
        for method in ARGUMENTS:
            error = self.assertRaises(exception.PairError, self._call, method)
            self.assertIs(exception.PairError, type(error))
            self.assertIn('c2', str(error))
            self.assertIn(method, str(error))
            self.assertIn('[dmore] image: gone', str(error))

    def test_an_error_of_ours_over_there(self):
        log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.destination.error = exception.ImageError('[dmore] image: gone')
        for method in ARGUMENTS:
            self.assertRaises(exception.DMoreError, self._call, method)
        # Not for every full disk.
        self.assertNotIn('Traceback', log.output)
        self.destination.error = ZeroDivisionError()
        self.assertRaises(exception.PairError, self._call, 'abort')
        self.assertIn('Traceback', log.output)

    def test_an_error_whose_class_is_known_here(self):
        # A transport raises those of Python and of Nova as they are, with the
        # stack of the other side in their text.
        for error in (KeyError('m1'), OSError('no\x1b[2J\nTraceback:\n'),
                      nova_exception.InstanceNotFound(instance_id='m1')):
            self.destination.error = error
            raised = self.assertRaises(exception.PairError, self._call,
                                       'prepare')
            self.assertIn(f'c2 did not prepare: {type(error).__name__}: ',
                          str(raised))
            self.assertTrue(str(raised).isprintable())
            self.assertNotIn('Traceback', str(raised))

    def test_what_an_error_over_there_says_is_escaped(self):
        self.destination.error = messaging.RemoteError(
            '\x1b[2J' * 999, 'gone\n' * 999)
        error = self.assertRaises(exception.PairError, self._call, 'abort')
        self.assertIn('gone\\n', str(error))
        self.assertTrue(str(error).isprintable())
        self.assertLess(len(str(error)), 800)

    def test_nobody_there(self):
        self.api = rpc.DestinationAPI(1)
        for method in ('prepare', 'abort'):
            self.assertRaises(exception.NoAnswerError, self._call, method,
                              'c3')

    def test_a_host_without_the_plug_in(self):
        # The transport in memory has a queue for everybody.
        def send(driver, target, *args, transport_options=None, **kwargs):
            asked.append((target.server, transport_options.at_least_once,
                          kwargs['call_monitor_timeout'] < 30))
            raise messaging.MessageUndeliverable('no route', '', '', None)
        asked = []
        with mock.patch('oslo_messaging._drivers.impl_fake.FakeDriver.send',
                        send):
            error = self.assertRaises(
                exception.NobodyThereError, self._call, 'prepare', 'c3')
        self.assertIn('c3', str(error))
        self.assertEqual([('c3', True, True)], asked)

    def test_who_ended_meanwhile_is_not_waited_for(self):
        # The instance waits until its source knows how Domain R is to arrive.
        def send(driver, *args, **kwargs):
            monitored.append(kwargs['call_monitor_timeout'])
            raise messaging.MessagingTimeout
        monitored = []
        with mock.patch('oslo_messaging._drivers.impl_fake.FakeDriver.send',
                        send):
            self.assertRaises(
                exception.NoAnswerError, self._call, 'arrival', 'c3')
        self.assertEqual([rpc.SIGN_OF_LIFE_S], monitored)

    def test_another_version_is_refused(self):
        client = nova_rpc.get_client(messaging.Target(
            topic=rpc.TOPIC, version='1.0')).prepare(server='c2', timeout=5)
        self.assertRaises(messaging.MessagingException, client.call,
                          self.context, 'abort', **ARGUMENTS['abort'])
        self.assertEqual([], self.destination.calls)

    def test_what_no_source_would_send(self):
        uuids = ['../../x', '', None, 7, fakes.UUID.upper(),
                 fakes.UUID + '\n', [fakes.UUID]]
        names = ['', '../x', 'a b', 'a\nb', None, 7, ['m1'], 'm' * 65]
        texts = [None, 7, ['{}'], {}]
        for method, name, values in (
                ('prepare', 'migration_id', names),
                ('prepare', 'record', [*texts, ' ' * (1 << 18)]),
                ('arrival', 'migration_id', names),
                ('arrival', 'instance_uuid', uuids),
                ('carry_over', 'migration_id', names),
                ('carry_over', 'instance_uuid', uuids),
                ('carry_over', 'carry_over', [None, 7, '{}', [{}]]),
                ('finish', 'migration_id', names),
                ('finish', 'record', texts),
                ('finish', 'domain_r_moved', [None, 0, 1, 'True']),
                ('finish', 'console_log', [7, ['x'], 'x' * (1 << 19)]),
                ('abort', 'migration_id', names),
                ('abort', 'instance_uuid', uuids),
                ('send_back', 'migration_id', names),
                ('send_back', 'instance_uuid', uuids),
                ('send_back', 'uri', [*texts, 'x' * 2000]),
                ('send_back', 'migrate_uri', [7, {}, 'x' * 2000]),
                ('send_back', 'flags', [None, '33', True, 1.0, -1, 1 << 64]),
                ('send_back', 'within_s', [
                    None, '5', True, -1, 1e9, float('inf'), float('nan')])):
            server = rpc.DestinationServer(self.destination)
            for value in values:
                # What is expected is told, without a stack in the log.
                error = self.assertRaises(
                    messaging.ExpectedException, getattr(server, method),
                    self.context, **{**ARGUMENTS[method], name: value})
                self.assertIsInstance(error.exc_info[1], exception.PairError)
                self.assertIn(name, str(error.exc_info[1]))
                self.assertLess(len(str(error.exc_info[1])), 300)
        self.assertEqual([], self.destination.calls)
