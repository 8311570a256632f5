# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the layers of the package, and what each needs."""

import ast
import pathlib
import sys

from oslotest import base

import nova_dmore

ROOT = pathlib.Path(nova_dmore.__path__[0])
COMMON = {'nova_dmore.wire', 'nova_dmore.exception'}
#: What the processes of a pair on the host share.
HOST = COMMON | {'nova_dmore.channel', 'nova_dmore.link',
                 'nova_dmore.places', 'nova_dmore.posix'}
#: Of the channel, what does nothing to a region.
PURE = {f'nova_dmore.channel.{name}' for name in (
    'carry_over', 'changes', 'control', 'errors', 'session', 'text')}

#: Per part: what of this package it may import, and what of others beside
#: the standard library.
RULES = {
    'wire': ({'nova_dmore.wire'}, set()),
    'exception.py': (set(), set()),
    'places.py': ({'nova_dmore.wire'}, set()),
    'conf.py': ({'nova_dmore.conf_file', 'nova_dmore.wire'},
                {'oslo_config'}),
    'own_file.py': (set(), set()),
    'program.py': (set(), set()),
    'conf_file.py': ({'nova_dmore.exception'}, {'oslo_config'}),
    'image_file.py': (COMMON, set()),
    # Also runs in Domain R, on Debian's Python.
    'channel': (COMMON | {'nova_dmore.channel'}, set()),
    'posix': ({'nova_dmore.channel.text', 'nova_dmore.posix',
               'nova_dmore.wire'}, set()),
    'link': ({'nova_dmore.channel', 'nova_dmore.link', 'nova_dmore.posix',
              'nova_dmore.wire'}, set()),
    'keeper': (HOST | {'nova_dmore.keeper'}, set()),
    'worker': (HOST | {'nova_dmore.worker'}, set()),
    'client': (COMMON | {'nova_dmore.channel.session',
                         'nova_dmore.channel.text', 'nova_dmore.client',
                         'nova_dmore.link'}, set()),
    'hostd': (HOST | {'nova_dmore.conf_file', 'nova_dmore.hostd',
                      'nova_dmore.keeper',
                      'nova_dmore.places', 'nova_dmore.worker'},
              {'oslo_config', 'setproctitle'}),
    'recorder': (HOST | {'nova_dmore.client', 'nova_dmore.conf_file',
                         'nova_dmore.hostd.folders', 'nova_dmore.recorder'},
                 {'oslo_config'}),
    'domr': (COMMON | {'nova_dmore.channel', 'nova_dmore.domr',
                       'nova_dmore.image_builder'},
             {'asyncssh', 'cryptography', 'nova_dmore_cipher'}),
    'image_builder': (COMMON | {'nova_dmore.image_builder',
                                'nova_dmore.image_file', 'nova_dmore.domr',
                                'nova_dmore.program'},
                      {'keystoneauth1', 'openstack', 'stevedore'}),
    'metrics': (COMMON | {'nova_dmore.channel.text', 'nova_dmore.client',
                          'nova_dmore.metrics', 'nova_dmore.own_file'},
                {'prometheus_client'}),
    'cmd': (COMMON | {'nova_dmore.channel.session',
                      'nova_dmore.channel.text', 'nova_dmore.client',
                      'nova_dmore.cmd',
                      'nova_dmore.conf', 'nova_dmore.conf_file',
                      'nova_dmore.hostd', 'nova_dmore.keeper',
                      'nova_dmore.metrics', 'nova_dmore.posix',
                      'nova_dmore.program', 'nova_dmore.recorder',
                      'nova_dmore.virt'},
            {'glanceclient', 'keystoneauth1', 'libvirt', 'neutronclient',
             'nova', 'os_vif', 'oslo_config', 'oslo_privsep',
             'oslo_upgradecheck', 'oslo_utils', 'prettytable',
             'setproctitle'}),
    # Beside its own sshd, without Nova.
    'gateway': ({'nova_dmore.conf_file', 'nova_dmore.exception',
                 'nova_dmore.gateway', 'nova_dmore.program'},
                {'keystoneauth1', 'oslo_config'}),
    # On a user's machine.
    'osc': ({'nova_dmore.osc'}, {'keystoneauth1', 'osc_lib'}),
    'virt': (COMMON | {'nova_dmore.conf', 'nova_dmore.image_file',
                       'nova_dmore.client', 'nova_dmore.metrics.figures',
                       'nova_dmore.own_file', 'nova_dmore.places',
                       'nova_dmore.virt', *PURE},
             {'nova', 'libvirt', 'lxml', 'os_vif', 'cryptography',
              'neutronclient', 'glanceclient', 'keystoneauth1',
              'oslo_config', 'oslo_log', 'oslo_messaging',
              'oslo_utils'}),
}


def _imports(path):
    """Full names of the modules that a file imports (or of names in them)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def _files(part):
    path = ROOT / part
    return [path] if path.is_file() else sorted(path.rglob('*.py'))


def _within(name, packages):
    return any(name == package or name.startswith(package + '.')
               for package in packages)


class ImportTest(base.BaseTestCase):

    def test_every_part_has_a_rule(self):
        parts = {path.name for path in ROOT.iterdir()
                 if path.suffix == '.py' or (path / '__init__.py').exists()}
        self.assertEqual(parts - {'__init__.py'}, set(RULES))

    def test_direction(self):
        seen = 0
        for part, (ours, others) in RULES.items():
            for path in _files(part):
                for name in _imports(path):
                    top = name.split('.')[0]
                    if top in sys.stdlib_module_names:
                        continue
                    seen += 1
                    where = f'{path.relative_to(ROOT)} imports {name}'
                    if name == 'nova_dmore':
                        continue    # for its place in the file system
                    if top == 'nova_dmore':
                        self.assertTrue(_within(name, ours), where)
                        continue
                    self.assertIn(top, others, where)
        self.assertGreater(seen, 50)

    def test_what_runs_in_domain_r_needs_little(self):
        for path in _files('domr'):
            if path.name in ('build.py', 'ffi_build.py', 'program.py'):
                continue    # run where the image is built
            for name in _imports(path):
                self.assertFalse(
                    _within(name, {'nova_dmore.image_builder'}),
                    f'{path.name} imports {name}')

    def test_unit_tests_are_not_patched(self):
        # The import of nova.tests lets eventlet patch the whole process.
        for path in pathlib.Path(__file__).parent.rglob('*.py'):
            for name in _imports(path):
                self.assertFalse(_within(name, {'nova.tests'}),
                                 f'{path.name} imports {name}')
