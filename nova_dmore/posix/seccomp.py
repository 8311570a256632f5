# SPDX-License-Identifier: Apache-2.0
"""System-call filters, made by libseccomp (seccomp(2)).

systemd needs that library, so every host has it; its own Python binding is not
on PyPI, and those that are there are not maintained.
"""

import ctypes
import dataclasses
import errno
import os
from collections.abc import Iterable
from typing import TypeAlias

from nova_dmore.posix import libc

_NAME = 'libseccomp.so.2'
_LIBRARY: ctypes.CDLL | None
try:
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
#: libseccomp's first API level (seccomp_api_get) at which a filter can end the
#: process, and not its thread alone.
_API_KILL_PROCESS = 3

#: <linux/prctl.h>, <linux/seccomp.h>; bytes of struct sock_filter.
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_INSTRUCTION = 8


#: The argument's number, an operation, and its two operands.
Condition: TypeAlias = tuple[int, int, int, int]


class Unavailable(Exception):
    """This host cannot filter system calls; the text says what it lacks."""


class _Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('code', ctypes.c_char_p)]


class _Comparison(ctypes.Structure):
    _fields_ = [('argument', ctypes.c_uint), ('operation', ctypes.c_int),
                ('first', ctypes.c_uint64), ('second', ctypes.c_uint64)]


@dataclasses.dataclass(frozen=True)
class Call:
    """A system call, with all of the ``conditions`` if there are any."""

    name: str
    conditions: tuple[Condition, ...] = ()


def equals(argument: int, value: int) -> Condition:
    """-> the condition that an argument, numbered from 0, has this value."""
    return (argument, _EQUAL, value, 0)


def masked(argument: int, mask: int, value: int) -> Condition:
    """-> the condition that these bits of an argument are ``value``."""
    return (argument, _MASKED_EQUAL, mask, value)


class Filter:
    """A filter: what it does not name fails with EPERM.

    A call of another architecture than the kernel's native one, and of x32,
    ends the process. Make it before processes are forked that load it: it
    takes libseccomp a MiB of memory, which they then share.

    :param allowed: :class:`Call`; a name may come more than once.
    :param fatal: names of calls that end the process. Names that this
        libseccomp does not know are left out, here and in ``allowed``: they
        fail like all others.
    """

    def __init__(self, allowed: Iterable[Call],
                 fatal: Iterable[str] = ()) -> None:
        self._program, self._lack = b'', ''
        try:
            self._program = _compiled(allowed, fatal)
        except Unavailable as e:
            self._lack = str(e)

    def load(self) -> None:
        """Apply it to this process, which can gain no privileges any more
        (:func:`nova_dmore.posix.privileges.restrict`).

        :raises Unavailable: the library or the kernel has no such filters.
        """
        if self._lack:
            raise Unavailable(self._lack)
        program = _Program(len(self._program) // _INSTRUCTION, self._program)
        try:
            libc.call('prctl', _PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER),
                      ctypes.byref(program), 0, 0)
        except OSError as e:
            raise Unavailable(
                f'the kernel takes no filter: {e.strerror} '
                '(CONFIG_SECCOMP_FILTER is needed)') from e


def _compiled(allowed: Iterable[Call], fatal: Iterable[str]) -> bytes:
    """-> a program for the kernel."""
    if _LIBRARY is None:
        raise Unavailable(f'{_NAME} is not installed')
    if _LIBRARY.seccomp_api_get() < _API_KILL_PROCESS:
        raise Unavailable('Linux 4.14 and libseccomp 2.4 or newer are needed')
    context = ctypes.c_void_p(_LIBRARY.seccomp_init(_FAIL))
    try:
        _call('seccomp_attr_set', context, _ON_OTHER_ARCHITECTURE,
              ctypes.c_uint32(_KILL_PROCESS))
        for each in allowed:
            _add(context, _ALLOW, each)
        for name in fatal:
            _add(context, _KILL_PROCESS, Call(name))
        descriptor = os.memfd_create('filter', os.MFD_CLOEXEC)
        with open(descriptor, 'rb') as file:
            _call('seccomp_export_bpf', context, descriptor)
            file.seek(0)
            return file.read()
    finally:
        _LIBRARY.seccomp_release(context)


def _add(context: ctypes.c_void_p, action: int, call: Call) -> None:
    assert _LIBRARY is not None     # who compiles has checked
    number = _LIBRARY.seccomp_syscall_resolve_name(call.name.encode())
    if number == _NO_SUCH_CALL:
        return
    conditions = (_Comparison * len(call.conditions))(
        *(_Comparison(*each) for each in call.conditions))
    _call('seccomp_rule_add_array', context, ctypes.c_uint32(action), number,
          len(conditions), conditions)


def _call(name: str, *arguments: object) -> None:
    error = -getattr(_LIBRARY, name)(*arguments)
    if error:
        raise Unavailable(f'{name}: {os.strerror(error)}')
