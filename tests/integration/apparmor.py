# SPDX-License-Identifier: Apache-2.0
"""AppArmor without a kernel that has it: what a profile lets a process do.

A profile is compiled as a host compiles it, and the automata that its kernel
would get are walked as that walks them (security/apparmor/match.c, file.c and
af_unix.c of Linux). So nothing here knows the form of a rule.

:func:`uses` is what a process that runs has open.
"""

import dataclasses
import functools
import operator
import os
import re
import socket
import stat
import struct
import subprocess

#: Writes a file's profiles to standard output, as the kernel would get them.
COMPILE = ('apparmor_parser', '--skip-kernel-load', '--skip-cache', '--quiet',
           '--stdout', '--features-file', '/etc/apparmor.d/abi/3.0')
#: Of the permissions of files, as a profile writes them.
_BITS = {'x': 0x1, 'w': 0x2, 'r': 0x4, 'a': 0x8, 'l': 0x10, 'k': 0x20,
         'm': 0x40}
#: In the first table: those of the owner of a file, and of others.
_OTHERS_SHIFT = 14
_START = 1
#: Tables of an automaton, and the flag of a state that continues another.
_ACCEPT, _BASE, _CHECK, _DEFAULT, _CLASSES, _NEXT = 1, 2, 3, 4, 5, 8
_CONTINUES = 1 << 31
#: How a rule of sockets is written down: AA_CLASS_NET, "no name", and "the
#: peer comes".
_NET, _ANONYMOUS, _PEER = 14, b'\1', b'\1'


