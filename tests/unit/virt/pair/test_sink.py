# SPDX-License-Identifier: Apache-2.0
"""What an instance says that has no shadow-device process is dropped."""

import os
import socket
import tempfile
import threading

from oslotest import base

from nova_dmore import places
from nova_dmore.posix import fifos
from nova_dmore.virt.pair import sink
from nova_dmore import wire
from tests.unit.virt import fakes


class SinkTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        # A socket's path must be short.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.where = places.of_pair(os.path.join(folder.name, 'pair'))
        self.directory = self.where.own
        self.path = os.path.join(self.directory, wire.SERIAL0_SOCKET)
        os.mkdir(self.directory)
        os.mkdir(self.where.instance)
        fifos.make(self.where.instance, 0o600, None)

    def _sink(self):
        made = sink.Sink(self.where)
        made.start()
        return made

    def _connect(self):
        return fakes.connect(self, self.path)

    def test_what_the_fifo_holds_is_dropped(self):
        made = self._sink()
        self.addCleanup(made.close)
        for each in fifos.open_both(self.where.instance):
            self.addCleanup(os.close, each)
        os.set_blocking(each, True)
        for _time in range(3):
            # More than it holds.
            self.assertEqual(1 << 18, os.write(each, bytes(1 << 18)))

    def test_one_connection_after_the_other(self):
        made = self._sink()
        self.addCleanup(made.close)
        for _time in range(3):
            with self._connect() as client:
                client.sendall(bytes(1 << 20))

    def test_it_hangs_up(self):
        made = self._sink()
        client = self._connect()
        client.sendall(b'a')
        made.close()
        self.assertFalse(made.is_alive())
        self.assertTrue(fakes.is_hung_up(client))

    def test_nobody_came(self):
        self._sink().close()
        self.assertRaises(ConnectionRefusedError, self._connect)

    def test_closed_at_any_moment(self):
        for _time in range(50):
            made = self._sink()
            threading.Thread(target=self._come_and_go).start()
            made.close()
            self.assertFalse(made.is_alive())
            os.unlink(self.path)

    def _come_and_go(self):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.path)
                client.sendall(b'a')
            except OSError:
                pass    # it was closed before

    def test_there_is_a_process_already(self):
        made = self._sink()
        self.addCleanup(made.close)
        self.assertRaises(OSError, sink.Sink, self.where)
