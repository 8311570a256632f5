# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.rpc import destination
from tests.unit.virt import fakes
from tests.unit.virt.rpc import rpc_case


class DestinationTest(rpc_case.DestinationCase):

    def test_every_call_arrives(self):
        for method in rpc_case.ARGUMENTS:
            self._call(method)
        self.assertEqual([
            (method, *arguments.values())
            for method, arguments in rpc_case.ARGUMENTS.items()],
            self.destination.calls)

    def test_arguments_of_other_types_are_refused(self):
        server = destination.DestinationServer(self.destination)
        for method, arguments in rpc_case.ARGUMENTS.items():
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
                **{**rpc_case.ARGUMENTS[method], 'instance_uuid': '../../etc'})
            for number in ('a\nb', '\x1b[2J', '\ud800', 'm' * 9000):
                self.assertRaises(
                    messaging.ExpectedException, getattr(server, method),
                    None, **{**rpc_case.ARGUMENTS[method],
                             'migration_id': number})
        self.assertEqual([], self.destination.calls)

    def test_the_instance_runs_over_there(self):
        for runs in (False, True):
            self.destination.runs = runs
            self.assertIs(runs, self.api.abort(
                self.context, 'c2', **rpc_case.ARGUMENTS['abort']))

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
                self.context, 'c2', **rpc_case.ARGUMENTS['prepare']))

    def test_how_domain_r_is_to_arrive(self):
        def ask():
            return self.api.arrival(
                self.context, 'c2', **rpc_case.ARGUMENTS['arrival'])
        self.destination.said = arrival.Arrival('0-3', True)
        self.assertEqual(self.destination.said, ask())
        with mock.patch.object(arrival, 'to_wire', autospec=True,
                               return_value={'cpus': 'all of them'}):
            error = self.assertRaises(exception.PairError, ask)
        self.assertIn('c2', str(error))

    def test_a_destination_that_sends_nothing_back(self):
        later = ('send_back', 'arrival')
        with mock.patch.object(destination.DestinationServer, 'target',
                               messaging.Target(version='2.0')):
            for method in rpc_case.ARGUMENTS:
                if method not in later:
                    self._call(method)
            for method in later:
                self.assertRaises(exception.PairError, self._call, method)

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
            server = destination.DestinationServer(self.destination)
            for value in values:
                # What is expected is told, without a stack in the log.
                error = self.assertRaises(
                    messaging.ExpectedException, getattr(server, method),
                    self.context,
                    **{**rpc_case.ARGUMENTS[method], name: value})
                self.assertIsInstance(error.exc_info[1], exception.PairError)
                self.assertIn(name, str(error.exc_info[1]))
                self.assertLess(len(str(error.exc_info[1])), 300)
        self.assertEqual([], self.destination.calls)
