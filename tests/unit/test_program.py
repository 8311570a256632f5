# SPDX-License-Identifier: Apache-2.0
"""How a command ends, whatever becomes of what it prints."""

import os
import subprocess
import sys

from oslotest import base

#: A program that prints, and one that prints its help.
_PRINTS = ('import sys; from nova_dmore import program; sys.exit('
           'program.run("name", lambda: print("text") or 3, 9))')
_HELPS = ('import argparse, sys; from nova_dmore import program; sys.exit('
          'program.run("name", argparse.ArgumentParser().parse_args, 9))')
_IS_INTERRUPTED = '''
import os, signal, sys
from nova_dmore import program
# A shell has what it starts in the background ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(program.run('name', lambda: os.kill(os.getpid(), signal.SIGINT), 9))
'''
_CANNOT_READ = ('import sys; from nova_dmore import program; sys.exit('
                'program.run("name", lambda: open("/no/such"), 9))')


def _run(program, stdout, *arguments, **environment):
    """The status, and what it says of errors."""
    done = subprocess.run(
        [sys.executable, '-c', program, *arguments], stdout=stdout,
        stderr=subprocess.PIPE, text=True, timeout=60,
        env={**os.environ, 'PYTHONPATH': ':'.join(sys.path), **environment})
    return done.returncode, done.stderr


class RunTest(base.BaseTestCase):

    def _nobody_reads(self):
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        return writer

    def test_its_own_status(self):
        self.assertEqual((3, ''), _run(_PRINTS, subprocess.DEVNULL))

    def test_nobody_reads(self):
        for program, *arguments in ((_PRINTS,), (_HELPS, '--help')):
            for unbuffered in ('', '1'):
                self.assertEqual((141, ''), _run(
                    program, self._nobody_reads(), *arguments,
                    PYTHONUNBUFFERED=unbuffered))

    def test_the_disk_is_full(self):
        with open('/dev/full', 'w') as full:
            status, errors = _run(_PRINTS, full)
        self.assertEqual(
            (9, 'name: [Errno 28] No space left on device\n'),
            (status, errors))

    def test_a_file_that_cannot_be_read(self):
        self.assertEqual(
            (9, "name: [Errno 2] No such file or directory: '/no/such'\n"),
            _run(_CANNOT_READ, subprocess.DEVNULL))

    def test_control_c(self):
        self.assertEqual((130, ''), _run(_IS_INTERRUPTED, subprocess.DEVNULL))
