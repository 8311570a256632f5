# SPDX-License-Identifier: Apache-2.0
"""The locks of a keeper and its worker."""

import fcntl
import os
import signal
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.posix import locks
from nova_dmore import wire


class LocksTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _child(self, act):
        """-> the id of a child that has acted, and waits to be killed."""
        ready, told = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                act()
                os.write(told, b'.')
                signal.pause()
            finally:
                os._exit(1)
        os.close(told)
        self.assertEqual(b'.', os.read(ready, 1))
        os.close(ready)

        def end():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.addCleanup(lambda: self._ended or end())
        self._ended = False
        self._end = end
        return pid

    def _kill(self):
        self._end()
        self._ended = True

    def test_nobody_ever(self):
        self.assertRaises(FileNotFoundError, locks.holder, self.folder)

    def test_the_recorder(self):
        asked = locks.open_recorders(self.folder)
        self.addCleanup(os.close, asked)
        self.assertIsNone(locks.recorder(asked))
        pid = self._child(lambda: locks.acquire_as_recorder(self.folder))
        self.assertEqual(pid, locks.recorder(asked))
        self.assertRaises(BlockingIOError, locks.acquire_as_recorder,
                          self.folder)
        self._kill()
        self.assertIsNone(locks.recorder(asked))

    def test_it_goes_with_its_process(self):
        pid = self._child(lambda: locks.acquire(self.folder))
        self.assertEqual(pid, locks.holder(self.folder))
        # To ask takes nothing away.
        self.assertEqual(pid, locks.holder(self.folder))
        self.assertRaises(BlockingIOError, locks.acquire, self.folder)
        self._kill()
        self.assertIsNone(locks.holder(self.folder))

    def test_that_of_a_worker(self):
        self.assertIsNone(locks.worker(self.folder))
        locks.make_workers(self.folder)
        self.assertIsNone(locks.worker(self.folder))

        def act():
            locks.acquire_as_worker(self.folder)
            # Nothing can be written to it.
            self.assertRaises(OSError, os.write, locks.WORKER_DESCRIPTOR,
                              b'x')
        pid = self._child(act)
        self.assertEqual(pid, locks.worker(self.folder))
        self.assertEqual(pid, locks.worker(self.folder))
        self.assertRaises(FileNotFoundError, locks.holder, self.folder)
        self._kill()
        self.assertIsNone(locks.worker(self.folder))

    def test_pidfd_of_whoever_holds_one(self):
        self.assertIsNone(locks.pidfd_of(lambda: None))
        pid = self._child(lambda: locks.acquire(self.folder))
        found, pidfd = locks.pidfd_of(lambda: locks.holder(self.folder))
        self.assertEqual(pid, found)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self.assertIsNone(locks.pidfd_of(lambda: locks.holder(self.folder)))
        self._kill()

    def test_pidfd_of_one_that_is_another_by_now(self):
        pid = self._child(lambda: locks.acquire(self.folder))
        # One that has ended, one that lives, and the one that holds it then.
        held = [2 ** 22, os.getppid(), pid, pid, pid]
        found, pidfd = locks.pidfd_of(lambda: held.pop(0))
        os.close(pidfd)
        self.assertEqual((pid, []), (found, held))
        self._kill()

    def test_a_keeper_of_an_earlier_release(self):
        def act():
            with open(os.path.join(
                    self.folder, wire.KEEPER_LOCK), 'w') as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(f'{os.getpid()}\n')
                file.flush()
                os.dup(file.fileno())
        pid = self._child(act)
        self.assertEqual(pid, locks.holder(self.folder))
        self._kill()
        self.assertIsNone(locks.holder(self.folder))

    def test_a_number_that_names_nobody(self):
        for written, holder in ((b'4194305\n', 4194305), (b'9' * 30, None)):
            path = os.path.join(self.folder, wire.KEEPER_LOCK)
            with open(path, 'wb') as file:
                file.write(written)
                file.flush()
                fcntl.flock(file, fcntl.LOCK_EX)
                self.assertEqual(holder, locks.holder(self.folder))
                self.assertIsNone(locks.pidfd_of(
                    lambda: locks.holder(self.folder)))

    def test_a_file_that_is_removed_meanwhile(self):
        def removed_then_locked(*arguments):
            os.unlink(os.path.join(self.folder, wire.KEEPER_LOCK))
            return lockf(*arguments)
        lockf = fcntl.lockf
        with mock.patch.object(fcntl, 'lockf', removed_then_locked):
            self.assertRaises(FileNotFoundError, locks.acquire, self.folder)
        pid = self._child(lambda: locks.acquire(self.folder))
        self.assertEqual(pid, locks.holder(self.folder))
        self._kill()

    def test_a_link_is_no_lock(self):
        os.symlink('/dev/null', os.path.join(self.folder, wire.KEEPER_LOCK))
        self.assertRaises(OSError, locks.holder, self.folder)
        self.assertRaises(OSError, locks.acquire, self.folder)
