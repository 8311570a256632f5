# SPDX-License-Identifier: Apache-2.0
"""What a worker may do, once it holds all that it needs.

It reads what a guest, its QEMU and a Domain R wrote. Whoever makes it run code
of his own has its descriptors, which are its pair's, and nothing else.
"""

import codecs
import errno
import fcntl
import logging
import mmap
import os
import resource
import socket
import termios
import time
from collections.abc import Iterable

from nova_dmore.posix import landlock
from nova_dmore.posix import log
from nova_dmore.posix import seccomp

LOG = logging.getLogger(__name__)

# Python looks for the code of an encoding when it is first used.
codecs.lookup('unicode_escape')

#: How much more memory, in bytes, than when it is confined: the region and
#: the journal are mapped afterwards.
MEMORY_MAX = 128 << 20
#: Its pair's, and one for each connection of nova-compute.
DESCRIPTORS_MAX = 256
#: The log's file is not written beyond this, in bytes, whatever writes.
LOG_FILE_MAX = log.FILE_MAX + log.BYTES_BURST

#: <linux/mman.h>, <linux/futex.h>, <asm-generic/socket.h>
_MAP_TYPE, _MREMAP_MAYMOVE = 0xf, 1
_FUTEX_COMMAND = 0xffffffff & ~(128 | 256)
_FUTEX_WAIT, _FUTEX_WAKE, _FUTEX_WAIT_BITSET = 0, 1, 9
_SO_PROTOCOL, _SO_DOMAIN = 38, 39

_NOT_EXECUTABLE = seccomp.masked(2, mmap.PROT_EXEC, 0)


def _mapping(flags: int) -> seccomp.Call:
    return seccomp.Call('mmap', (_NOT_EXECUTABLE, seccomp.masked(
        3, _MAP_TYPE | mmap.MAP_ANONYMOUS, flags)))


def _each(name: str, argument: int, values: Iterable[int]
          ) -> list[seccomp.Call]:
    return [seccomp.Call(name, (seccomp.equals(argument, value),))
            for value in values]


#: There is one thread, and it never asks about a file: fstat(3) of glibc is a
#: call that takes a path, too, and a filter cannot see whether it is empty.
ALLOWED = (
    *map(seccomp.Call, (
        # descriptors that it has, or is given
        'read', 'readv', 'write', 'lseek', 'close',
        'recvfrom', 'recvmsg', 'sendmsg', 'getpeername', 'getsockname',
        'epoll_ctl', 'epoll_wait', 'epoll_pwait',
        # memory
        'brk', 'munmap',
        # itself and the time
        'clock_gettime', 'gettimeofday', 'time', 'exit', 'exit_group',
        'getpid', 'getrandom', 'restart_syscall', 'rt_sigprocmask',
        'rt_sigreturn', 'sched_yield')),
    # to whom it is connected, never to an address
    seccomp.Call('sendto', (seccomp.equals(4, 0),)),
    *_each('fcntl', 1, (fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETPIPE_SZ)),
    *_each('ioctl', 1, (termios.FIONBIO, termios.FIONREAD,
                        termios.TIOCOUTQ)),
    *(seccomp.Call('getsockopt', (seccomp.equals(1, socket.SOL_SOCKET),
                                  seccomp.equals(2, option)))
      for option in (socket.SO_TYPE, socket.SO_ERROR, _SO_PROTOCOL,
                     _SO_DOMAIN)),
    _mapping(mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
    _mapping(mmap.MAP_SHARED),
    *_each('mremap', 3, (_MREMAP_MAYMOVE,)),
    *_each('madvise', 2, (mmap.MADV_DONTNEED, mmap.MADV_FREE)),
    *(seccomp.Call('futex', (seccomp.masked(1, _FUTEX_COMMAND, command),))
      for command in (_FUTEX_WAIT, _FUTEX_WAKE, _FUTEX_WAIT_BITSET)),
)

#: No library tries these to see whether it may: somebody else's code runs.
FATAL = (
    'execve', 'execveat', 'fork', 'vfork', 'clone', 'clone3', 'ptrace',
    'process_vm_readv', 'process_vm_writev', 'process_madvise',
    'pidfd_open', 'pidfd_getfd', 'pidfd_send_signal', 'kcmp',
    'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'unshare', 'setns', 'chroot',
    'pivot_root', 'mount', 'umount2', 'fsopen', 'fsmount', 'move_mount',
    'open_tree', 'open_by_handle_at', 'bpf', 'perf_event_open',
    'userfaultfd', 'io_uring_setup', 'io_uring_enter', 'io_uring_register',
    'keyctl', 'add_key', 'request_key', 'init_module', 'finit_module',
    'delete_module', 'kexec_load', 'kexec_file_load', 'reboot', 'swapon',
    'setuid', 'setgid', 'setreuid', 'setregid', 'setresuid', 'setresgid',
    'setgroups', 'capset', 'personality', 'modify_ldt', 'memfd_create',
    'memfd_secret', 'shmget', 'shmat', 'bind', 'listen', 'accept', 'accept4',
    'iopl', 'ioperm',
)

_FILTER = seccomp.Filter(ALLOWED, FATAL)


def confine() -> None:
    """Give up all that a worker does not need, for good.

    What it will import has to be imported, and its event loop made. Called
    once it is the user that it stays.

    :raises seccomp.Unavailable: this host cannot; nothing may go on then.
    """
    _forget_environment()
    _limit()
    if not landlock.give_up_everything():
        LOG.info('The kernel has no Landlock: the filter of system calls '
                 'alone keeps the worker from files and sockets')
    _FILTER.load()
    _make_sure()


def _forget_environment() -> None:
    zone = os.environ.get('TZ', ':/etc/localtime')
    os.environ.clear()
    # strftime(3) would look at that file each time if it were not named.
    os.environ['TZ'] = zone
    time.tzset()


def _limit() -> None:
    with open('/proc/self/statm') as statm:
        size = int(statm.read().split()[0]) * mmap.PAGESIZE
    for which, most in ((resource.RLIMIT_AS, size + MEMORY_MAX),
                        (resource.RLIMIT_NOFILE, DESCRIPTORS_MAX),
                        (resource.RLIMIT_FSIZE, LOG_FILE_MAX),
                        (resource.RLIMIT_MEMLOCK, 0),
                        # No other process counts here: it limits what this
                        # one may start.
                        (resource.RLIMIT_NPROC, 0)):
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(which, (most, most))


def _make_sure() -> None:
    """See a forbidden call fail: no filter is taken at its word."""
    try:
        os.close(os.open('/', os.O_PATH))
    except OSError as e:
        if e.errno == errno.EPERM:
            return
    raise seccomp.Unavailable('a filter was loaded and does not filter')
