# SPDX-License-Identifier: Apache-2.0
"""What nobody expected ends a process, wherever it is raised."""

import os
import subprocess
import sys

from oslotest import base

import nova_dmore

ROOT = os.path.dirname(os.path.dirname(nova_dmore.__file__))
PROGRAM = '''
import os, threading
from nova_dmore.posix import crash, log, loop as loop_module
def fails():
    raise KeyError('oh\\n')
class Final:
    def __del__(self):
        fails()
log.set_up('test', False)
loop = loop_module.Loop()
crash.install()
{}
loop.call_later(30, os._exit, 7)
while True:
    loop.turn()
'''


class TestCrash(base.BaseTestCase):

    def test_everywhere(self):
        for where in ('loop.call_soon(fails)',
                      'loop.call_later(0.01, fails)',
                      'r, w = os.pipe(); os.write(w, b"x"); '
                      'loop.add_reader(r, fails)',
                      'threading.Thread(target=fails).start()',
                      'Final()', 'fails()'):
            ended = subprocess.run(
                [sys.executable, '-c', PROGRAM.format(where)],
                capture_output=True, text=True, timeout=60,
                env={**os.environ, 'PYTHONPATH': ROOT})
            self.assertEqual(1, ended.returncode, where)
            self.assertIn('This was not expected', ended.stderr)
            # The traceback is there, on lines of its own, and escaped.
            self.assertIn("KeyError: 'oh\\n'\n", ended.stderr)
