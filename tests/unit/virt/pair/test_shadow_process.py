# SPDX-License-Identifier: Apache-2.0
"""The directory of an instance that has no shadow-device process."""

import os
import socket
import stat
import tempfile
from unittest import mock

from nova_dmore.client import spawn
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.posix import fifos
from nova_dmore.virt.pair import shadow_process
from nova_dmore import wire
from tests.unit.virt import fakes


class DirectoryTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        # A socket's path must be short.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = os.path.join(folder.name, fakes.UUID)
        records = mock.Mock(**{'directory.return_value': self.directory})
        self.processes = shadow_process.ShadowProcesses(
            mock.Mock(qemu_group=None, log_dir=folder.name), records)
        self.path = os.path.join(self.directory, wire.SERIAL0_SOCKET)
        self.addCleanup(self.processes.close_sink, fakes.UUID)

    def _connect(self):
        return fakes.connect(self, self.path)

    def test_what_the_instance_prints_is_dropped(self):
        for _ in range(2):
            self.processes.make_directory(fakes.UUID)
            # More than a socket holds.
            with self._connect() as client:
                client.sendall(bytes(1 << 20))
        self.assertEqual(0o700, os.stat(self.directory).st_mode & 0o777)

    def test_a_process_that_listens_is_let_be(self):
        os.mkdir(self.directory)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            listener.settimeout(0.05)
            self.processes.make_directory(fakes.UUID)
            self.assertRaises(TimeoutError, listener.accept)
            self._connect()
            listener.accept()[0].close()

    def test_a_process_that_is_no_more_has_left_its_socket(self):
        os.mkdir(self.directory)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
        self.processes.make_directory(fakes.UUID)
        self._connect()

    def test_a_process_takes_the_instance_over(self):
        self.processes.make_directory(fakes.UUID)
        client = self._connect()
        with mock.patch.object(spawn, 'start_keeper', autospec=True):
            self.processes.start(fakes.UUID)
        self.assertTrue(fakes.is_hung_up(client))
        self.assertRaises(ConnectionRefusedError, self._connect)

    def test_who_may_write(self):
        """QEMUs of release 0.2 make sockets where they arrive."""
        self.processes._options.qemu_group = str(os.getgid())
        self.processes.make_directory(fakes.UUID)
        where = places.of_pair(self.directory)
        self.assertEqual([0o1770, 0o710], [
            stat.S_IMODE(os.stat(each).st_mode)
            for each in (where.own, where.instance)])
        for each in (where.own, where.instance):
            self.assertEqual(0o660, stat.S_IMODE(os.stat(
                os.path.join(each, 'serial0.out')).st_mode))
        self.processes.make_directory(fakes.UUID, arrives=False)
        self.assertEqual(0o700, stat.S_IMODE(os.stat(where.own).st_mode))
        modes = []
        for arrives in (False, True):
            with mock.patch.object(spawn, 'start_keeper',
                                   autospec=True) as start:
                self.processes.start(fakes.UUID, arrives)
            options = start.call_args.kwargs['options']
            modes.append((options.directory_mode, options.socket_mode))
        self.assertEqual([(0o700, 0o660), (0o1770, 0o660)], modes)

    def test_fifos_of_an_earlier_release(self):
        os.mkdir(self.directory)
        fifos.make(self.directory, 0o600, None)
        _, output = fifos.open_both(self.directory)
        self.addCleanup(os.close, output)
        self.addCleanup(os.close, _)
        self.processes.make_directory(fakes.UUID)
        os.set_blocking(output, True)
        for _time in range(3):
            self.assertEqual(1 << 18, os.write(output, bytes(1 << 18)))

    def test_it_cannot_be_made(self):
        with open(self.directory, 'w'):
            pass
        error = self.assertRaises(
            exception.ConfigurationError, self.processes.make_directory,
            fakes.UUID)
        self.assertIn('[dmore] run_dir', str(error))
