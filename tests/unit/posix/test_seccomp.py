# SPDX-License-Identifier: Apache-2.0
"""Filters of system calls, in forks of this process."""

import errno
import os
import socket

from oslotest import base

from nova_dmore.posix import privileges
from nova_dmore.posix import seccomp
from tests.unit.posix import in_child

#: What it takes to say what happened.
_BASE = tuple(map(seccomp.Call, ('write', 'close', 'exit_group', 'brk',
                                 'munmap', 'mmap')))


def _drop_all():
    """Have no capabilities: whoever has them may load any filter."""
    if os.geteuid() == 0:
        os.setresuid(65533, 65533, 65533)


class TestFilter(base.BaseTestCase):

    def under(self, calls, function, fatal=()):
        """-> what a function returns, or the signal that ends it."""
        def run():
            privileges.restrict()
            seccomp.Filter((*_BASE, *calls), fatal).load()
            return function()
        return in_child.outcome(run)

    def test_what_is_not_named_fails(self):
        def probe():
            return [in_child.error(call) for call in (
                lambda: os.open('/', os.O_RDONLY), lambda: os.stat('/'),
                socket.socket)]
        self.assertEqual(str(3 * [errno.EPERM]), self.under((), probe))

    def test_what_is_named(self):
        pid = os.getpid()
        self.assertEqual(str(pid), self.under(
            [seccomp.Call('getppid')], os.getppid))

    def test_conditions(self):
        """All of one line must hold; one of several lines is enough."""
        calls = [seccomp.Call('dup3', (seccomp.equals(0, 0),
                                       seccomp.equals(1, 70))),
                 seccomp.Call('dup3', (seccomp.masked(0, ~1 & 0xffffffff, 0),
                                       seccomp.equals(1, 71)))]

        def probe():
            return [in_child.error(lambda: os.dup2(*each, inheritable=False))
                    for each in ((0, 70), (1, 70), (0, 71), (1, 71), (2, 71))]
        self.assertEqual(
            str([None, errno.EPERM, None, None, errno.EPERM]),
            self.under(calls, probe))

    def test_fatal(self):
        self.assertEqual('SIGSYS', self.under(
            (), lambda: os.open('/', os.O_RDONLY), ['openat']))

    def test_unknown_names(self):
        self.assertEqual('0', self.under(
            [seccomp.Call('no such call')], lambda: 0, ['nor this one']))

    def test_process_that_can_gain_privileges(self):
        def load():
            _drop_all()
            self.assertRaises(seccomp.Unavailable, seccomp.Filter([]).load)
            return os.getppid() > 0
        self.assertEqual('True', in_child.outcome(load))

    def test_no_library(self):
        def take_away():
            seccomp._LIBRARY = None
            try:
                seccomp.Filter([]).load()
            except seccomp.Unavailable as e:
                return e
        self.assertEqual('libseccomp.so.2 is not installed',
                         in_child.outcome(take_away))

    def test_kernel_that_refuses(self):
        """Under a filter that lets no other be loaded."""
        def load():
            second = seccomp.Filter(_BASE)
            privileges.restrict()
            seccomp.Filter(_BASE).load()
            try:
                second.load()
            except seccomp.Unavailable as e:
                return e
        self.assertIn('CONFIG_SECCOMP_FILTER is needed',
                      in_child.outcome(load))
