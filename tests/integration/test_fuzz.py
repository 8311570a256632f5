# SPDX-License-Identifier: Apache-2.0
"""New inputs for all parts of the fuzzer, a minute in all.

The fixed ones are tried by tests/unit/fuzz.
"""

import re
import subprocess
import tempfile
import unittest

# For the path that it sets.
from tests.unit import tools
from laboratory.fuzz import parts

#: Each part has to import what it tries, beside its share of the minute.
_LIMIT_S = 900


class FuzzTest(unittest.TestCase):

    def test_new_inputs(self) -> None:
        # Nothing of an earlier run, so that the seed tells what was tried.
        with tempfile.TemporaryDirectory() as corpus:
            done = subprocess.run(
                [tools.TOOLS / 'fuzz', 'all', '--minutes', '1', '--corpus',
                 corpus], capture_output=True, text=True, timeout=_LIMIT_S)
        output = f'{done.stdout}\n{done.stderr[-4000:]}'
        self.assertEqual(0, done.returncode, output)
        counts = dict(re.findall(r'^(\S+/\S+): (\d+) executions',
                                 done.stdout, re.MULTILINE))
        self.assertEqual({part.name for part in parts.PARTS}, set(counts))
        for name, count in counts.items():
            self.assertGreater(int(count), 20, f'{name}\n{output}')
