# SPDX-License-Identifier: Apache-2.0
"""What connections are set to, and why it is not a user timeout."""

import socket
import time
import unittest

from nova_dmore.domr.servers import tcp


class TcpTest(unittest.TestCase):

    def setUp(self) -> None:
        server = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(server.close)
        self.client = socket.create_connection(server.getsockname())
        self.addCleanup(self.client.close)
        self.connection, _ = server.accept()
        self.addCleanup(self.connection.close)

    def test_prepared(self) -> None:
        tcp.prepare(self.connection)
        for level, option, value in (
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
                (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
                (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 16),
                (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)):
            self.assertEqual(value,
                             self.connection.getsockopt(level, option))

    def _error_of_one_that_is_not_read(self) -> int:
        self.connection.setblocking(False)
        try:
            while True:
                self.connection.send(bytes(1 << 16))
        except BlockingIOError:
            pass
        end = time.monotonic() + 3
        while time.monotonic() < end:
            time.sleep(0.05)
            if error := self.connection.getsockopt(socket.SOL_SOCKET,
                                                   socket.SO_ERROR):
                return error
        return 0

    def test_client_that_reads_nothing_stays(self) -> None:
        tcp.prepare(self.connection)
        self.assertEqual(0, self._error_of_one_that_is_not_read())

    def test_user_timeout_would_end_it(self) -> None:
        """When this fails, Linux has changed: use a user timeout."""
        self.connection.setsockopt(socket.IPPROTO_TCP,
                                   socket.TCP_USER_TIMEOUT, 500)
        self.assertNotEqual(0, self._error_of_one_that_is_not_read())
