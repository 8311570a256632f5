# SPDX-License-Identifier: Apache-2.0
"""The packages need what their part of the modules imports, and no more."""

import ast
import pathlib
import re
import sys

from oslotest import base

_REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
#: Which parts of the modules each package has run.
_PARTS = {
    'nova-dmore-hostd': (
        'channel', 'conf_file.py', 'hostd', 'keeper', 'link', 'posix',
        'recorder', 'wire'),
    'nova-compute-dmore': ('client', 'cmd', 'conf.py', 'metrics',
                           'program.py', 'virt'),
    'nova-dmore-gateway': ('conf_file.py', 'gateway', 'program.py'),
    'nova-dmore-image': ('image_builder', 'program.py')}
#: What comes with something else that a package depends on: Nova's packages
#: have their modules, and the host service is on each compute host.
_COMES = {'nova-compute-dmore': {'nova', 'oslo_config', 'setproctitle'}}
_MODULES = {'openstacksdk': 'openstack'}


def _needed(package):
    """What a package depends on or recommends, without versions."""
    text = (_REPOSITORY / 'debian/control').read_text()
    (paragraph,) = re.findall(
        rf'(?ms)^Package: {package}$(.*?)(?:^\n|\Z)', text)
    return {word.split()[0] for field in ('Depends', 'Recommends')
            for found in re.findall(
                rf'(?m)^{field}: ((?:.*\n)(?: .*\n)*)', paragraph)
            for word in found.split(',')}


def _imported(part):
    path = _REPOSITORY / 'nova_dmore' / part
    for file in [path] if path.is_file() else path.rglob('*.py'):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (each.name.split('.')[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.split('.')[0]


class ControlTest(base.BaseTestCase):

    def test_modules(self):
        for package, parts in _PARTS.items():
            imported = {name for part in parts for name in _imported(part)
                        } - sys.stdlib_module_names - {'nova_dmore'}
            names = {re.sub('[.-]', '_', name.removeprefix('python3-'))
                     for name in _needed(package)
                     if name.startswith('python3-')} - {'nova_dmore'}
            self.assertEqual(
                imported - _COMES.get(package, set()),
                {_MODULES.get(name, name) for name in names}, package)

    def test_programs(self):
        """What runs them: lintian asks for it by this name."""
        with_programs = {
            path.stem for path in (_REPOSITORY / 'debian').glob('*.install')
            if 'usr/bin/' in path.read_text()}
        self.assertEqual(set(_PARTS), with_programs)
        for package in with_programs:
            self.assertIn('python3:any', _needed(package))

    def test_users_are_made_by_systemd(self):
        """With what debhelper adds, and by nothing else."""
        self.assertNotIn('adduser', _needed('nova-dmore-hostd'))
        for script in (_REPOSITORY / 'debian').glob('*.post*'):
            self.assertNotRegex(script.read_text(),
                                r'\b(add|del)(user|group)\b')
