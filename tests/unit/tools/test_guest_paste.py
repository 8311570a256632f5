# SPDX-License-Identifier: Apache-2.0
"""What is pasted at the guest's helper, and printed by another."""

import hashlib
import os
import pathlib
import pty
import shutil
import subprocess
import tempfile
import threading
import unittest

from tests.unit import tools  # noqa: F401  (finds the imports below)
from guest import paste
from guest import protocol
from tests.unit.tools import test_guest_protocol

_STOP = bytes([protocol.STOP])


class MaterialTest(unittest.TestCase):

    def test_the_same_one_gives_the_same(self):
        one, other = paste.Material(7), paste.Material(7)
        blocks = [one.block() for _block in range(5)]
        self.assertEqual(blocks, [other.block() for _block in range(5)])
        self.assertEqual(5, len(set(blocks)))
        self.assertNotEqual(blocks[0], paste.Material(8).block())
        self.assertEqual(len(b''.join(blocks)), one.length)
        self.assertEqual(hashlib.sha256(b''.join(blocks)).hexdigest(),
                         one.sum())

    def test_a_terminal_takes_it_for_text(self):
        block = paste.Material(1).block()
        self.assertTrue(block.endswith(b'\n'))
        self.assertTrue(block.replace(b'\n', b'').decode().isprintable())
        self.assertLess(max(map(len, block.split(b'\n'))), 80)


class ParseTest(unittest.TestCase):

    def test_taken(self):
        self.assertIsNone(paste.taken(b'TAKEN 12 0\r\n'))
        sum_ = 'ab' * 32
        self.assertEqual(
            paste.Taken(12, 3, sum_),
            paste.taken(b'x\r\nTAKEN 12 3\r\n' + sum_.encode()))

    def test_printed(self):
        lines = b''.join(map(protocol.line, range(3)))
        ledger = b'LEDGER {"lines": 3, "bytes": %d}\r\n' % len(lines)
        self.assertIsNone(paste.printed(lines))
        self.assertIsNone(paste.printed(lines + ledger[:-1]))
        made = paste.printed(lines + ledger + b'guest:~# ')
        self.assertEqual(paste.Printed(3, len(lines), lines), made)
        self.assertIsNone(made.fault())

    def test_what_is_wrong(self):
        lines = b''.join(map(protocol.line, range(300)))
        for wrong, place in ((lines[:5000] + lines[5007:], 5000),
                             (lines[:5000] + lines[4990:], 5000),
                             (lines[:-1], len(lines) - 1),
                             (lines + b'x', len(lines)), (b'', 0)):
            fault = paste.Printed(300, len(lines), wrong).fault()
            self.assertTrue(fault.startswith(
                f'{len(wrong)} bytes instead of {len(lines)}; the first that '
                f'is wrong is {place}: '), fault)


@unittest.skipUnless(shutil.which('gcc'), 'no C compiler')
class HelperTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        test_guest_protocol.compile_guest(cls.folder)

    def test_what_comes_before_the_stop_is_passed_on(self):
        data = bytes(value for value in range(256)
                     if value != protocol.STOP) * 90
        done = subprocess.run([self.folder / paste.PROGRAM], timeout=20,
                              input=data + _STOP + b'more',
                              capture_output=True, check=True)
        self.assertEqual(data, done.stdout)
        self.assertEqual(paste.READY + b'TAKEN %d -1\r\n' % len(data),
                         done.stderr)

    def test_the_sum_of_a_paste_at_a_terminal(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        shell = subprocess.Popen(
            ['sh', '-c', paste.COMMAND], stdin=slave, stdout=slave,
            stderr=slave, env={
                'PATH': f'{self.folder}:{os.environ["PATH"]}'})
        os.close(slave)
        shown = b''
        while paste.READY not in shown:
            shown += os.read(master, 4096)
        material = paste.Material(3)

        def write() -> None:
            for data in [*(material.block() for _block in range(60)), _STOP]:
                while data:
                    data = data[os.write(master, data):]

        writer = threading.Thread(target=write)
        writer.start()
        while paste.SUM_END not in shown:
            shown += os.read(master, 4096)
        writer.join()
        self.assertEqual(0, shell.wait(20))
        self.assertEqual(paste.Taken(material.length, -1, material.sum()),
                         paste.taken(shown.partition(paste.SUM_END)[0]))

    def test_what_is_printed(self):
        done = subprocess.run(
            [self.folder / 'dmore-print', '--count', '500'], timeout=20,
            stdin=subprocess.DEVNULL, capture_output=True, check=True)
        _ready, _end, shown = done.stdout.partition(
            b'READY dmore-print\r\n')
        made = paste.printed(shown)
        self.assertEqual(500, made.lines)
        self.assertIsNone(made.fault())
        self.assertEqual(made.length, len(made.received))
