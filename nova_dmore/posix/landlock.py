# SPDX-License-Identifier: Apache-2.0
"""Give up all that Landlock can take from a process (landlock(7)).

No library does this for Python; it is two system calls.
"""

import ctypes
import os

from nova_dmore.posix import libc

#: The same on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446

#: Per version of Landlock's ABI, from 1 on: the rights to files, and to TCP,
#: and the scopes, that it knows. Versions 7 and 8 added none.
_KNOWN = ((13, 0, 0), (14, 0, 0), (15, 0, 0), (15, 2, 0), (16, 2, 0),
          (16, 2, 2), (16, 2, 2), (16, 2, 2), (17, 2, 2))
#: As many without sockets that have a file, and without signals.
_FILES, _ABSTRACT = 16, 1


class _Ruleset(ctypes.Structure):
    _fields_ = [('files', ctypes.c_uint64), ('tcp', ctypes.c_uint64),
                ('scopes', ctypes.c_uint64)]


def give_up_everything(has_peers: bool = False) -> bool:
    """Have no right to open, make or change a file, to bind or connect TCP,
    to connect to others' abstract sockets, or to signal others.

    :param has_peers: whether signals, and connections to sockets that have a
        file, stay allowed.

    As far as the kernel knows these; descriptors that are open stay so. It
    needs no privileges, but that the process can gain none
    (:func:`nova_dmore.posix.privileges.restrict`).

    -> whether the kernel has Landlock at all, and it is on.
    """
    # The newest is tried first, and no kernel is asked for its version: Red
    # Hat's 5.14 says 6, and knows only one of the two scopes of that.
    for files, tcp, scopes in reversed(_KNOWN):
        if has_peers:
            files, scopes = min(files, _FILES), min(scopes, _ABSTRACT)
        ruleset = _Ruleset(*((1 << count) - 1
                             for count in (files, tcp, scopes)))
        # Older kernels accept a structure with fields that they do not know
        # if these are 0.
        try:
            descriptor = libc.call(
                'syscall', _CREATE_RULESET, ctypes.byref(ruleset),
                ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
            break
        except OSError:
            continue
    else:
        return False
    try:
        libc.call('syscall', _RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)
    return True
