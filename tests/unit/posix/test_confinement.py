# SPDX-License-Identifier: Apache-2.0
"""What both processes of a pair give up; that they have: integration tests.
"""

import ast
import os
import resource
import time

from oslotest import base

from nova_dmore.posix import confinement
from nova_dmore.posix import seccomp
from tests.unit.posix import in_child

_NO_FILTER = seccomp.Filter(())


class TestConfine(base.BaseTestCase):

    def outcome(self, what):
        def run():
            # Nothing of the filter: what is checked is what is before it.
            seccomp.Filter.load = lambda calls: None
            confinement._make_sure = lambda: None
            confinement.landlock.give_up_everything = lambda peers: True
            before = what()
            confinement.confine(
                _NO_FILTER, {resource.RLIMIT_NOFILE: 200}, 64 << 20)
            return before, what()
        return ast.literal_eval(in_child.outcome(run))

    def test_limits(self):
        def limits():
            return [resource.getrlimit(each) for each in (
                resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE,
                resource.RLIMIT_MEMLOCK, resource.RLIMIT_NPROC)]
        _, after = self.outcome(limits)
        self.assertEqual([(each, each) for each in (
            200, confinement.LOG_FILE_MAX, 0, 0)],
            after)

    def test_memory_is_what_it_had_and_some(self):
        opened = []

        def probe():
            # Once, in the fork: it has its limit of descriptors afterwards.
            if not opened:
                opened.append(os.open('/proc/self/statm', os.O_RDONLY))
            pages = int(os.pread(opened[0], 100, 0).split()[0])
            return (pages * resource.getpagesize(),
                    resource.getrlimit(resource.RLIMIT_AS)[1])
        (size, _), (_, limit) = self.outcome(probe)
        self.assertLess(abs(limit - size - (64 << 20)), 4 << 20)

    def test_stricter_limits_stay(self):
        def run():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            confinement.limit({}, 64 << 20)
            return resource.getrlimit(resource.RLIMIT_FSIZE)
        self.assertEqual('(1000, 1000)', in_child.outcome(run))

    def test_environment(self):
        """Nothing but the time zone, which is the one that it was."""
        def probe():
            return sorted(os.environ), time.strftime('%z')

        def run():
            os.environ.update(TZ='XYZ-5:30', SECRET='x')
            time.tzset()
            confinement.forget_environment()
            first = probe()
            del os.environ['TZ']
            time.tzset()
            local = time.strftime('%z')
            confinement.forget_environment()
            return first, probe() == (['TZ'], local)
        self.assertEqual(((['TZ'], '+0530'), True),
                         ast.literal_eval(in_child.outcome(run)))

    def test_filter_that_does_nothing(self):
        def run():
            seccomp.Filter.load = lambda calls: None
            try:
                confinement.confine(_NO_FILTER, {}, 64 << 20)
            except seccomp.Unavailable as e:
                return e
        self.assertEqual('a filter was loaded and does not filter',
                         in_child.outcome(run))
