# SPDX-License-Identifier: Apache-2.0
"""An instance arrives without its Domain R, in the middle of a byte that
nobody took.
"""

import os
import select
import tempfile
import time
import types

from oslotest import base

from nova_dmore import places
from nova_dmore.posix import fifos
from tests.integration import guest
from tests.unit.worker import fakes

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


class AloneTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        guest.check(self)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _host(self, name):
        """The directory of a pair, and where its QEMU listens."""
        directory = os.path.join(self.folder, name, 'pair')
        where = places.of_pair(directory)
        for each in (directory, where.instance):
            os.makedirs(each)
        fifos.make(where.instance, 0o600, None)
        return types.SimpleNamespace(
            directory=directory, where=where, folder=self.folder)

    def _output(self, host):
        """-> descriptor of what its serial port says."""
        for each in fifos.open_both(host.where.instance):
            self.addCleanup(os.close, each)
        return each

    def _read(self, output):
        ready, _, _ = select.select([output], [], [], 60)
        self.assertTrue(ready, 'the guest prints no more')
        return os.read(output, 65536)

    def test_its_serial_port_goes_on(self):
        here, there = self._host('c1'), fakes.Pair(self)
        output = self._output(here)
        qemu = guest.Qemu(here, guest.linux(guest.initramfs(
            self.folder, _INIT, 'mount', 'echo')))
        self.addCleanup(qemu.end)
        printed = b''
        while b'L50\r' not in printed:
            printed += self._read(output)
        path = os.path.join(self.folder, 'migration')
        new = guest.Qemu(there, qemu.arguments, incoming=f'unix:{path}')
        self.addCleanup(new.end)
        # Nobody reads any more: 64 KiB fill the FIFO.
        time.sleep(_FULL_S)
        qemu.execute('migrate-set-parameters',
                     **{'max-bandwidth': 64 << 20, 'downtime-limit': 300})
        qemu.execute('migrate', uri=f'unix:{path}')
        fakes.wait_for(lambda: new.execute('query-status')['status'] ==
                       'running', 60)
        read = there.client.status().streams['serial0_out']['position']
        fakes.wait_for(lambda: there.client.status().streams[
            'serial0_out']['position'] - read > _ENOUGH, 60)
