# SPDX-License-Identifier: Apache-2.0
"""A thread on another network, in a real namespace."""

import os
import socket
import subprocess
import threading
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory import namespaces
from laboratory.testbed import probe


def network():
    return os.stat('/proc/thread-self/ns/net').st_ino


@unittest.skipUnless(os.geteuid() == 0, 'needs root')
class NetworkTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.name = f'dmore-test-{os.getpid()}'
        subprocess.run(['ip', 'netns', 'add', self.name], check=True)
        self.addCleanup(subprocess.run, ['ip', 'netns', 'del', self.name],
                        check=True)
        subprocess.run(['ip', '-n', self.name, 'link', 'set', 'lo', 'up'],
                       check=True)

    def test_there_and_back(self):
        before, inode = network(), namespaces.path(self.name).stat().st_ino
        with self.assertRaises(KeyError), namespaces.network(self.name):
            self.assertEqual(inode, network())
            raise KeyError
        self.assertEqual(before, network())

    def test_threads_and_programs_that_it_starts_are_there_too(self):
        found = []
        with namespaces.network(self.name):
            inode = network()
            thread = threading.Thread(target=lambda: found.append(network()))
            thread.start()
            thread.join()
            program = subprocess.run(
                ['stat', '-L', '-c', '%i', '/proc/self/ns/net'],
                capture_output=True, check=True)
        self.assertEqual([inode, inode], [*found, int(program.stdout)])

    def test_what_listens_there_answers_there_alone(self):
        with namespaces.network(self.name), socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen()
            address = listener.getsockname()
            self.assertTrue(probe.answers_tcp(*address))
        with socket.socket() as here:
            self.assertNotEqual(0, here.connect_ex(address))

    def test_no_such_network(self):
        before = network()
        with self.assertRaises(FileNotFoundError):
            with namespaces.network('dmore-none'):
                self.fail('it was entered')
        self.assertEqual(before, network())
