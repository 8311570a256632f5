# SPDX-License-Identifier: Apache-2.0
"""What a worker may do; that it cannot do more: integration tests."""

import ast
import ctypes
import os
import resource
import time

from oslotest import base

from nova_dmore.posix import seccomp
from nova_dmore.worker import confinement
from tests.unit.posix import in_child

#: Architectures as libseccomp names them, and what they never had.
_X86_64, _AARCH64 = 0xc000003e, 0xc00000b7
_NOT_ON_AARCH64 = {'epoll_wait', 'time', 'fork', 'vfork', 'modify_ldt',
                   'iopl', 'ioperm'}


class TestCalls(base.BaseTestCase):

    def resolve(self, architecture, name):
        number = ctypes.CDLL('libseccomp.so.2') \
            .seccomp_syscall_resolve_name_arch(
                ctypes.c_uint32(architecture), name.encode())
        self.assertNotEqual(-1, number, f'{name} is no system call')
        return number

    def test_names(self):
        names = {call.name for call in confinement.ALLOWED}
        self.assertEqual(set(), names & set(confinement.FATAL))
        names |= set(confinement.FATAL)
        self.assertEqual(set(), {
            name for name in names if self.resolve(_X86_64, name) < 0})
        self.assertEqual(_NOT_ON_AARCH64, {
            name for name in names if self.resolve(_AARCH64, name) < 0})

    def test_nothing_with_a_path_or_an_address(self):
        for name in ('open', 'openat', 'openat2', 'stat', 'newfstatat',
                     'statx', 'readlink', 'unlink', 'rename', 'connect',
                     'socket', 'kill', 'tgkill', 'prctl', 'setrlimit',
                     'prlimit64', 'mprotect', 'seccomp'):
            self.resolve(_X86_64, name)
            self.assertNotIn(name,
                             {call.name for call in confinement.ALLOWED})


class TestConfine(base.BaseTestCase):

    def outcome(self, what):
        def run():
            # Nothing of the filter: what is looked at is what is before it.
            seccomp.Filter.load = lambda calls: None
            confinement._make_sure = lambda: None
            confinement.landlock.give_up_everything = lambda: True
            before = what()
            confinement.confine()
            return before, what()
        return ast.literal_eval(in_child.outcome(run))

    def test_limits(self):
        def limits():
            return [resource.getrlimit(each) for each in (
                resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE,
                resource.RLIMIT_MEMLOCK, resource.RLIMIT_NPROC)]
        _, after = self.outcome(limits)
        self.assertEqual([(each, each) for each in (
            confinement.DESCRIPTORS_MAX, confinement.LOG_FILE_MAX, 0, 0)],
            after)

    def test_memory_is_what_it_had_and_some(self):
        opened = []

        def look():
            # Once, in the fork: it has its limit of descriptors afterwards.
            if not opened:
                opened.append(os.open('/proc/self/statm', os.O_RDONLY))
            pages = int(os.pread(opened[0], 100, 0).split()[0])
            return (pages * resource.getpagesize(),
                    resource.getrlimit(resource.RLIMIT_AS)[1])
        (size, _), (_, limit) = self.outcome(look)
        self.assertLess(abs(limit - size - confinement.MEMORY_MAX), 4 << 20)

    def test_stricter_limits_stay(self):
        def run():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            confinement._limit()
            return resource.getrlimit(resource.RLIMIT_FSIZE)
        self.assertEqual('(1000, 1000)', in_child.outcome(run))

    def test_environment(self):
        """Nothing but the time zone, which is the one that it was."""
        def look():
            return sorted(os.environ), time.strftime('%z')

        def run():
            os.environ.update(TZ='XYZ-5:30', SECRET='x')
            time.tzset()
            confinement._forget_environment()
            first = look()
            del os.environ['TZ']
            time.tzset()
            local = time.strftime('%z')
            confinement._forget_environment()
            return first, look() == (['TZ'], local)
        self.assertEqual(((['TZ'], '+0530'), True),
                         ast.literal_eval(in_child.outcome(run)))

    def test_filter_that_does_nothing(self):
        def run():
            seccomp.Filter.load = lambda calls: None
            try:
                confinement.confine()
            except seccomp.Unavailable as e:
                return e
        self.assertEqual('a filter was loaded and does not filter',
                         in_child.outcome(run))
