# SPDX-License-Identifier: Apache-2.0
"""Checks of a list of system calls, by their names."""

import ctypes

#: Architectures as libseccomp names them, and what they never had.
_X86_64, _AARCH64 = 0xc000003e, 0xc00000b7
NOT_ON_AARCH64 = {'epoll_wait', 'time', 'fork', 'vfork', 'modify_ldt',
                  'iopl', 'ioperm'}

#: Those that no process of a pair may have.
OF_PATHS = ('open', 'openat2', 'stat', 'newfstatat', 'statx', 'readlink',
            'unlink', 'unlinkat', 'rename', 'chmod', 'fchmodat', 'chown',
            'getdents64', 'kill', 'tgkill', 'prctl', 'setrlimit',
            'prlimit64', 'mprotect', 'seccomp')


class Checks:
    """For a test case.

    :cvar confinement: the module that has ``ALLOWED`` and ``FATAL``.
    :cvar not_on_aarch64: which of them that architecture has not.
    """

    def resolve(self, architecture, name):
        number = ctypes.CDLL('libseccomp.so.2') \
            .seccomp_syscall_resolve_name_arch(
                ctypes.c_uint32(architecture), name.encode())
        self.assertNotEqual(-1, number, f'{name} is no system call')
        return number

    def test_names(self):
        names = {call.name for call in self.confinement.ALLOWED}
        self.assertEqual(set(), names & set(self.confinement.FATAL))
        names |= set(self.confinement.FATAL)
        self.assertEqual(set(), {
            name for name in names if self.resolve(_X86_64, name) < 0})
        self.assertEqual(self.not_on_aarch64, {
            name for name in names if self.resolve(_AARCH64, name) < 0})

    def assert_no_calls(self, *names):
        for name in names:
            self.resolve(_X86_64, name)
            self.assertNotIn(
                name, {call.name for call in self.confinement.ALLOWED})
