# SPDX-License-Identifier: Apache-2.0
"""What somebody tries whose code runs in a worker.

Each attack takes a :class:`World` and returns what it has gained, or raises.
"""

import ctypes
import dataclasses
import errno
import fcntl
import mmap
import os
import socket
import threading

from nova_dmore.posix import locks

_PTRACE_ATTACH, _PR_SET_DUMPABLE, _CLONE_NEWUSER = 16, 4, 0x10000000
_TIOCSTI = 0x5412
#: Of a call that is none of the kernel's native ones.
_X32 = 0x40000000

_LIBC = ctypes.CDLL(None, use_errno=True)
_SECCOMP = ctypes.CDLL('libseccomp.so.2')


@dataclasses.dataclass(frozen=True)
class World:
    """What there is beside the worker."""

    directory: str      # of a pair; anybody may read and write it
    configuration: str  # a file there, as nova.conf
    monitor: str        # a socket there, as QEMU's monitor and libvirt's
    abstract: bytes     # a socket without a file
    port: int           # TCP, of this host
    keeper: int         # process id of one of the same user


def _call(name, *arguments):
    """Make a system call by its name, without a library's own mind."""
    number = _SECCOMP.seccomp_syscall_resolve_name(name.encode())
    assert number >= 0, name
    return _numbered(number, *arguments)


