# SPDX-License-Identifier: Apache-2.0
"""A QMP server, as QEMU makes it."""

import contextlib
import json
import os
import socket
import threading
import time

_GREETING = {'QMP': {'version': {
    'qemu': {'major': 7, 'minor': 2, 'micro': 22}, 'package': ''},
    'capabilities': []}}


class FakeQmp:
    """A QMP server, as QEMU makes it: one client at a time."""

    def __init__(self, path, status, on_stop=lambda: None,
                 on_cont=lambda: None):
        self.status = status
        self._on_stop = on_stop
        self._on_cont = on_cont
        self.commands = []
        self.refuses = None     # the text of an error
        self.is_mute = False
        self._client = None
        self._lock = threading.Lock()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def event(self, name, status=None, data=None, ago=0.0):
        """Say that something happened, as QEMU does.

        :param status: the run state from now on
        :param ago: seconds since then
        """
        self.status = status or self.status
        now = time.time() - ago
        message = {'event': name, 'timestamp': {
            'seconds': int(now), 'microseconds': int(now % 1 * 1e6)}}
        self._send(message | ({'data': data} if data else {}))

    def says(self, message):
        """Send any message."""
        self._send(message)

    def sends(self, data):
        """Send any bytes, as far as they are read."""
        with self._lock, contextlib.suppress(OSError):
            self._client.sendall(data)

    def close(self):
        if not self._thread.is_alive():
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _send(self, message):
        with self._lock:
            if self._client is not None:
                self._client.sendall(json.dumps(message).encode() + b'\r\n')

    def _serve(self):
        while True:
            try:
                self._client, _ = self._listener.accept()
            except OSError:
                return
            with self._client:
                self._send(_GREETING)
                with contextlib.suppress(OSError):
                    for request in json_values(self._client):
                        self._answer(request)
            self._client = None

    def _answer(self, request):
        self.commands.append(request)
        if self.is_mute:
            return
        if self.refuses is not None:
            self._send({'error': {'class': 'GenericError',
                                  'desc': self.refuses},
                        'id': request.get('id')})
            return
        result = {}
        if request['execute'] == 'query-status':
            result = {'status': self.status,
                      'running': self.status == 'running'}
        elif request['execute'] == 'stop':
            self._on_stop()
            self.event('STOP', 'paused')
        elif request['execute'] == 'cont':
            self._on_cont()
        self._send({'return': result, 'id': request.get('id')})


def json_values(sock):
    """The JSON values that a peer sends; it may put nothing in between."""
    decoder = json.JSONDecoder()
    text = ''
    while data := sock.recv(4096):
        text = (text + data.decode()).lstrip()
        while text:
            try:
                value, end = decoder.raw_decode(text)
            except ValueError:
                break
            text = text[end:].lstrip()
            yield value
