# SPDX-License-Identifier: Apache-2.0
"""The table of times says what the code does."""

import pathlib
import tempfile
import unittest

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory import timing

_MODULE = '''"""A module."""

import math

#: How long one waits,
#: at most.
_WAIT_S = 2.0
_LOOK_MS = 20   # from one look to the next
#: Both ends know it.
LIMIT_S: float = math.inf
SIZE = 4
'''


_IN_C = '''/* A file. */

/* How long
 * it may be. */
#define LENGTH 4
#define LONG_S 60
#define PAUSE_NS 5 /* and then */
'''


class TimingTest(unittest.TestCase):

    def test_the_table_is_up_to_date(self):
        found = timing.times()
        self.assertGreater(len(found), 90)
        self.assertEqual(timing.table(found), timing.TABLE.read_text(),
                         'run tools/timing')

    def test_every_package(self):
        self.assertEqual(
            {path.parent.name for path in
             timing._PACKAGE.glob('*/__init__.py')}, set(timing._PLACES))

    def test_each_says_what_it_is(self):
        self.assertEqual([], [(time.path, time.name)
                              for time in timing.times() if not time.meaning])

    def test_what_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            module = pathlib.Path(folder, 'keeper', 'a.py')
            module.parent.mkdir()
            module.write_text(_MODULE)
            found = timing.times(pathlib.Path(folder))
        self.assertEqual([
            ('keeper/a.py', '_WAIT_S', '2.0', 's',
             'How long one waits, at most.'),
            ('keeper/a.py', '_LOOK_MS', '20', 'ms',
             'from one look to the next'),
            ('keeper/a.py', 'LIMIT_S', 'math.inf', 's',
             'Both ends know it.')],
            [(time.path, time.name, time.value, time.unit, time.meaning)
             for time in found])
        self.assertEqual([
            ('domr/a.c', 'LONG_S', '60', 's', 'How long it may be.'),
            ('domr/a.c', 'PAUSE_NS', '5', 'ns', 'and then')],
            [(time.path, time.name, time.value, time.unit, time.meaning)
             for time in timing._of_c('domr/a.c', _IN_C)])
        self.assertIn('   * - keeper\n     - ``_WAIT_S`` in ``keeper/a.py``\n'
                      '     - ``2.0`` s\n     - How long', timing.table(found))