def _numbered(number, *arguments):
    result = _LIBC.syscall(ctypes.c_long(number), *(
        ctypes.c_long(each) if isinstance(each, int) else each
        for each in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return result


def _read(path):
    with open(path, 'rb') as file:
        return len(file.read(100))


def _write(path):
    with open(path, 'wb') as file:
        return file.write(b'mine')


def _connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as sock:
        return str(sock.connect(address))


def _bind(world):
    with socket.socket(socket.AF_UNIX) as sock:
        return str(sock.bind(os.path.join(world.directory, 'mine')))


def _map(size, protection, flags):
    memory = mmap.mmap(-1, size, flags=flags, prot=protection)
    return len(memory)


def _descriptors(world):
    return len([os.dup(0) for _ in range(10000)])


def _fork(world):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def start_thread(world):
    """-> that it runs; it may be ended for it, or fail."""
    thread = threading.Thread(target=os.getpid)
    try:
        thread.start()
    except RuntimeError as e:
        # The C library cannot make a stack for it. Where one is left of an
        # earlier thread it gets farther, and the process is ended.
        raise OSError(errno.EPERM, str(e)) from e
    thread.join()
    return 'started'


def _fill_log(world):
    while True:
        os.write(2, b'x' * (1 << 20))


def _read_keeper(world):
    # One vector of local, one of foreign memory: both of nowhere.
    vector = (ctypes.c_uint64 * 2)(0, 0)
    return _call('process_vm_readv', world.keeper, vector, 1, vector, 1, 0)


_ALL = mmap.PROT_READ | mmap.PROT_WRITE
_ALONE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_SHARED = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS

#: Those that succeed for any process of an unprivileged user.
FILES = {
    'read a file of the host': lambda world: _read('/etc/passwd'),
    'read nova.conf': lambda world: _read(world.configuration),
    'ask for nova.conf': lambda world: os.stat(world.configuration).st_size,
    "list a pair's folder": lambda world: len(
        os.listdir(world.directory)),
    'write nova.conf': lambda world: _write(world.configuration),
    'truncate nova.conf': lambda world: str(
        os.truncate(world.configuration, 0)),
    'make a file': lambda world: _write(
        os.path.join(world.directory, 'new')),
    'make a FIFO': lambda world: str(
        os.mkfifo(os.path.join(world.directory, 'fifo'))),
    'open a folder': lambda world: os.open(world.directory, os.O_PATH),
    'change a mode': lambda world: str(
        os.chmod(os.path.join(world.directory, 'new'), 0o666)),
    'where am I': lambda world: os.getcwd(),
    'remove nova.conf': lambda world: str(os.unlink(world.configuration)),
}
SOCKETS = {
    "connect to a monitor or to libvirt": lambda world: _connect(
        socket.AF_UNIX, world.monitor),
    'connect to an abstract socket': lambda world: _connect(
        socket.AF_UNIX, world.abstract),
    'connect to a port': lambda world: _connect(
        socket.AF_INET, ('127.0.0.1', world.port)),
    'send a datagram': lambda world: _connect(
        socket.AF_INET, ('127.0.0.1', world.port), socket.SOCK_DGRAM),
    'make a netlink socket': lambda world: socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW).detach(),
    'listen': _bind,
    'make a pair of sockets': lambda world: len(socket.socketpair()),
    'make a pipe': lambda world: len(os.pipe()),
}
PROCESSES = {
    'signal the keeper': lambda world: str(os.kill(world.keeper, 0)),
    'have the keeper signalled': lambda world: fcntl.fcntl(
        2, fcntl.F_SETOWN, world.keeper),
    'read priorities': lambda world: os.getpriority(
        os.PRIO_PROCESS, world.keeper),
    'choose a processor': lambda world: str(
        os.sched_setaffinity(0, os.sched_getaffinity(0))),
    'name itself': lambda world: _call('prctl', 15, b'kthreadd', 0, 0, 0),
    'let others trace it': lambda world: _call(
        'prctl', _PR_SET_DUMPABLE, 1, 0, 0, 0),
}
#: By which the host service knows it when its keeper has ended.
LOCK = {
    'lose its lock': lambda world: str(os.close(locks.WORKER_DESCRIPTOR)),
    'lose it by a copy': lambda world: str(
        os.close(os.dup(locks.WORKER_DESCRIPTOR))),
    'unlock': lambda world: fcntl.lockf(
        locks.WORKER_DESCRIPTOR, fcntl.LOCK_UN) or 'unlocked',
}
#: Those that no library tries: they end the process.
KILLED = {
    'fork': _fork,
    'run a program': lambda world: os.execv('/bin/true', ['true']),
    'make a file without a name': lambda world: os.memfd_create('x'),
    'hold the keeper': lambda world: _call('pidfd_open', world.keeper, 0),
    "read the keeper's memory": _read_keeper,
    'trace the keeper': lambda world: _call(
        'ptrace', _PTRACE_ATTACH, world.keeper, 0, 0),
}
#: Those that may fail without a filter, too, on some hosts.
KERNEL_KILLED = {
    'namespaces': lambda world: _call('unshare', _CLONE_NEWUSER),
    'mount': lambda world: _call('mount', b'x', b'/tmp', b'tmpfs', 0, b''),
    'bpf': lambda world: _call('bpf', 0, 0, 0),
    'io_uring': lambda world: _call('io_uring_setup', 1, bytes(200)),
    'userfaultfd': lambda world: _call('userfaultfd', 1),
    'keyctl': lambda world: _call('keyctl', 0, -3, 0),
    'add_key': lambda world: _call('add_key', b'user', b'x', b'x', 1, -3),
    'perf events': lambda world: _call('perf_event_open', bytes(200), 0, -1,
                                       -1, 0),
    'become root': lambda world: os.setuid(0),
    'x32': lambda world: _numbered(_X32 | 39),
}
KERNEL = {
    'another filter': lambda world: _call('seccomp', 1, 0, bytes(16)),
    'Landlock': lambda world: _call('landlock_create_ruleset', 0, 0, 1),
    'type for others': lambda world: fcntl.ioctl(2, _TIOCSTI, b'x'),
    'priority': lambda world: str(os.setpriority(os.PRIO_PROCESS, 0, -20)),
    'real time': lambda world: str(os.sched_setscheduler(
        0, os.SCHED_FIFO, os.sched_param(50))),
    'signal process 1': lambda world: str(os.kill(1, 0)),
    "the keeper's memory as a file": lambda world: _read(
        f'/proc/{world.keeper}/mem'),
    'its own memory as a file': lambda world: _write('/proc/self/mem'),
}
CODE = {
    'map memory as code': lambda world: _map(
        4096, _ALL | mmap.PROT_EXEC, _ALONE),
    'map shared memory': lambda world: _map(4096, _ALL, _SHARED),
}
#: What is counted, and what it fails with where there is no more.
BUDGETS = {
    'memory': (lambda world: _map(10 << 30, _ALL, _ALONE), 'ENOMEM'),
    'memory of Python': (lambda world: len(bytearray(1 << 30)), 'ENOMEM'),
    'descriptors': (_descriptors, 'EMFILE'),
    'the log': (_fill_log, 'EFBIG'),
}
