# SPDX-License-Identifier: Apache-2.0
"""A user at a VNC console whose picture is drawn from the guest's helper."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import numpy

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.users import sessions
from laboratory.users import typist
from laboratory.users import viewer
from guest import protocol
from tests.unit.tools import test_guest_protocol

_ROW = re.compile(rb'\x1b7\x1b\[(\d+);1H([0-9a-f ]*)\x1b8')


class DrawnSession(sessions.VncSession):
    """A screen on which ``dmore-screen`` shows what it does."""

    def __init__(self, program: pathlib.Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            bufsize=0)
        self._font = numpy.random.default_rng(1).integers(
            0, 2, (128, 16, 8), numpy.uint32)
        self._picture = numpy.zeros((400, 720), numpy.uint32)
        self._write(1, protocol.SCREEN_RULER)
        self.lose = 0
        self.cut = False

    @property
    def picture(self) -> numpy.ndarray:
        return self._picture

    def _write(self, row: int, text: bytes) -> None:
        for column, value in enumerate(text):
            self._picture[(row - 1) * 16:row * 16,
                          column * 9:column * 9 + 8] = self._font[value]

    def receive(self) -> 'DrawnSession | None':
        said = os.read(self._process.stdout.fileno(), 4096)
        if self.cut or not said:
            return None
        for row, text in _ROW.findall(said):
            self._write(int(row), text)
        return self

    def send(self, data: bytes) -> None:
        if self.cut:
            raise BrokenPipeError
        if self.lose and data != bytes([protocol.ASK]):
            self.lose -= 1
        else:
            self._process.stdin.write(data)

    def close(self) -> None:
        self.cut = True
        self._process.kill()        # ends a receive

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@unittest.skipUnless(shutil.which('gcc'), 'no C compiler')
class ViewerTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        test_guest_protocol.compile_guest(cls.folder)

    def setUp(self):
        super().setUp()
        self.session = DrawnSession(self.folder / viewer.PROGRAM)
        self.addCleanup(self.session.end)
        self.user = viewer.Viewer('user', lambda: self.session,
                                  lambda said: None)
        self.addCleanup(self.user.close)
        self.assertTrue(self.user.wait_ready(10))

    def ask(self) -> tuple[dict, typist.Tally]:
        self.user.wait_answers(2)
        number = self.user.ledgers
        self.user.write(bytes([protocol.ASK]))
        ledger = self.user.wait_ledger(number, 10)
        self.assertIsNotNone(ledger)
        return ledger.content['typists'][0], self.user.tally(ledger)

    def type_keys(self, count: int) -> None:
        self.user.type_on()
        while self.user.tally().sent < count:
            self.user.wait_ledger(10, 0.01)
        self.user.pause()

    def test_all_is_well(self):
        self.type_keys(12)
        counts, tally = self.ask()
        self.assertEqual(tally, typist.Tally(counts['received'], 0, 0, 0.0, 0,
                                             0))
        self.assertEqual(tally.sent, len(self.user.responses_ms()))

    def test_keys_that_are_lost_on_the_way(self):
        self.type_keys(5)
        self.session.lose = 3
        self.type_keys(14)
        counts, tally = self.ask()
        self.assertEqual(3, tally.sent - counts['received'])

    def test_the_picture_once_it_has_settled(self):
        self.type_keys(3)
        self.user.wait_answers(2)
        shown = self.user.settled(10)
        numpy.testing.assert_array_equal(self.session.picture, shown)
        self.assertIsNot(self.session.picture, shown)


class AddressTest(unittest.TestCase):

    def test_of_the_websocket(self):
        self.assertEqual(
            'ws://10.77.0.10:6080/?token=1b-2c', sessions.websocket_url(
                'http://10.77.0.10:6080/vnc_auto.html?path=%3Ftoken%3D1b-2c'))
