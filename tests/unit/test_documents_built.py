# SPDX-License-Identifier: Apache-2.0
"""The documents are one web site; a warning of Sphinx is an error."""

import os
import pathlib
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
    """From the README to every page, by the trees of contents."""

    def test_every_page(self):
        source = _ROOT / 'doc' / 'source'
        reached, front = {'index'}, {'index'}
        for _ in range(3):
            front = {page for each in front
                     for page in _leads_to(source, each)} - reached
            reached |= front
        pages = {path.relative_to(source).with_suffix('').as_posix()
                 for path in source.rglob('*.rst')}
        self.assertEqual(set(), pages - reached)


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
