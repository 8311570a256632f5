# SPDX-License-Identifier: Apache-2.0
"""Landlock, in forks of this process."""

import ctypes
import errno
import os
import socket
import tempfile

from oslotest import base

from nova_dmore.posix import landlock
from nova_dmore.posix import privileges
from nova_dmore.posix import seccomp
from tests.unit.posix import in_child

_LIBC = ctypes.CDLL(None, use_errno=True)


def _version():
    """-> that of the kernel's interface; 0: it has none, or it is off."""
    return max(0, _LIBC.syscall(444, None, ctypes.c_size_t(0), 1))


class TestLandlock(base.BaseTestCase):

    def test_nothing_is_left(self):
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen()
            address = listener.getsockname()

            def probe():
                privileges.restrict()
                has = landlock.give_up_everything()
                with socket.socket() as sock:
                    return [has, in_child.error(lambda: os.listdir('/')),
                            in_child.error(lambda: sock.connect(address)),
                            in_child.error(lambda: os.kill(os.getppid(), 0))]
            version = _version()
            self.assertEqual(str([
                version > 0, errno.EACCES if version > 0 else None,
                errno.EACCES if version > 3 else None,
                errno.EPERM if version > 5 else None]),
                in_child.outcome(probe))

    def test_peers_stay(self):
        """Sockets that have a file, and others' processes."""
        with (tempfile.TemporaryDirectory() as folder,
              socket.socket(socket.AF_UNIX) as listener,
              socket.socket(socket.AF_UNIX) as abstract):
            path, name = os.path.join(folder, 's'), b'\0' + os.urandom(8)
            for each, address in ((listener, path), (abstract, name)):
                each.bind(address)
                each.listen()

            def connect(address):
                with socket.socket(socket.AF_UNIX) as sock:
                    return in_child.error(lambda: sock.connect(address))

            def probe():
                privileges.restrict()
                landlock.give_up_everything(has_peers=True)
                return [in_child.error(lambda: os.listdir('/')),
                        connect(path), connect(name),
                        in_child.error(lambda: os.kill(os.getppid(), 0))]
            version = _version()
            self.assertEqual(str([
                errno.EACCES if version > 0 else None, None,
                errno.EPERM if version > 5 else None, None]),
                in_child.outcome(probe))

    def test_open_descriptors_stay(self):
        def probe():
            privileges.restrict()
            null = os.open('/dev/null', os.O_WRONLY)
            landlock.give_up_everything()
            return os.write(null, b'abc')
        self.assertEqual('3', in_child.outcome(probe))

    def test_kernel_without_it(self):
        """As one that does not know the call, or whose container forbids
        it."""
        def probe():
            privileges.restrict()
            seccomp.Filter(map(seccomp.Call, (
                'write', 'close', 'exit_group', 'openat', 'newfstatat',
                'fstat', 'read', 'lseek', 'mmap', 'munmap', 'brk', 'futex',
                'mprotect', 'ioctl', 'getdents64'))).load()
            return landlock.give_up_everything()
        self.assertEqual('False', in_child.outcome(probe))
