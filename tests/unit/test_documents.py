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

from nova_dmore import conf
from nova_dmore.gateway import options as gateway_options
from nova_dmore.hostd import options as hostd_options
from nova_dmore.recorder import options as recorder_options
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


class NamedTest(base.BaseTestCase):
    """What the documents name is there: options, files, metrics, alerts, and
    what a console says."""

    def setUp(self):
        super().setUp()
        self._pages = {
            path: ' '.join(path.read_text().split()) for path in (
                *(_ROOT / 'doc/source').rglob('*.rst'),
                *(_ROOT / 'releasenotes/notes').glob('*.yaml'),
                *(_ROOT / name for name in (
                    'README.rst', 'SUPPORT.rst', 'SECURITY.rst',
                    'CONTRIBUTING.rst')))}
        self._code = ' '.join(
            re.sub(r"'\s*\n\s*f?'", '', path.read_text())
            for path in (_ROOT / 'nova_dmore').rglob('*.py'))

    def _found(self, pattern):
        found = [(path, name) for path, text in self._pages.items()
                 for name in re.findall(pattern, text)]
        self.assertNotEqual([], found, pattern)
        return found

    def test_options(self):
        for module in (conf, hostd_options, gateway_options,
                       recorder_options):
            ((group, options),) = module.list_opts()
            known = {option.dest for option in options}
            for path, name in self._found(rf'\[{group.name}\] (\w+)'):
                self.assertIn(name, known, path)
            for name in re.findall(rf'\[{group.name}\] (\w+)(?![\w/])',
                                   self._code):
                self.assertIn(name, known)

    def test_files(self):
        for path, name in self._found(
                r'``((?:nova_dmore|tests|tools|etc|doc/source|devstack|debian)'
                r'/[\w./-]+)``'):
            # In capitals stands what a reader puts in.
            if not re.search('[A-Z]{4}', name):
                self.assertTrue((_ROOT / name).exists(), f'{path}: {name}')

    def test_metrics(self):
        for path, name in self._found(r'``(nova_dmore_\w+)``'):
            # The client library adds the ending to a counter's name.
            name = name.removeprefix('nova_dmore_').removesuffix('_total')
            self.assertRegex(self._code, rf"'(nova_dmore_)?{name}'", path)

    def test_alerts(self):
        rules = (_ROOT / 'etc/prometheus/nova-dmore.rules.yaml').read_text()
        known = set(re.findall(r'alert: (\w+)', rules))
        named = {name for _, name in self._found(r'``(Dmore\w+)``')}
        self.assertEqual(known, named)

    def test_notices(self):
        for path, text in self._found(r'\[nova-dmore: ([^\]]+)\]'):
            # What differs from case to case stands behind a semicolon.
            text = text.partition('; on ')[0]
            if text not in ('...', '…'):
                self.assertIn(text, self._code, path)


class ChangesTest(base.BaseTestCase):
    """What can be changed while instances run."""

    def test_every_option(self):
        text = (_ROOT / 'doc/source/configuration/index.rst').read_text()
        _, _, text = text.partition('\nChanges while instances run\n')
        text, _, _ = text.partition('\nHow users find')
        self.assertIn('the ports and networks of the three servers', text)
        named = set(re.findall(r'``(\w+)``', text))
        self.assertEqual([], [
            option.name for option in conf.OPTIONS
            if option.mutable and option.name not in named
            and not option.name.endswith(('_port', '_networks'))])


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


class TestsPageTest(base.BaseTestCase):
    """Which test covers what: each part is there, and what is named exists."""

    def setUp(self):
        super().setUp()
        self._text = (_ROOT / 'doc/source/contributor/tests.rst').read_text()

    def test_every_part(self):
        package = _ROOT / 'nova_dmore'
        parts = {path.parent.relative_to(package).as_posix()
                 for pattern in ('*/__init__.py', 'virt/*/__init__.py')
                 for path in package.glob(pattern)}
        named = set(re.findall(r'``([\w/]+)``', self._text))
        self.assertEqual(set(), parts - named)

    def test_every_layer(self):
        # The inputs of the fuzzer are not tests.
        layers = {path.name for path in (_ROOT / 'tests').iterdir()
                  if path.is_dir()} - {'fuzz', '__pycache__'}
        self.assertEqual(layers, set(re.findall(
            r'tests/(\w+)``', self._text.partition('By part')[0])))

    def test_what_is_named(self):
        paths = re.findall(r'``((?:tests|tools)/[\w./]+)``', self._text)
        modules = re.findall(
            r'``((?:functional|integration|matrix)\.\w+)``', self._text)
        self.assertGreater(len(paths), 25)
        self.assertGreater(len(modules), 30)
        for path in [*paths, *(f'tests/{name.replace(".", "/")}.py'
                               for name in modules)]:
            self.assertTrue((_ROOT / path).exists(), path)


class DebuggingPageTest(base.BaseTestCase):
    """It names what programs say; this is what they say."""

    def test_words(self):
        text = (_ROOT / 'doc/source/contributor/debugging.rst').read_text()
        for page, code, path in (
                ('Co-migration ID to HOST: PHASE',
                 'Co-migration %(id)s to %(host)s: %(phase)s',
                 'virt/migration/phases.py'),
                ('Domain R does not follow its instance to HOST',
                 'Domain R does not follow its instance to %(host)s',
                 'virt/migration/phases.py'),
                ('Domain R: ...', "'Domain R: %s'",
                 'worker/domain_r_control.py'),
                ('domr-UUID.log', "f'domr-{instance_uuid}.log'",
                 'virt/pair/kernel_log.py')):
            self.assertIn(f'``{page}``', text)
            self.assertIn(code, (_ROOT / 'nova_dmore' / path).read_text())

    def test_fields_of_pair_show(self):
        text = (_ROOT / 'doc/source/contributor/debugging.rst').read_text()
        table = text.partition('* - Field\n')[2].partition('\n\n')[0]
        code = (_ROOT / 'nova_dmore/cmd/manage/pair.py').read_text()
        names = [name for row in re.findall(r'(?m)^   \* - (.*)$', table)
                 for name in re.findall(r'``(\w+)``', row)]
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertIn(f"'{name}'", code)
