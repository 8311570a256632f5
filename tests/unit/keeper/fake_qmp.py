# SPDX-License-Identifier: Apache-2.0
"""QEMU's monitor."""

import contextlib
import json
import os
import socket
import threading
import time

_GREETING = {'QMP': {'version': {
    'qemu': {'major': 7, 'minor': 2, 'micro': 22}, 'package': ''},
    'capabilities': []}}


#: How soon it connects again; QEMU takes a second.
_RECONNECT_S = 0.02


class FakeQmp:
    """A monitor that connects, and again when the connection has ended."""

    def __init__(self, path, status, on_stop=lambda: None,
                 on_cont=lambda: None):
        self.status = status
        self._on_stop = on_stop
        self._on_cont = on_cont
        self.commands = []
        self.refuses = None     # the text of an error
        self.is_mute = False
        self.given = []         # descriptors that came with commands
        self.connections = 0
        self._client = None
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._path = path
        self._open()
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
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        self._shut()
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _open(self):
        """Called before it serves."""

    def _shut(self):
        """Called when it serves nobody any more."""

    def _next(self):
        """-> a connection.

        :raises OSError: there is none now.
        """
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(self._path)
        except OSError:
            client.close()
            raise
        return client

    def _send(self, message):
        with self._lock:
            if self._client is not None:
                self._client.sendall(json.dumps(message).encode() + b'\r\n')

    def _serve(self):
        while not self._is_closed.is_set():
            with contextlib.suppress(OSError):
                self._client = self._next()
                self.connections += 1
                with self._client:
                    self._send(_GREETING)
                    for request in json_values(self._client, self.given):
                        self._answer(request)
            self._client = None
            self._is_closed.wait(_RECONNECT_S)

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


class ListeningFakeQmp(FakeQmp):
    """A monitor that listens, as that of release 0.2."""

    def _open(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen(1)

    def _shut(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _next(self):
        return self._listener.accept()[0]


def json_values(sock, given=None):
    """The JSON values that a peer sends; it may put nothing in between.

    :param given: takes the descriptors that it sends.
    """
    decoder = json.JSONDecoder()
    text = ''
    while True:
        data, descriptors, _, _ = socket.recv_fds(sock, 4096, 4)
        if given is not None:
            given += descriptors
        if not data:
            return
        text = (text + data.decode()).lstrip()
        while text:
            try:
                value, end = decoder.raw_decode(text)
            except ValueError:
                break
            text = text[end:].lstrip()
            yield value
