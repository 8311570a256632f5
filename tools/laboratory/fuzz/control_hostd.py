# SPDX-License-Identifier: Apache-2.0
"""Requests to the host service, with descriptors, from whoever may connect."""

import atexit
import dataclasses
import fcntl
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import tempfile
from unittest import mock

from laboratory.fuzz import oracle, parts, reader as reader_module
from nova_dmore.hostd import service
from nova_dmore.keeper import life
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore import wire

#: Of a pair whose keeper is this process, of one whose keeper is gone, and of
#: none.
_LIVES = '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4'
_GONE = '1d3f9ff5-2bc6-4ff6-8f58-6b3f18c6f3c5'
_NONE = '2e4fa006-3cd7-4007-9069-7c4029d704d6'
_KINDS = [each.value for each in hostd_protocol.Request]
_FAILURES = {None, *hostd_protocol.Failure}

SEEDS = [bytes([0, 1, 0, number, 0, pair, 1]) * 3
         for number in range(len(_KINDS)) for pair in range(3)] + [
    b'\x01\x00\x00[]', b'\x00\x00\x20{"type":"list"}',
    b'\x00\x00\x00{"type":"start","instance":"../../etc"}',
    *(b'\x00\x00\xff' + json.dumps(
        {'type': 'list', 'after': 'x' * size}).encode()
      for size in (messages.MESSAGE_MAX - 29, messages.MESSAGE_MAX - 28))]


class _Host:
    """A service in a folder, with one pair that lives."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(dir=parts.FOLDER)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.run_dir = os.path.join(self.folder, 'run')
        own = os.path.join(self.run_dir, _LIVES)
        os.makedirs(own)
        # As a keeper of an earlier release: of a lock of the other kind a
        # process is not told that it is its own.
        self._lock = os.open(os.path.join(own, wire.KEEPER_LOCK),
                             os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._lock, b'%d' % os.getpid())
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.control = socket.socket(socket.AF_UNIX)
        self.control.bind(os.path.join(own, wire.CONTROL_SOCKET))
        self.control.listen()
        self.control.setblocking(False)
        user = frozenset({os.geteuid()})
        self.options = service.Options(
            self.run_dir, None, user, user, life.Options(self.run_dir))
        # It would keep all that the fuzzer has made by then.
        with mock.patch('gc.freeze'):
            self.service = service.Service(self.options)

    def leave(self) -> None:
        """Have what a keeper that is gone has left, and its instance."""
        pair = pathlib.Path(self.run_dir, _GONE)
        pair.mkdir(exist_ok=True)
        (pair / wire.KEEPER_LOCK).touch()
        (pair / 'link').unlink(missing_ok=True)
        (pair / 'link').symlink_to(self.folder)

    def found(self) -> set[str]:
        """All that is there, but what the pair that is gone has left."""
        return {os.path.relpath(os.path.join(where, name), self.folder)
                for where, folders, files in os.walk(self.folder)
                for name in folders + files if _GONE not in where + name}


@functools.cache
def _host() -> _Host:
    return _Host()


def run(data: bytes) -> None:
    """A user that may connect sends any message, with any descriptors."""
    reader = reader_module.Reader(data)
    host = _host()
    host.leave()
    opened, found = set(os.listdir('/proc/self/fd')), host.found()
    compute = frozenset() if reader.byte() & 1 else host.options.compute
    host.service._options = dataclasses.replace(
        host.options, compute=compute)
    # Nothing is started, and nobody is signalled: both would be the fuzzer.
    with mock.patch('os.fork', return_value=os.getpid()) as fork, \
            mock.patch('signal.pidfd_send_signal') as signalled:
        for _ in reader.steps(4):
            _ask(reader, host, bool(compute), fork)
        host.service._children._end_worker(os.getpid())
    oracle.check({each.args[1] for each in signalled.call_args_list} <= {
        signal.SIGTERM, signal.SIGKILL}, 'another signal')
    oracle.check(os.path.isdir(os.path.join(host.run_dir, _GONE)) or compute,
                 'removed for somebody who may not')
    oracle.check(host.found() == found, 'files: %r',
                 host.found() ^ found)
    left = set(os.listdir('/proc/self/fd')) - opened
    oracle.check(not left, 'descriptors are left: %r', left)


def _ask(reader: reader_module.Reader, host: _Host, is_compute: bool,
         fork: mock.Mock) -> None:
    sent, count = _message(reader), reader.byte() % 40
    forks = fork.call_count
    with hostd_protocol.connect(host.run_dir) as sock, \
            open(os.devnull, 'rb') as null:
        sock.setblocking(False)
        try:
            socket.send_fds(sock, [sent], [null.fileno()] * count)
        except OSError:
            sock.close()        # too long for a socket: it hangs up
        for _ in range(3):
            host.service._loop.turn(0)
        if sock.fileno() >= 0:
            _check_answer(sock, is_compute, fork.call_count > forks)
    oracle.check(not host.service._connections, 'a connection is kept')
    try:
        while True:
            host.control.accept()[0].close()
    except BlockingIOError:
        pass


def _message(reader: reader_module.Reader) -> bytes:
    if not reader.byte() & 1:
        size = reader.byte()
        return reader.take(size * 4) if size < 0xff else reader.rest()
    good = {'type': reader.pick(_KINDS), 'arrives': False,
            'instance': reader.pick((_LIVES, _GONE, _NONE))}
    return json.dumps(reader.changed(good)).encode()[
        :messages.MESSAGE_MAX * 2]


def _check_answer(sock: socket.socket, is_compute: bool, forked: bool
                  ) -> None:
    answer, descriptors = hostd_protocol.receive(sock)
    for each in descriptors:
        os.close(each)
    if answer is None:
        return      # the end, or a keeper answers
    oracle.check(answer.get('failure') in _FAILURES, 'answered %r', answer)
    oracle.check(('error' in answer) == ('failure' in answer),
                 'answered %r', answer)
    if 'error' in answer:
        oracle.check(not descriptors and not forked, 'refused and done')
    # All but a worker is nova-compute's, and the pair that lives is here.
    oracle.check('error' in answer or is_compute or forked,
                 'granted to somebody who may not: %r', answer)
