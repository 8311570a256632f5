# SPDX-License-Identifier: Apache-2.0
"""What somebody may have put into a pair's folder is not believed."""

import os
import signal
import socket
import subprocess
import sys
import uuid

from oslotest import base

from nova_dmore.link import hostd_protocol
from nova_dmore import wire
from tests.unit import hostd_process
from tests.unit.worker import fakes


class ForgedTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.hostd = hostd_process.shared()

    def _ask(self, **message):
        with hostd_protocol.connect(self.hostd.run_dir, 10) as sock:
            hostd_protocol.send(sock, message)
            return hostd_protocol.receive(sock)

    def test_somebody_else_listens_in_the_place_of_a_keeper(self):
        """He is not told what Domain R is: keys, passwords."""
        pair = fakes.Pair(self, self.hostd)
        path = os.path.join(pair.where.own, wire.CONTROL_SOCKET)
        os.rename(path, f'{path}.own')
        self.addCleanup(os.rename, f'{path}.own', path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            listener.settimeout(10)
            answer, descriptors = self._ask(type='open', instance=pair.uuid)
            self.assertEqual(('lives', []), (answer['failure'], descriptors))
            with listener.accept()[0] as accepted:
                self.assertEqual(b'', accepted.recv(1))
        self.assertIn(f'Process {os.getpid()} listens in the place of the '
                      'keeper', pair.logged())

    def test_a_number_in_the_file_of_the_lock(self):
        """Whom it names is not signalled."""
        other = subprocess.Popen([sys.executable, '-c', 'input()'],
                                 stdin=subprocess.PIPE)
        self.addCleanup(other.communicate)
        instance = str(uuid.uuid4())
        folder = os.path.join(self.hostd.run_dir, instance)
        os.mkdir(folder)
        for name in (wire.KEEPER_LOCK, wire.WORKER_LOCK):
            with open(os.path.join(folder, name), 'w') as lock:
                lock.write(f'{other.pid}\n')
        answer, _ = self._ask(type='end', instance=instance)
        self.assertEqual('gone', answer['failure'])
        self.assertEqual(({}, []), self._ask(type='remove',
                                             instance=instance))
        self.assertIsNone(other.poll())
        other.send_signal(signal.SIGTERM)
        self.assertEqual(-signal.SIGTERM, other.wait(10))
