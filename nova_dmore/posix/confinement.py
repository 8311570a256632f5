# SPDX-License-Identifier: Apache-2.0
"""What keeper and worker of a pair give up, for good, each its own.

Each of them names the system calls that it needs; here is what is the same.
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

# Python imports the code of an encoding when it is first used.
codecs.lookup('unicode_escape')

#: The log's file is not written beyond this, in bytes, whatever writes.
LOG_FILE_MAX = log.FILE_MAX + log.BYTES_BURST

#: <linux/mman.h>, <linux/futex.h>, <asm-generic/socket.h>
_MAP_TYPE, _MREMAP_MAYMOVE = 0xf, 1
_FUTEX_COMMAND = 0xffffffff & ~(128 | 256)
_FUTEX_WAIT, _FUTEX_WAKE, _FUTEX_WAIT_BITSET = 0, 1, 9
_SO_PROTOCOL, _SO_DOMAIN = 38, 39

_NOT_EXECUTABLE = seccomp.masked(2, mmap.PROT_EXEC, 0)


def mapping(flags: int) -> seccomp.Call:
    """-> mmap of these ``MAP_`` flags, of what is no code."""
    return seccomp.Call('mmap', (_NOT_EXECUTABLE, seccomp.masked(
        3, _MAP_TYPE | mmap.MAP_ANONYMOUS, flags)))


def each(name: str, argument: int, values: Iterable[int]
         ) -> list[seccomp.Call]:
    """-> a call for each of the values that an argument may have."""
    return [seccomp.Call(name, (seccomp.equals(argument, value),))
            for value in values]


def socket_options(options: Iterable[int]) -> list[seccomp.Call]:
    """-> the calls that ask for these options of a socket."""
    return [seccomp.Call('getsockopt', (
        seccomp.equals(1, socket.SOL_SOCKET), seccomp.equals(2, option)))
        for option in options]


#: What a Python that waits for descriptors uses. There is one thread, and it
#: never asks about a file: fstat(3) of glibc is a call that takes a path, too,
#: and a filter cannot see whether it is empty.
COMMON = (
    *map(seccomp.Call, (
        # descriptors that it has, or is given
        'read', 'write', 'lseek',
        'recvfrom', 'recvmsg', 'getpeername', 'getsockname',
        'epoll_ctl', 'epoll_wait', 'epoll_pwait',
        # memory
        'brk', 'munmap',
        # itself and the time
        'clock_gettime', 'gettimeofday', 'time', 'exit', 'exit_group',
        'getpid', 'getrandom', 'restart_syscall', 'rt_sigprocmask',
        'rt_sigreturn', 'sched_yield')),
    # to whom it is connected, never to an address
    seccomp.Call('sendto', (seccomp.equals(4, 0),)),
    *each('fcntl', 1, (fcntl.F_GETPIPE_SZ,)),
    *each('ioctl', 1, (termios.FIONBIO, termios.FIONREAD,
                       termios.TIOCOUTQ)),
    *socket_options((socket.SO_TYPE, socket.SO_ERROR, _SO_PROTOCOL,
                     _SO_DOMAIN)),
    mapping(mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS),
    *each('mremap', 3, (_MREMAP_MAYMOVE,)),
    *each('madvise', 2, (mmap.MADV_DONTNEED, mmap.MADV_FREE)),
    *(seccomp.Call('futex', (seccomp.masked(1, _FUTEX_COMMAND, command),))
      for command in (_FUTEX_WAIT, _FUTEX_WAKE, _FUTEX_WAIT_BITSET)),
)

#: No library tries these to see whether it may: somebody else's code runs.
FATAL = (
    'execve', 'execveat', 'fork', 'vfork', 'clone', 'clone3', 'ptrace',
    'process_vm_readv', 'process_vm_writev', 'process_madvise',
    'pidfd_open', 'pidfd_getfd', 'kcmp',
    'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'unshare', 'setns', 'chroot',
    'pivot_root', 'mount', 'umount2', 'fsopen', 'fsmount', 'move_mount',
    'open_tree', 'open_by_handle_at', 'bpf', 'perf_event_open',
    'userfaultfd', 'io_uring_setup', 'io_uring_enter', 'io_uring_register',
    'keyctl', 'add_key', 'request_key', 'init_module', 'finit_module',
    'delete_module', 'kexec_load', 'kexec_file_load', 'reboot', 'swapon',
    'setuid', 'setgid', 'setreuid', 'setregid', 'setresuid', 'setresgid',
    'setgroups', 'capset', 'personality', 'modify_ldt', 'memfd_create',
    'memfd_secret', 'shmget', 'shmat', 'bind', 'listen', 'iopl', 'ioperm',
)


def confine(calls: seccomp.Filter, limits: dict[int, int], memory: int,
            has_peers: bool = False) -> None:
    """Give up all that is not needed, for good.

    What will be imported has to be imported, and the event loop made.

    :param calls: :class:`seccomp.Filter`.
    :param limits: of ``resource.RLIMIT_``..., beside those that both have.
    :param memory: how much more of it, in bytes, than now.
    :param has_peers: whether it connects to sockets that have a file, and
        signals a process that it did not start.
    :raises seccomp.Unavailable: this host cannot; nothing may go on then.
    """
    forget_environment()
    limit(limits, memory)
    if not landlock.give_up_everything(has_peers):
        LOG.info('The kernel has no Landlock: the filter of system calls '
                 'alone keeps this process from files and sockets')
    calls.load()
    _make_sure()


def forget_environment() -> None:
    """Have none, but the time zone."""
    zone = os.environ.get('TZ', ':/etc/localtime')
    os.environ.clear()
    # strftime(3) would stat that file each time if it were not named.
    os.environ['TZ'] = zone
    time.tzset()


def limit(limits: dict[int, int], memory: int) -> None:
    """See :func:`confine`; limits that are stricter stay."""
    with open('/proc/self/statm') as statm:
        size = int(statm.read().split()[0]) * mmap.PAGESIZE
    for which, most in {resource.RLIMIT_AS: size + memory,
                        resource.RLIMIT_FSIZE: LOG_FILE_MAX,
                        resource.RLIMIT_MEMLOCK: 0,
                        # No other process counts here: it limits what this
                        # one may start.
                        resource.RLIMIT_NPROC: 0, **limits}.items():
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(which, (most, most))


def _make_sure() -> None:
    """See a forbidden call fail: no filter is taken at its word."""
    try:
        os.close(os.open('/', os.O_RDONLY | os.O_DIRECTORY))
    except OSError as e:
        if e.errno == errno.EPERM:
            return
    raise seccomp.Unavailable('a filter was loaded and does not filter')
