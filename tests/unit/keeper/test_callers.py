# SPDX-License-Identifier: Apache-2.0
"""Who may ask for the worker of a pair: not another pair's keeper."""

import json
import os
import socket
import tempfile

from oslotest import base

from nova_dmore.client import shadow_client
from nova_dmore.keeper import callers
from nova_dmore.keeper import peers
from nova_dmore.link import hostd_protocol
from nova_dmore.posix import locks
from nova_dmore.recorder import pair as pair_module
from nova_dmore import wire
from tests.unit import hostd_process
from tests.unit.worker import fakes

_STATUS = b'{"id": 1, "method": "status", "params": {}}\n'


class CallersTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix='dmore')
        self.addCleanup(folder.cleanup)
        self.run_dir = folder.name
        self.callers = callers.Callers(self.run_dir)
        self.addCleanup(os.close, self.callers._recorders)
        self.this = peers.Peer(os.getpid(), None)
        self.parent = peers.Peer(os.getppid(), None)

    def test_a_host_service_that_is_away(self):
        self.assertRaises(OSError, self.callers.check_control, self.this)

    def test_the_host_service(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as service:
            service.bind(hostd_protocol.path_of(self.run_dir))
            service.listen()
            self.callers.check_control(self.this)
            self.assertRaises(peers.RefusedError,
                              self.callers.check_control, self.parent)
        # It records nothing.
        self.assertRaises(peers.RefusedError,
                          self.callers.check_journal, self.this)


class KeeperTest(base.BaseTestCase):
    """This process is of the keepers' user, as another keeper is."""

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)

    def _connect(self, name):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.settimeout(30)
        sock.connect(os.path.join(self.pair.directory, name))
        return sock

    def _status_at(self, sock):
        sock.sendall(_STATUS)
        return json.loads(sock.makefile('rb').readline())['result']

    def test_another_process_of_its_user(self):
        for name in (wire.CONTROL_SOCKET, wire.JOURNAL_SOCKET):
            self.assertEqual(b'', self._connect(name).recv(1))
        # It refuses, then logs.
        for why in ('neither the host service', 'not the recorder'):
            fakes.wait_for(lambda why=why: f'process {os.getpid()} is {why}'
                           in self.pair.logged())
        # What the host service connects is another's by then.
        self.assertEqual('starting', self.pair.client.status().state)

    def test_the_recorder(self):
        lock = locks.acquire_as_recorder(self.pair.hostd.run_dir)
        try:
            status = self._status_at(self._connect(wire.CONTROL_SOCKET))
            memory, _ = pair_module.map_journal(
                self.pair.directory, status['pid'])
            memory.close()
        finally:
            os.close(lock)
        self.assertEqual(
            b'', self._connect(wire.CONTROL_SOCKET).recv(1))

    def test_a_host_service_that_began_anew(self):
        hostd = hostd_process.of_test(self)
        hostd.start()
        pair = fakes.Pair(self, hostd)
        before = pair.client.status().pid
        hostd.end()
        hostd.start()
        hostd.reload()
        client = shadow_client.ShadowClient(hostd.service, pair.uuid)
        self.addCleanup(client.close)
        self.assertEqual(before, client.status().pid)
