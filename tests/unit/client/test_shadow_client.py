# SPDX-License-Identifier: Apache-2.0
"""What nova-compute makes of the answers of workers, of this release or not.
"""

import json
import socket
import threading
from unittest import mock

from oslotest import base

from nova_dmore.client import shadow_client
from nova_dmore import exception

_VM = {'connected': True, 'status': 'running', 'attached': True}
_STATUS = {
    'state': 'live', 'epoch': 3, 'migration_id': None, 'instance': _VM,
    'domain_r': _VM, 'streams': {}, 'serving': None, 'devices': {},
    'gaps': [], 'worker_starts': 1, 'pid': 5, 'worker_pid': 6}
_SESSION = {'server': 'ssh', 'number': 1, 'since': 5.0, 'port': 22,
            'address': '192.0.2.1', 'who': None, 'view_only': False}
_EVENT = {'number': 1, 'event': 'began', 'time': 6.0, 'session': _SESSION}


class ShadowClientTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.asked = []
        self.status = dict(_STATUS)
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
                    'result': self.status if request['method'] == 'status'
                    else {}}).encode() + b'\n')

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
            self.status = {**_STATUS, **wrong}
            self.assertRaises(exception.ShadowAnswerError,
                              self.client.status)
