# SPDX-License-Identifier: Apache-2.0
"""System-call filters, made and loaded by libseccomp (seccomp(2)).

systemd needs that library, so every host has it; its own Python binding is not
on PyPI, and those that are there are not maintained.
"""

import ctypes
import dataclasses
import errno
import os

_NAME = 'libseccomp.so.2'
try:
    # Now: a process that is to be filtered may have no files any more.
    _LIBRARY = ctypes.CDLL(_NAME)
    _LIBRARY.seccomp_init.restype = ctypes.c_void_p
except OSError:
    _LIBRARY = None

#: <seccomp.h>: actions, comparisons, attributes, and "no such call".
_ALLOW = 0x7fff0000
_KILL_PROCESS = 0x80000000
_FAIL = 0x00050000 | errno.EPERM
_EQUAL, _MASKED_EQUAL = 4, 7
_ON_OTHER_ARCHITECTURE = 2
_NO_SUCH_CALL = -1


class Unavailable(Exception):
    """This host cannot filter system calls; the text says what it lacks."""


class _Comparison(ctypes.Structure):
    _fields_ = [('argument', ctypes.c_uint), ('operation', ctypes.c_int),
                ('first', ctypes.c_uint64), ('second', ctypes.c_uint64)]


@dataclasses.dataclass(frozen=True)
class Call:
    """A system call, with all of the ``conditions`` if there are any."""

    name: str
    conditions: tuple = ()


def equals(argument, value):
    """-> the condition that an argument, numbered from 0, has this value."""
    return (argument, _EQUAL, value, 0)


def masked(argument, mask, value):
    """-> the condition that these bits of an argument are ``value``."""
    return (argument, _MASKED_EQUAL, mask, value)


class Filter:
    """A filter: what it does not name fails with EPERM.

    A call of another architecture than the kernel's native one, and of x32,
    ends the process.

    :param allowed: :class:`Call`; a name may come more than once.
    :param fatal: names of calls that end the process. Names that this
        libseccomp does not know are left out, here and in ``allowed``: they
        fail like all others.
    :raises Unavailable: there is no libseccomp that can do so.
    """

    def __init__(self, allowed, fatal=()):
        if _LIBRARY is None:
            raise Unavailable(f'{_NAME} is not installed')
        self._context = ctypes.c_void_p(_LIBRARY.seccomp_init(_FAIL))
        if not self._context:
            raise Unavailable(f'{_NAME} cannot make a filter')
        self._call('seccomp_attr_set', _ON_OTHER_ARCHITECTURE,
                   ctypes.c_uint32(_KILL_PROCESS))
        for each in allowed:
            self._add(_ALLOW, each)
        for name in fatal:
            self._add(_KILL_PROCESS, Call(name))

    def load(self):
        """Apply it to this process, which then has no new privileges.

        :raises Unavailable: the kernel has no such filters.
        """
        self._call('seccomp_load')
        _LIBRARY.seccomp_release(self._context)

    def _add(self, action, call):
        number = _LIBRARY.seccomp_syscall_resolve_name(call.name.encode())
        if number == _NO_SUCH_CALL:
            return
        conditions = (_Comparison * len(call.conditions))(*call.conditions)
        self._call('seccomp_rule_add_array', ctypes.c_uint32(action), number,
                   len(conditions), conditions)

    def _call(self, name, *arguments):
        error = -getattr(_LIBRARY, name)(self._context, *arguments)
        if error:
            raise Unavailable(f'{name}: {os.strerror(error)} (a kernel with '
                              'CONFIG_SECCOMP_FILTER is needed, 4.14 or '
                              'newer, and libseccomp 2.4 or newer)')
