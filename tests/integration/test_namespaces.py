# SPDX-License-Identifier: Apache-2.0
"""A thread on another network, in a real namespace."""

import os
import pathlib
import socket
import subprocess
import threading
import unittest
from unittest import mock

# For the path that it sets.
from tests.integration import cloud
from laboratory.cloud import standpoint
from laboratory import namespaces
from laboratory.testbed import hosts
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

    def test_processes_are_found_from_there_too(self):
        host = hosts.Host(self.name.rpartition('-')[2], 'dmore-test',
                          pathlib.Path('/nonexistent'))
        program = subprocess.Popen(host.on_network(['sleep', '60']))
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        cloud.wait_for(host.processes, 10, 'a process on the network')
        with namespaces.network(self.name):
            self.assertIn(program.pid, host.processes())

    def test_where_users_are(self):
        place = mock.Mock()
        place.host.return_value.namespace = self.name
        place.credentials.return_value = {'OS_USERNAME': 'admin'}
        inode = namespaces.path(self.name).stat().st_ino
        with mock.patch.dict(os.environ, http_proxy='none', OS_CLOUD='other'):
            before = dict(os.environ)
            with standpoint.at_the_controller(place):
                self.assertEqual(inode, network())
                self.assertEqual({**before, 'OS_USERNAME': 'admin'}, {
                    **os.environ, 'http_proxy': 'none', 'OS_CLOUD': 'other'})
                self.assertNotIn('http_proxy', os.environ)
                self.assertNotIn('OS_CLOUD', os.environ)
            self.assertEqual(before, dict(os.environ))

    def test_no_such_network(self):
        before = network()
        with self.assertRaises(FileNotFoundError):
            with namespaces.network('dmore-none'):
                self.fail('it was entered')
        self.assertEqual(before, network())
