# SPDX-License-Identifier: Apache-2.0
"""What nobody expected ends a process, wherever it is raised."""

import os
import subprocess
import sys

from oslotest import base

import nova_dmore

ROOT = os.path.dirname(os.path.dirname(nova_dmore.__file__))
PROGRAM = '''
import asyncio, gc, os, threading
from nova_dmore.posix import crash, log
def fails():
    raise KeyError('oh\\n')
async def failing():
    fails()
class Final:
    def __del__(self):
        fails()
async def main():
    loop = asyncio.get_running_loop()
    crash.install(loop)
    {}
    await asyncio.sleep(30)
log.set_up('test', False)
asyncio.run(main())
'''


class TestCrash(base.BaseTestCase):

    def test_everywhere(self):
        for where in ('loop.call_soon(fails)',
                      'loop.call_later(0.01, fails)',
                      'r, w = os.pipe(); os.write(w, b"x"); '
                      'loop.add_reader(r, fails)',
                      'task = loop.create_task(failing()); crash.watch(task)',
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

    def test_a_task_that_is_cancelled_is_no_fault(self):
        ended = subprocess.run(
            [sys.executable, '-c', PROGRAM.format(
                'task = loop.create_task(asyncio.sleep(9)); '
                'crash.watch(task); task.cancel(); '
                'await asyncio.sleep(0.1); os._exit(7)')],
            capture_output=True, text=True, timeout=60,
            env={**os.environ, 'PYTHONPATH': ROOT})
        self.assertEqual(7, ended.returncode, ended.stderr)
