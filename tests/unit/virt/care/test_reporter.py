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
from oslo_versionedobjects import fixture

from nova_dmore.channel import session
from nova_dmore.metrics import figures
from nova_dmore.virt.care import notifications
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
        self.figures = figures.Figures(self.useFixture(
            fixtures.TempDir()).join('figures'))
        self.reporter = reporter.Reporter('c1', self.figures)
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

    def test_one_that_starts_as_stock(self):
        self.reporter.started_as_stock(self.context, fakes.UUID, 'no\nroom')
        self.assertEqual(
            ('dmore.console.stock', {'instance_uuid': fakes.UUID,
                                     'reason': r'no\nroom'}),
            self._notified())
        self.assertEqual({('stock_fallbacks', ()): 1}, self.figures.counts)

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
            away = reporter.Reporter('c1', self.figures)
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

    def test_what_is_counted(self):
        for kind, number in (('exact', 5), ('exact', 2), ('unknown', None)):
            self.reporter.gap(
                self.context, fakes.UUID, stream='serial0_out',
                kind=wire.GapKind(kind), bytes=number, at=1, reason='x')
        self.reporter.rebuilt(self.context, fakes.UUID, 'x')
        self.reporter.stock(self.context, fakes.UUID, 'x')
        for event in ('began', 'ended'):
            self.reporter.session(self.context, fakes.UUID, _event(event))
        for outcome, skew in (('moved', -3.0), ('rolled back', None)):
            self.reporter.migration(self.context, fakes.UUID, 'm', 'c2',
                                    outcome, skew)
        self.reporter.stop(None)
        self.reporter.stop(0.09)
        self.assertEqual({
            ('gaps', ('serial0_out', 'exact')): 2,
            ('gaps', ('serial0_out', 'unknown')): 1,
            ('gap_bytes', ('serial0_out', 'exact')): 7,
            ('gap_bytes', ('serial0_out', 'unknown')): 0,
            ('rebuilds', ()): 1, ('stock_fallbacks', ()): 1,
            ('sessions_begun', ('ssh',)): 1,
            ('migrations', ('moved',)): 1,
            ('migrations', ('rolled back',)): 1}, self.figures.counts)
        self.assertEqual(
            (0.09, 0.003),
            tuple(total for _, total in self.figures.histograms.values()))

    def test_a_session_is_logged_and_notified_to_who_wants_it(self):
        self.reporter.session(self.context, fakes.UUID, _event('began'))
        self.reporter.flush(5)
        self.assertIn('session 7 at the ssh server began: from 192.0.2.1 '
                      'port 4000, key SHA256:x', self.log.output)
        self.notifier.assert_not_called()

    def test_more_sessions(self):
        for event in ('began', 'ended'):
            self.reporter.more_sessions(fakes.UUID, [_event(event)] * 30)
            self.assertEqual(1, self.log.output.count(
                f'30 sessions more {event}'))
        self.assertEqual({('sessions_begun', ('ssh',)): 30},
                         self.figures.counts)


def _event(event, since=5.0):
    return wire.SessionEvent(1, event, 6.0, session.Session(
        'ssh', 7, since, '192.0.2.1', 4000, 'SHA256:x', False))


