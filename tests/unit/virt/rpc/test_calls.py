# SPDX-License-Identifier: Apache-2.0
"""What may become of any call, shown at those to a destination."""

import logging
from unittest import mock

import fixtures
from nova import exception as nova_exception
from nova import rpc as nova_rpc
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.rpc import calls
from nova_dmore.virt.rpc import destination
from tests.unit.virt.rpc import rpc_case


class CallsTest(rpc_case.DestinationCase):

    def test_an_error_over_there(self):
        # What a transport makes of an error of the other side: the one in
        # memory hands over the error itself.
        self.destination.error = messaging.RemoteError(
            'ImageError', '[dmore] image: gone')
        for method in rpc_case.ARGUMENTS:
            error = self.assertRaises(exception.PairError, self._call, method)
            self.assertIs(exception.PairError, type(error))
            self.assertIn('c2', str(error))
            self.assertIn(method, str(error))
            self.assertIn('[dmore] image: gone', str(error))

    def test_an_error_of_ours_over_there(self):
        log = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.destination.error = exception.ImageError('[dmore] image: gone')
        for method in rpc_case.ARGUMENTS:
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
        self.api = destination.DestinationAPI(1)
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
        self.assertEqual([calls.SIGN_OF_LIFE_S], monitored)

    def test_another_version_is_refused(self):
        client = nova_rpc.get_client(messaging.Target(
            topic=calls.TOPIC, version='1.0')).prepare(server='c2', timeout=5)
        self.assertRaises(messaging.MessagingException, client.call,
                          self.context, 'abort', **rpc_case.ARGUMENTS['abort'])
        self.assertEqual([], self.destination.calls)