class _Automaton:

    def __init__(self, data):
        position, end = struct.unpack_from('>4xII', data)
        self._tables = {_CLASSES: range(256)}
        while position < end:
            kind, width, count = struct.unpack_from('>HH4xI', data, position)
            self._tables[kind] = struct.unpack_from(
                f'>{count}{" BH I"[width]}', data, position + 12)
            position += -(-(12 + width * count) // 8) * 8

    def walk(self, data):
        """-> the permissions where it ends."""
        base, check, default, classes, following = map(
            self._tables.get, (_BASE, _CHECK, _DEFAULT, _CLASSES, _NEXT))
        state = _START
        for byte in data:
            while True:
                position = (base[state] & 0xffffff) + classes[byte]
                if check[position] == state:
                    state = following[position]
                    break
                continues = base[state] & _CONTINUES
                state = default[state]
                if not continues:
                    break
        return self._tables[_ACCEPT][state]


class Profile:
    """The first profile of a file.

    :param compiled: what :data:`COMPILE` makes of it.
    """

    def __init__(self, compiled):
        # Others may come after it.
        this = compiled.split(b'\x04\x08\0profile\0')[1]
        self._sockets, self._files = [
            _Automaton(this[this.index(b'\x1b\x5e\x78\x3d', each.end()):])
            for each in re.finditer(rb'\x04\x06\0aadfa\0', this)]

    def allows(self, path, permissions, owned=False):
        """-> whether all of these permissions of a file are given.

        :param permissions: letters, as in a rule.
        :param owned: whether the process is the user whose the file is.
        """
        found = self._files.walk(os.fsencode(path))
        given = found if owned else found >> _OTHERS_SHIFT
        return all(given & _BITS[each] for each in permissions)

    def allows_peer(self, label):
        """-> whether it may talk to a process, over sockets without names.

        :param label: the profile of that process.
        """
        given = self._sockets.walk(
            struct.pack('>BHHH', _NET, socket.AF_UNIX, socket.SOCK_STREAM, 0)
            + _ANONYMOUS + b'\0\0' + _PEER + _ANONYMOUS + b'\0'
            + label.encode())
        return all(given & _BITS[each] for each in 'rw')


@dataclasses.dataclass(frozen=True)
class Use:
    """A file that a process uses; ``permissions`` as in a rule."""

    path: str
    permissions: str
    owned: bool = False


def refused(profile, used):
    """-> those of :class:`Use` that a profile does not allow."""
    return sorted({each for each in used if not profile.allows(
        each.path, each.permissions, each.owned)}, key=str)


def uses(pid):
    """-> the :class:`Use` of a process: what it has open, has mapped, and is
    connected to, and which of its arguments are paths."""
    return {*_open_files(pid), *_mapped(pid), *_sockets(pid), *_given(pid)}


def _read(pid, name):
    # Abstract sockets have any name.
    with open(f'/proc/{pid}/{name}', errors='surrogateescape') as file:
        return file.read()


def _is_mediated(path):
    """Whether the kernel asks at all: it does not where a file cannot be
    named (SB_NOUSER: memfds, pipes, eventfds), and lets be what is deleted.
    """
    return path.startswith('/') and not path.endswith(' (deleted)')


def _use(pid, path, permissions, status):
    user = int(re.search(r'Uid:(?:\t\d+){3}\t(\d+)', _read(pid, 'status'))[1])
    return Use(path + '/' * (stat.S_ISDIR(status.st_mode) and path != '/'),
               permissions, status.st_uid == user)


def _open_files(pid):
    for number in os.listdir(f'/proc/{pid}/fd'):
        path = os.readlink(f'/proc/{pid}/fd/{number}')
        if not _is_mediated(path):
            continue
        told = _read(pid, f'fdinfo/{number}')
        flags = int(re.search(r'flags:\s+(\d+)', told)[1], 8)
        permissions = '' if flags & os.O_PATH else opened_for(flags)
        yield _use(pid, path, permissions + 'k' * ('\nlock:' in told),
                   os.stat(f'/proc/{pid}/fd/{number}'))


def opened_for(flags):
    """-> the permissions that open(2) asks for."""
    write = 'a' if flags & os.O_APPEND else 'w'
    return {os.O_RDONLY: 'r', os.O_WRONLY: write, os.O_RDWR: 'r' + write}[
        flags & os.O_ACCMODE]


def _mapped(pid):
    for line in _read(pid, 'maps').splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and _is_mediated(fields[5]):
            mode = fields[1]
            yield Use(fields[5], 'r' * ('r' in mode) + 'm' * ('x' in mode)
                      + 'w' * (mode[1] + mode[3] == 'ws'))


def _sockets(pid):
    """The paths of its unix sockets, and of those that they lead to."""
    ours = re.findall(r'socket:\[(\d+)\]', ' '.join(
        os.readlink(f'/proc/{pid}/fd/{number}')
        for number in os.listdir(f'/proc/{pid}/fd')))
    listed = subprocess.run(
        ['nsenter', '-t', str(pid), '-n', 'ss', '-xanH'], check=True,
        stdout=subprocess.PIPE, text=True).stdout.splitlines()
    peers = {local: peer for local, peer in (
        line.split()[5:8:2] for line in listed) if local in ours}
    # A peer may be in another network namespace.
    named = dict(name for each in os.listdir('/proc') if each.isdigit()
                 for name in _named(each))
    for inode in {*peers, *peers.values()} & {*named}:
        yield Use(named[inode], 'rw')


def _named(pid):
    try:
        lines = _read(pid, 'net/unix').splitlines()[1:]
    except OSError:         # it has ended
        return
    for fields in map(str.split, lines):
        # One that nobody has accepted yet has the number 0.
        if len(fields) == 8 and fields[7][0] == '/' and fields[6] != '0':
            yield fields[6], fields[7]


def _given(pid):
    arguments = _read(pid, 'cmdline')
    for path in set(re.findall(r'(?:^|[\0=,:"])(/[^\0=,:"]+)', arguments)):
        try:
            status = os.stat(f'/proc/{pid}/root{path}')
        except FileNotFoundError:
            continue        # a name of which others are made
        yield _use(pid, path, 'rw' if stat.S_ISSOCK(status.st_mode) else 'r',
                   status)


#: The system calls of :func:`traced`.
TRACED = 'open,openat,bind,connect,sendto,link,linkat,%s' % ','.join(
    _CHANGES := (
        'mkdir', 'mkdirat', 'rmdir', 'mknod', 'mknodat', 'unlink', 'unlinkat',
        'rename', 'renameat', 'renameat2', 'symlink', 'symlinkat', 'truncate',
        'chmod', 'fchmodat', 'fchmod', 'chown', 'fchownat', 'fchown'))
_CALL = re.compile(r'(\w+)\((.*)\) += \d+(?:<(.*)>)?')
_PATH = re.compile(r'(?:<(/[^>]*)>, )?"([^"]*)"')


def traced(text):
    """-> the :class:`Use` of what a process did.

    :param text: of strace -ff -y, of one process.
    """
    found = set()
    for name, arguments, opened in _CALL.findall(text):
        paths = [os.path.normpath(os.path.join(folder or '/', path))
                 for folder, path in _PATH.findall(arguments)]
        if name.startswith('open'):
            flags = functools.reduce(operator.or_, (
                getattr(os, each, 0)
                for each in re.findall(r'O_\w+', arguments)))
            # What is named only is connected to.
            wanted = 'rw' if flags & os.O_PATH else opened_for(flags)
            found.add(Use(opened + '/' * bool(flags & os.O_DIRECTORY),
                          wanted + 'w' * bool(flags & os.O_CREAT)))
        elif name in ('bind', 'connect', 'sendto'):
            found |= {Use(path, 'w') for path in re.findall(
                'sun_path="(/[^"]*)"', arguments)
                if not path.startswith('/proc/')}
        elif name.startswith('link'):
            found.add(Use(paths[1], 'l'))
        else:
            found |= {Use(path, 'w') for path in paths or
                      re.findall('<(/[^>]*)>', arguments)}
    return {each for each in found if _is_mediated(each.path)}
