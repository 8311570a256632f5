# SPDX-License-Identifier: Apache-2.0
"""The shadow-device process against real QEMUs that migrate.

The instance is a small Linux guest that numbers what it prints and answers
what is typed; Domain R is its end of the channel in this process.
"""

import re
import threading
import time

from oslotest import base

from nova_dmore import places
from tests.integration import guest
from tests.unit.worker import fakes

_INIT = """#!/bin/sh
mount -t devtmpfs none /dev
exec <>/dev/ttyS0 >&0 2>&0
stty -echo icanon
echo BOOTED
(i=0; while :; do i=$((i+1)); echo "L$i"; done) &
(while :; do dd if=/dev/zero of=/dirt bs=1M count=16 2>/dev/null; done) &
while read x; do echo "GOT $x"; done
"""

MIGRATIONS = 4


class TestDomainR(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        guest.check(self)
        self.pair = fakes.Pair(self)

    def _start(self, *arguments):
        process = guest.domain_r(self.pair, *arguments)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def _wait_for(self, status, is_attached):
        def is_so():
            found = self.pair.client.status().domain_r
            return (found.status, found.attached) == (status, is_attached)
        fakes.wait_for(is_so, 20)

    def test_one_after_the_other(self):
        newest = places.NEWEST
        for number, (layout, large) in enumerate((
                (newest, False), (newest, False), (newest, True),
                (newest, True), (places.Layout.FIFOS, False))):
            process = self._start(layout, large)
            self._wait_for('prelaunch', True)
            self.assertIn(f'Domain R connection {number + 1}, process '
                          f'{process.pid}, {"large" if large else "small"}',
                          self._log())
            process.kill()
            process.wait()
            self._wait_for(None, False)

    def _log(self):
        return self.pair.logged()

    def test_a_second_one_gets_nothing(self):
        self._start()
        self._wait_for('prelaunch', True)
        self._start()
        for name in ('ivshmem.sock', 'qmp.sock'):
            fakes.wait_for(lambda: re.search(
                f'Refused at .*{name}: process', self._log()), 20)
        self._wait_for('prelaunch', True)
        self.assertEqual(1, self._log().count('Domain R connection'))


class TestMigration(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        guest.check(self)

    def test_nothing_lost_either_way(self):
        self._migrate_often(MIGRATIONS)

    def test_instances_of_earlier_releases(self):
        """They go on, and are as those of this one where they go."""
        for layout in (places.Layout.FIFOS, places.Layout.SOCKETS):
            self._migrate_often(1, layout=layout)

    def _migrate_often(self, count, **keywords):
        pair = fakes.Pair(self)
        qemu = guest.Qemu(pair, guest.linux(guest.initramfs(
            pair.folder, _INIT, 'mount', 'stty', 'echo',
            'dd')), **keywords)
        self.addCleanup(lambda: qemu.end())
        domain_r = pair.domain_r()
        pair.live()
        fakes.wait_for(lambda: b'BOOTED' in domain_r.output, 60)
        self.current = domain_r
        typing = threading.Thread(target=self._type)
        self.typed, self.typing = 0, True
        typing.start()
        self.addCleanup(setattr, self, 'typing', False)
        took = []
        for number in range(count):
            time.sleep(0.5)
            old = qemu, domain_r
            pair, qemu, domain_r, frozen = guest.migrate(
                self, f'm{number}', qemu, domain_r)
            self.current = domain_r
            took.append(frozen.frozen_at - frozen.stopped_at)
            for each in old:
                each.end() if each is old[0] else each.close()
        time.sleep(0.5)
        self.typing = False
        typing.join()
        last = b'GOT K%05d' % self.typed
        fakes.wait_for(lambda: last in domain_r.output, 90)
        self._check(domain_r.output)
        self.assertEqual((), pair.gaps())
        print('stop to frozen, ms:', [round(s * 1000, 1) for s in took],
              'keys:', self.typed, 'bytes:', len(domain_r.output))

    def _type(self):
        while self.typing:
            self.typed += 1
            self.current.types(b'K%05d\n' % self.typed)
            time.sleep(0.02)

    def _check(self, output):
        output = output[output.index(b'BOOTED'):]
        broken = re.search(
            rb'\[ *\d+\.\d+\] .*|[^\r\n]*unaligned tcache[^\r\n]*', output)
        self.assertIsNone(
            broken, f'the guest was corrupted: {broken and broken[0]!a}')
        lines = output.replace(b'\r', b'').split(b'\n')[:-1]
        printed, answered = 0, 0
        for line in lines[1:]:
            match = re.fullmatch(rb'(?:L(\d+)|GOT K(\d+))', line)
            self.assertIsNotNone(match, line)
            if match[1]:
                printed += 1
                self.assertEqual(printed, int(match[1]))
            else:
                answered += 1
                self.assertEqual(answered, int(match[2]))
        self.assertEqual(self.typed, answered)
        self.assertGreater(printed, 1000)
