# SPDX-License-Identifier: Apache-2.0
"""How the host service begins."""

import os
import subprocess
import sys
import tempfile

from oslotest import base

_MAIN = 'import sys; from nova_dmore.cmd import hostd; sys.exit(hostd.main())'

#: What it finds in its folder, say, nobody expected.
_FAILS = '''
import sys
from nova_dmore.cmd import hostd
from nova_dmore.hostd import service
def fails(self):
    raise ValueError('x' * 99999 + ' oh\\n\\x1b[2J')
service.Service._find_workers = fails
sys.exit(hostd.main())
'''


def _run(program, *arguments):
    return subprocess.run(
        [sys.executable, '-c', program, *arguments], capture_output=True,
        text=True, timeout=60,
        env={**os.environ, 'PYTHONPATH': ':'.join(sys.path)})


class MainTest(base.BaseTestCase):

    def test_a_wrong_option(self):
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as config:
            config.write('[hostd]\ncompute_user = no-such-user\n')
            config.flush()
            done = _run(_MAIN, '--config-file', config.name)
        self.assertEqual(
            (1, '', 'nova-dmore-hostd: [hostd] compute_user: there is no '
             'user no-such-user; name the one that nova-compute runs as\n'),
            (done.returncode, done.stdout, done.stderr))

    def test_help(self):
        done = _run(_MAIN, '--help')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(1, done.stdout.count('usage: nova-dmore-hostd'))

    def test_what_reads_the_options_is_not_in_its_memory(self):
        done = _run(
            'import sys; from nova_dmore.cmd import hostd; '
            'given = hostd._read_options(["--config-file", "/dev/null"]); '
            'print(given.run_dir, "oslo_config" in sys.modules)')
        self.assertEqual('/run/nova-dmore False\n', done.stdout, done.stderr)

    def test_what_nobody_expected_ends_it(self):
        with tempfile.TemporaryDirectory() as folder:
            conf = os.path.join(folder, 'hostd.conf')
            with open(conf, 'w') as config:
                config.write(f'[hostd]\nrun_dir = {folder}/run\n'
                             f'state_dir = {folder}\n'
                             f'compute_user = {os.getuid()}\n')
            done = _run(_FAILS, '--config-file', conf)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn('hostd', done.stderr)
        self.assertIn('This was not expected', done.stderr)
        # The end of the traceback is there, on lines of its own, and escaped.
        self.assertIn('xxx oh\n\\x1b[2J\n', done.stderr)
        self.assertLess(len(done.stderr), 20000)
