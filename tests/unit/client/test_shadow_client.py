# SPDX-License-Identifier: Apache-2.0
"""What nova-compute makes of the answers of workers, of this release or not.
"""

import json
import socket
import threading
from unittest import mock

from oslotest import base

from nova_dmore.channel import carry_over
from nova_dmore.client import answers
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore import wire

_VM = {'connected': True, 'status': 'running', 'attached': True}
_STATUS = {
    'state': 'live', 'epoch': 3, 'migration_id': None, 'instance': _VM,
    'domain_r': _VM, 'streams': {}, 'serving': None, 'devices': {},
    'gaps': [], 'worker_starts': 1, 'pid': 5, 'worker_pid': 6}
_SESSION = {'server': 'ssh', 'number': 1, 'since': 5.0, 'port': 22,
            'address': '192.0.2.1', 'who': None, 'view_only': False}
_GAP = {'number': 1, 'stream': 'serial0_out', 'at': 5, 'bytes': 2,
        'kind': 'exact', 'reason': 'x', 'migration_id': None, 'time': 6.0}
_EVENT = {'number': 1, 'event': 'began', 'time': 6.0, 'session': _SESSION}


class ShadowClientTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.asked = []
        self.status = dict(_STATUS)
        self.results = {'status': self.status}
        self.client = shadow_client.ShadowClient(
            mock.Mock(open=self._open), 'uuid', 5.0)
        self.addCleanup(self.client.close)

    def _open(self, *_):
        ours, theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, args=(theirs,))
        self._thread.start()
        return ours

    def _serve(self, sock):
        with sock, sock.makefile('rb') as lines:
            for line in lines:
                request = json.loads(line)
                self.asked.append((request['method'], request['params']))
                if request['method'] == 'gaps':
                    continue    # there are none
                sock.sendall(json.dumps({
                    'id': request['id'],
                    'result': self.results.get(request['method'], {})
                }).encode() + b'\n')

    def _assert_refused(self, wrong):
        self.results['status'] = {**_STATUS, **wrong}
        self.assertRaises(exception.ShadowAnswerError, self.client.status)

    def _waits(self):
        request = self.client.wait_for_gaps()
        request.close()
        self._thread.join(5)    # it has read all of it
        return self.asked[-1]

    def test_a_worker_that_knows_no_sessions(self):
        found = self.client.status()
        self.assertIsNone(found.sessions)
        self.assertEqual(((), 0), (found.session_events,
                                   found.session_events_untold))
        self.client.close()
        method, params = self._waits()
        self.assertEqual(('gaps', {'timeout_ms'}), (method, set(params)))

    def test_one_that_does(self):
        self.status.update(sessions=[_SESSION], session_events=[_EVENT],
                           session_events_untold=2)
        found = self.client.status()
        self.assertEqual(('192.0.2.1', 'began', 2), (
            found.sessions[0].address, found.session_events[0].event,
            found.session_events_untold))
        self.client.close()
        self.assertEqual(True, self._waits()[1]['sessions'])

    def test_one_that_lies(self):
        for wrong in ({'sessions': [{**_SESSION, 'port': 'x'}]},
                      {'sessions': 5}, {'sessions': [None]},
                      {'sessions': [], 'session_events': [
                          {**_EVENT, 'event': '\x1b'}]},
                      {'sessions': [], 'session_events': [
                          {**_EVENT, 'number': None}]},
                      {'sessions': [], 'session_events': [
                          {**_EVENT, 'time': 'x'}]},
                      {'sessions': [], 'session_events': [
                          {**_EVENT, 'session': []}]}):
            self._assert_refused(wrong)

    def test_numbers_that_are_none(self):
        for number in (float('inf'), float('nan'), 10 ** 400, 1 << 63, -1,
                       True, '5', []):
            for name in ('number', 'at', 'bytes', 'time'):
                gap = {**_GAP, name: number}
                self._assert_refused({'gaps': [gap]})
                self._assert_refused({'recording': {'start': 0,
                                                    'gaps': [gap]}})
            self._assert_refused({'recording': {'start': number,
                                                'gaps': []}})
            for name in ('number', 'time'):
                self._assert_refused(
                    {'session_events': [{**_EVENT, name: number}]})
            for name in ('epoch', 'pid', 'worker_pid', 'worker_starts',
                         'session_events_untold'):
                self._assert_refused({name: number})

    def test_what_is_of_another_kind(self):
        deep = []
        for _ in range(900):
            deep = [deep]
        for name in ('state', 'migration_id', 'instance', 'domain_r',
                     'streams', 'serving', 'devices', 'gaps',
                     'session_events', 'recording'):
            for value in (5, [5], deep, {'a': deep}):
                if type(value) is not dict or name not in (
                        'streams', 'serving', 'devices'):
                    self._assert_refused({name: value})
        for name in ('connected', 'attached'):
            for value in (None, 1, 'yes', deep):
                self._assert_refused({'instance': {**_VM, name: value}})
        for name in ('stream', 'kind', 'migration_id'):
            self._assert_refused({'gaps': [{**_GAP, name: deep}]})

    def test_more_than_a_worker_keeps(self):
        most = wire.GAPS_MAX + len(wire.Stream)
        self.status.update(
            gaps=[_GAP] * most,
            session_events=[_EVENT] * wire.SESSION_EVENTS_MAX,
            sessions=[_SESSION] * wire.SESSIONS_MAX * 3)
        found = self.client.status()
        self.assertEqual((most, wire.SESSION_EVENTS_MAX), (
            len(found.gaps), len(found.session_events)))
        self._assert_refused({'gaps': [_GAP] * (most + 1)})
        self._assert_refused({
            'session_events': [_EVENT] * (wire.SESSION_EVENTS_MAX + 1)})
        self._assert_refused(
            {'sessions': [_SESSION] * (wire.SESSIONS_MAX * 3 + 1)})

    def test_an_answer_that_would_take_much_memory(self):
        # In the exporter, the recorder and nova-compute, which serve all
        # other pairs of the host, too.
        self.status['devices'] = {'input': [{'': []}] * (1 << 17)}
        error = self.assertRaises(exception.ShadowAnswerError,
                                  self.client.status)
        self.assertIn('endless', str(error))

    def test_a_worker_that_keeps_all_that_it_may(self):
        gap = {**_GAP, 'reason': '\\' * 550, 'migration_id': 'm' * 200,
               'at': 1 << 62, 'bytes': 1 << 62}
        session = {**_SESSION, 'address': 'fe80::1111:2222:3333:4444',
                   'number': 1 << 52, 'port': 65535, 'who': '\\' * 120}
        self.status.update(
            gaps=[gap] * answers._GAPS_MAX,
            sessions=[session] * answers._SESSIONS_MAX,
            session_events=[{**_EVENT, 'session': session}]
            * wire.SESSION_EVENTS_MAX,
            recording={'start': 1 << 62,
                       'gaps': [gap] * wire.RECORDED_GAPS_MAX})
        self.assertEqual(answers._GAPS_MAX, len(self.client.status().gaps))

    def test_a_carry_over_with_all_that_it_may_have(self):
        data = 'A' * (carry_over.CARRY_OVER_DATA_MAX * 4 // 3)
        self.results['hand_over'] = {'carry_over': {
            'unstored': {'serial0_out': {'data': data},
                         'control_to_domain_r': {'data': data}}}}
        found = self.client.hand_over(1)
        self.assertEqual(
            self.results['hand_over']['carry_over'], found)

    def test_a_stop(self):
        at = {'stopped': 5.0, 'frozen': None}
        self.results.update(
            frozen={'acknowledged': False, 'at': at},
            hand_over={'carry_over': {'a': 1}}, live={'state': 'frozen'})
        self.assertEqual(wire.Frozen(False, 5.0, None, None),
                         self.client.frozen(1000))
        self.assertEqual({'a': 1}, self.client.hand_over(1000))
        self.assertIs(wire.PairState.FROZEN, self.client.live(1000))
        for method, wrong in (
                ('frozen', {}), ('frozen', {'acknowledged': 5, 'at': at}),
                ('frozen', {'acknowledged': True, 'at': [at]}),
                ('frozen', {'acknowledged': True,
                            'at': {**at, 'stopped': 10 ** 400}}),
                ('hand_over', {}), ('hand_over', {'carry_over': [1]}),
                ('live', {}), ('live', {'state': [5]})):
            self.results[method] = wrong
            self.assertRaises(exception.ShadowAnswerError,
                              getattr(self.client, method), 1000)
