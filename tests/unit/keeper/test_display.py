# SPDX-License-Identifier: Apache-2.0
"""A connection to the display, by descriptor."""

import socket
import unittest
from unittest import mock

from nova_dmore.keeper import display
from nova_dmore.keeper import qmp


class DisplayTest(unittest.TestCase):

    def setUp(self):
        self.link = mock.create_autospec(qmp.QmpLink, instance=True)
        self.display = display.Display(self.link)
        self.opened = []

    def _open(self):
        def opened(sock, error):
            self.opened.append(error)
            if sock is not None:
                sock.sendall(b'from the worker')
        self.display.open(opened)

    def _asked(self, command):
        """-> the last call, which is one of that command."""
        call = self.link.execute.call_args.args
        self.assertEqual(command, call[0])
        return call

    def test_qemu_gets_one_end(self):
        self._open()
        _, arguments, replied, given = self._asked('getfd')
        theirs = socket.socket(fileno=given.detach())
        self.addCleanup(theirs.close)
        replied({'result': {}})
        _, options, added = self._asked('add_client')
        self.assertEqual(
            {'protocol': 'vnc', 'fdname': arguments['fdname'],
             'skipauth': True}, options)
        self.assertEqual([], self.opened)
        added({'result': {}})
        self.assertEqual([None], self.opened)
        self.assertEqual(b'from the worker', theirs.recv(100))
        self.assertEqual(b'', theirs.recv(1))   # the worker's is a copy
        self._open()
        self._asked('getfd')[3].close()
        self.assertEqual([None], self.opened)

    def test_qemu_does_not_want_to(self):
        for refused in ('getfd', 'add_client'):
            self._open()
            self._asked('getfd')[3].close()
            if refused == 'add_client':
                self._asked('getfd')[2]({'result': {}})
            self._asked(refused)[2]({'error': f'no {refused}'})
        self.assertEqual(['no getfd', 'no add_client'], self.opened)

    def test_qemu_that_does_not_answer_gets_no_other(self):
        self._open()
        self._asked('getfd')[3].close()
        self._open()
        self.assertEqual(['the display is being opened'], self.opened)
        self.assertEqual(1, self.link.execute.call_count)
