# SPDX-License-Identifier: Apache-2.0

import json
import threading
from unittest import mock

import fixtures
from nova import context
from nova import rpc
import oslo_messaging as messaging
from oslo_messaging import conffixture
from oslo_messaging.notify import _impl_test as test_notifier

from nova_dmore.virt.care import reporter
from nova_dmore import wire
from tests.unit.virt import fakes


class ReporterTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'nova.rpc.NOTIFICATION_TRANSPORT', mock.sentinel.transport))
        self.notifier = self.useFixture(fixtures.MockPatchObject(
            messaging, 'Notifier', autospec=True)).mock
        self.context = context.get_admin_context()
        self.reporter = reporter.Reporter('c1')
        self.log = self.useFixture(fixtures.FakeLogger())

    def _notified(self):
        self.reporter.flush(5)
        self.notifier.assert_called_once_with(
            rpc.NOTIFICATION_TRANSPORT, publisher_id='nova-dmore.c1')
        (call,) = self.notifier.return_value.warn.call_args_list
        return call.args[1:]

    def test_gap(self):
        what = {'stream': 'serial0_out', 'kind': 'exact', 'bytes': 5,
                'at': 100, 'reason': 'too slow'}
        self.reporter.gap(self.context, fakes.UUID, **what)
        self.assertEqual(
            ('dmore.console.gap', {'instance_uuid': fakes.UUID, **what}),
            self._notified())
        self.assertIn('5 bytes: too slow', self.log.output)

    def test_a_reason_cannot_write_the_log(self):
        self.reporter.gap(
            self.context, fakes.UUID, stream='serial0_in', kind='exact',
            bytes=5, at=1, reason='a\n2026 ERROR b\x1b]0;c\x07\u202e' +
            'd' * 9999)
        _, payload = self._notified()
        self.assertTrue(payload['reason'].startswith(
            r'a\n2026 ERROR b\x1b]0;c\x07\u202eddd'))
        self.assertLess(len(payload['reason']), 600)
        self.assertEqual(1, self.log.output.count('\n'))
        self.assertNotIn('\x1b', self.log.output)

    def test_stock(self):
        self.reporter.stock(self.context, fakes.UUID, 'no plug-in')
        self.assertEqual(
            ('dmore.console.stock', {'instance_uuid': fakes.UUID,
                                     'reason': 'no plug-in'}),
            self._notified())
        self.assertIn('no plug-in', self.log.output)

    def test_many_gaps_are_one_line_for_each_stream(self):
        gaps = [mock.Mock(stream='serial0_out', bytes=2)] * 300
        self.reporter.more_gaps(self.context, fakes.UUID, gaps)
        _, payload = self._notified()
        self.assertEqual(('serial0_out', 'unknown', 600), (
            payload['stream'], payload['kind'], payload['bytes']))
        self.assertIn('300 gaps more', payload['reason'])

    def test_rebuilt(self):
        self.reporter.rebuilt(self.context, fakes.UUID, 'Domain R had ended')
        self.assertEqual(
            ('dmore.console.rebuilt', {
                'instance_uuid': fakes.UUID,
                'reason': 'Domain R had ended'}), self._notified())
        self.assertIn(fakes.UUID, self.log.output)

    def test_it_cannot_be_sent(self):
        for error in (messaging.MessageDeliveryFailure('no bus'),
                      AttributeError('no bus')):
            self.notifier.return_value.warn.side_effect = error
            self.reporter.rebuilt(self.context, fakes.UUID, 'x')
            self.reporter.flush(5)
            self.assertIn('no bus', self.log.output)
        self.notifier.side_effect = TypeError('no transport')
        self.reporter.gap(self.context, fakes.UUID, stream='serial0_out',
                          kind='unknown', bytes=None, at=None, reason='x')
        self.reporter.flush(5)
        self.assertIn('no transport', self.log.output)

    def test_nobody_waits_for_the_broker(self):
        is_back = threading.Event()
        self.addCleanup(is_back.set)
        self.notifier.return_value.warn.side_effect = (
            lambda *args: is_back.wait(10))
        with mock.patch.object(reporter, '_UNSENT_MAX', 2):
            away = reporter.Reporter('c1')
        for number in range(5):
            away.rebuilt(self.context, fakes.UUID, f'reason {number}')
        away.flush(0.02)
        for number in range(5):
            self.assertIn(f'reason {number}', self.log.output)
        self.assertIn('wait for the broker', self.log.output)
        is_back.set()
        away.flush(5)
        self.assertLessEqual(
            2, self.notifier.return_value.warn.call_count)


class NotificationTest(fakes.TestCase):
    """With Nova's transport and oslo.messaging's own driver."""

    def test_as_nova_sends_its_own(self):
        self.useFixture(conffixture.ConfFixture(
            self.conf, transport_url='fake:/'))
        self.config.config(group='oslo_messaging_notifications',
                           driver=['test'], topics=['consoles'])
        rpc.init(self.conf)
        self.addCleanup(rpc.cleanup)
        self.addCleanup(test_notifier.reset)
        one = reporter.Reporter('c1')
        one.gap(context.get_admin_context(), fakes.UUID,
                stream='serial0_out', kind=wire.GapKind.EXACT, bytes=5,
                at=100, reason='too slow')
        one.flush(5)
        ((_context, message, priority, _retry),) = (
            test_notifier.NOTIFICATIONS)
        self.assertEqual('WARN', priority)
        self.assertEqual('nova-dmore.c1', message['publisher_id'])
        self.assertEqual('dmore.console.gap', message['event_type'])
        # What doc/source/configuration tells.
        self.assertEqual(
            {'instance_uuid': fakes.UUID, 'stream': 'serial0_out',
             'kind': 'exact', 'bytes': 5, 'at': 100, 'reason': 'too slow'},
            json.loads(json.dumps(message['payload'])))
