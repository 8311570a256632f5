# SPDX-License-Identifier: Apache-2.0
"""The documents are one web site; a warning of Sphinx is an error."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from tests.unit import as_installed

_ROOT = pathlib.Path(__file__).parents[2]


class BuiltTest(unittest.TestCase):

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        as_installed.make(self.folder)

    def test_no_warning_and_every_option(self):
        made = self.folder / 'html'
        # The samples are written beside the sources.
        source = self.folder / 'tree' / 'doc' / 'source'
        source.parent.mkdir(parents=True)
        for path in _ROOT.iterdir():
            if path.name != 'doc':
                (self.folder / 'tree' / path.name).symlink_to(path)
        subprocess.run(['cp', '-r', _ROOT / 'doc' / 'source', source],
                       check=True)
        run = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'sphinx', '-W',
             '--keep-going', '-q', '-b', 'html', source, made],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            env={**os.environ, 'PYTHONPATH': ':'.join(filter(None, (
                str(self.folder), str(_ROOT),
                os.environ.get('PYTHONPATH'))))})
        self.assertEqual(0, run.returncode, run.stdout + run.stderr)
        shown = (made / 'configuration' / 'index.html').read_text()
        for option in ('management_network', 'compute_user'):
            self.assertIn(option, shown)


class ThreeStepsTest(unittest.TestCase):
    """From the README to every page."""

    def setUp(self):
        self.source = _ROOT / 'doc' / 'source'
        self.pages = {path.relative_to(self.source).with_suffix('').as_posix()
                      for path in self.source.rglob('*.rst')}

    def assert_reached(self, front, steps):
        reached = set(front)
        for _ in range(steps):
            front = {page for each in front
                     for page in _leads_to(self.source, each)} - reached
            reached |= front
        self.assertEqual(set(), self.pages - reached)

    def test_in_the_web_site(self):
        """Its first page is the README."""
        self.assert_reached({'index'}, 3)

    def test_in_the_repository(self):
        """By the links in the README to files, of which one is a step."""
        linked = [path for page in ('README.rst', 'CONTRIBUTING.rst')
                  for path in re.findall(r'<([^<>]+\.rst)>`_', ' '.join(
                      (_ROOT / page).read_text().split()))]
        self.assertGreater(len(linked), 20)
        for path in linked:
            self.assertTrue((_ROOT / path).is_file(), path)
        start = 'doc/source/'
        self.assert_reached({
            'index', *(path.removeprefix(start).removesuffix('.rst')
                       for path in linked if path.startswith(start))}, 2)


def _leads_to(source, page):
    """The pages in the trees of contents of one."""
    inside = False
    for line in (source / f'{page}.rst').read_text().splitlines():
        if line.startswith('.. toctree::'):
            inside = True
        elif line and not line.startswith(' '):
            inside = False
        elif inside and line.strip() and not line.strip().startswith(':'):
            yield (pathlib.PurePosixPath(page).parent
                   / line.strip()).as_posix().lstrip('/')
