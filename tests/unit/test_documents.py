# SPDX-License-Identifier: Apache-2.0
"""What is written beside the code: the samples, and which test shows what."""

import ast
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from oslotest import base

from tests.unit import as_installed

_ROOT = pathlib.Path(__file__).parents[2]


class SamplesTest(base.BaseTestCase):
    """"tox -e genconfig" writes them."""

    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self._installed = pathlib.Path(temporary.name)
        as_installed.make(self._installed)

    def _generate(self, config):
        return subprocess.run(
            [sys.executable, '-W', 'ignore', '-c',
             'from oslo_config import generator; generator.main()',
             '--config-file', _ROOT / 'etc' / 'nova-dmore' / config,
             '--output-file', '/dev/stdout'],
            check=True, capture_output=True, text=True,
            env={**os.environ,
                 'PYTHONPATH': f'{self._installed}:{_ROOT}'}).stdout

    def _assert_up_to_date(self, sample, config, option):
        generated = self._generate(config)
        self.assertIn(f'#{option} = ', generated)
        self.assertEqual(
            (_ROOT / 'etc' / 'nova-dmore' / sample).read_text(), generated)

    def test_of_nova_compute(self):
        self._assert_up_to_date('nova-dmore.conf.sample',
                                'config-generator.conf', 'record_dir')

    def test_of_the_host_service(self):
        self._assert_up_to_date('hostd.conf.sample',
                                'hostd-config-generator.conf', 'compute_user')

    def test_of_the_gateway(self):
        self._assert_up_to_date('gateway.conf.sample',
                                'gateway-config-generator.conf',
                                'stale_seconds')

    def test_of_the_recorder(self):
        self._assert_up_to_date('recorder.conf.sample',
                                'recorder-config-generator.conf', 'keep_days')


class ClaimsTest(base.BaseTestCase):
    """Each claim about security names tests that exist."""

    def setUp(self):
        super().setUp()
        text = (_ROOT / 'doc/source/admin/security.rst').read_text()
        self._table = text.partition('Claims and their tests\n')[2]

    def test_modules_and_classes(self):
        # ``unit.posix.test_log``, or with classes: (``TestLog``, ...)
        named = re.findall(r'``((?:unit|functional|integration)\.[\w.]+)``'
                           r'(?:\s+\(([^)]*)\))?', self._table)
        self.assertGreater(len(named), 60)
        for module, classes in named:
            path = _ROOT / 'tests' / f'{module.replace(".", "/")}.py'
            self.assertTrue(path.is_file(), module)
            known = {node.name for node in ast.parse(path.read_text()).body
                     if isinstance(node, ast.ClassDef)}
            for name in re.findall(r'``(\w+)``', classes):
                self.assertIn(name, known, module)

    def test_every_claim_has_a_test(self):
        rows = self._table.split('\n   * - ')[2:]
        self.assertGreater(len(rows), 30)
        for row in rows:
            self.assertRegex(row, r'``(unit|functional|integration)\.')
