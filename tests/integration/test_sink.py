# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""An instance arrives where no shadow-device process waits for it, in the
middle of a byte that nobody took.
"""

import contextlib
import os
import socket
import tempfile
import time
import types

from oslotest import base

from nova_dmore.virt import sink
from nova_dmore import wire
from tests.integration import guest
from tests.unit.shadow import fakes

_INIT = """#!/bin/sh
mount -t devtmpfs none /dev
exec <>/dev/ttyS0 >&0 2>&0
echo BOOTED
i=0; while :; do i=$((i+1)); echo "L$i"; done
"""
#: More than was on its way when the instance stopped.
_ENOUGH = 100000
#: An emulated guest prints 100 KiB/s and more.
_FULL_S = 3


class SinkTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        guest.check(self)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _host(self, name):
        """The directory of a pair, and where its QEMU listens."""
        directory = os.path.join(self.folder, name, 'pair')
        os.makedirs(directory)
        return types.SimpleNamespace(directory=directory)

    def _listen(self, host):
        path = os.path.join(host.directory, wire.SERIAL0_SOCKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen()
        listener.settimeout(30)
        return listener

    def _accept(self, listener):
        connection, _address = listener.accept()
        self.addCleanup(connection.close)
        connection.settimeout(60)
        return connection

    def test_its_serial_port_goes_on(self):
        here, there = self._host('c1'), self._host('c2')
        listener = self._listen(here)
        qemu = guest.Qemu(here, guest.linux(guest.initramfs(
            self.folder, _INIT, 'mount', 'echo')))
        self.addCleanup(qemu.end)
        connection = self._accept(listener)
        printed = b''
        while b'L50\r' not in printed:
            printed += connection.recv(4096)
        waiting = sink.Sink(os.path.join(there.directory,
                                         wire.SERIAL0_SOCKET))
        waiting.start()
        path = os.path.join(self.folder, 'migration')
        new = guest.Qemu(there, qemu.arguments, incoming=f'unix:{path}')
        self.addCleanup(new.end)
        # Nobody reads any more: 200 KiB fill the socket.
        time.sleep(_FULL_S)
        qemu.execute('migrate-set-parameters',
                     **{'max-bandwidth': 64 << 20, 'downtime-limit': 300})
        qemu.execute('migrate', uri=f'unix:{path}')
        fakes.wait_for(lambda: new.execute('query-status')['status'] ==
                       'running', 60)
        waiting.close()
        connection = self._accept(self._listen(there))
        printed = 0
        while printed < _ENOUGH:
            got = connection.recv(65536)
            self.assertNotEqual(b'', got)
            printed += len(got)