class NotificationTest(fakes.TestCase):
    """With Nova's transport and oslo.messaging's own driver."""

    def setUp(self):
        super().setUp()
        self.useFixture(conffixture.ConfFixture(
            self.conf, transport_url='fake:/'))
        self.config.config(group='oslo_messaging_notifications',
                           driver=['test'], topics=['consoles'])
        self.reporter = reporter.Reporter('c1', figures.Figures(
            self.useFixture(fixtures.TempDir()).join('figures')))
        self.context = context.get_admin_context()

    def _sent(self, notification_format):
        """-> what is sent of one event of each kind: (priority, message)."""
        self.config.config(group='notifications',
                           notification_format=notification_format)
        rpc.init(self.conf)
        self.addCleanup(rpc.cleanup)
        self.addCleanup(test_notifier.reset)
        one = self.reporter
        one.gap(self.context, fakes.UUID, stream='serial0_out',
                kind=wire.GapKind.EXACT, bytes=5, at=100, reason='too slow')
        one.rebuilt(self.context, fakes.UUID, 'Domain R had ended')
        one.stock(self.context, fakes.UUID, 'no plug-in')
        one.session(self.context, fakes.UUID, _event('began'))
        one.session(self.context, fakes.UUID, _event('ended', 1e300))
        one.migration(self.context, fakes.UUID, fakes.UUID, 'c2', 'moved',
                      1.5)
        one.flush(5)
        return [(priority, json.loads(json.dumps(message)))
                for _, message, priority, _ in test_notifier.NOTIFICATIONS]

    def test_as_nova_sends_its_own(self):
        sent = self._sent('unversioned')
        self.assertEqual(
            ['dmore.console.gap', 'dmore.console.rebuilt',
             'dmore.console.stock'],
            [message['event_type'] for _, message in sent])
        priority, message = sent[0]
        self.assertEqual('WARN', priority)
        self.assertEqual('nova-dmore.c1', message['publisher_id'])
        # What doc/source/admin/monitoring.rst tells.
        self.assertEqual(
            {'instance_uuid': fakes.UUID, 'stream': 'serial0_out',
             'kind': 'exact', 'bytes': 5, 'at': 100, 'reason': 'too slow'},
            message['payload'])

    def test_versioned(self):
        sent = self._sent('versioned')
        self.assertEqual(
            [('WARN', 'dmore.console.gap'), ('WARN', 'dmore.console.rebuilt'),
             ('WARN', 'dmore.console.stock'),
             ('INFO', 'dmore.console.session.start'),
             ('INFO', 'dmore.console.session.end'),
             ('INFO', 'dmore.console.migration')],
            [(priority, message['event_type'])
             for priority, message in sent])
        for _, message in sent:
            self.assertEqual('nova-dmore:c1', message['publisher_id'])
        payloads = [message['payload'] for _, message in sent]
        self.assertEqual(
            {'nova_object.name': 'ConsoleSessionPayload',
             'nova_object.namespace': 'nova_dmore',
             'nova_object.version': '1.0',
             'nova_object.data': {
                 'instance_uuid': fakes.UUID, 'server': 'ssh', 'session': 7,
                 'since': '1970-01-01T00:00:05Z', 'address': '192.0.2.1',
                 'port': 4000, 'key': 'SHA256:x', 'view_only': False}},
            payloads[3])
        # A Domain R may say what it likes.
        self.assertIsNone(payloads[4]['nova_object.data']['since'])
        self.assertEqual(
            {'instance_uuid': fakes.UUID, 'stream': 'serial0_out',
             'kind': 'exact', 'bytes': 5, 'at': 100, 'reason': 'too slow'},
            payloads[0]['nova_object.data'])
        self.assertEqual(
            {'instance_uuid': fakes.UUID, 'migration_id': fakes.UUID,
             'destination': 'c2', 'outcome': 'moved', 'skew_ms': 1.5},
            payloads[5]['nova_object.data'])

    def test_both(self):
        self.assertEqual(9, len(self._sent('both')))

    def test_payloads_do_not_change_unnoticed(self):
        """A field that is added raises a VERSION; see notifications.py."""
        checker = fixture.ObjectVersionChecker({
            name: [each] for name, each in vars(notifications).items()
            if name.startswith('Console')})
        self.assertEqual({
            'ConsoleEndPayload': '1.0-1b28f9413a71a7507ca9928aecff912d',
            'ConsoleGapPayload': '1.0-31ea47e8351ea60ef6cd5420b45296b5',
            'ConsoleMigrationPayload':
                '1.0-a23f81003ef9cfc64b36b4eccb39ae1d',
            'ConsoleSessionPayload': '1.0-96275518caef49def84785c25ffa50d8'},
            checker.get_hashes())
