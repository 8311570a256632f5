# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Who may import whom: wire, conf, exception <- channel <- the two ends."""

import ast
import pathlib
import sys
import unittest

import nova_dmore

ROOT = pathlib.Path(nova_dmore.__file__).parent
PACKAGE = 'nova_dmore'

#: Parts of the package that import nothing but each other.
BASE = {'wire', 'conf', 'exception', 'version'}

#: Which parts a part may import beside itself; a part that is not listed
#: is a single module and may import the base.
ALLOWED = {
    'channel': {'wire'},
    'domr': BASE | {'channel', 'image_file'},
    'shadow': BASE | {'channel'},
    # Of these only what is named in ALLOWED_MODULES.
    'virt': BASE | {'channel', 'shadow', 'image_file'},
    'cmd': BASE | {'virt'},
}

#: What virt may see of other parts: what does no input or output on a
#: region, and the client of the shadow-device process.
ALLOWED_MODULES = {
    'channel': {'nova_dmore.channel.carry_over',
                'nova_dmore.channel.changes', 'nova_dmore.channel.control',
                'nova_dmore.channel.errors', 'nova_dmore.channel.text'},
    'shadow': {'nova_dmore.shadow.client', 'nova_dmore.shadow.fifos',
               'nova_dmore.shadow.spawn'},
}

#: Top-level modules that a part must never import.
FORBIDDEN = {
    'channel': {'nova', 'libvirt', 'oslo_config', 'oslo_log'},
    'shadow': {'nova', 'libvirt'},
    'domr': {'nova', 'libvirt', 'eventlet'},
}


def part_of(path):
    """The part of the package that a file belongs to."""
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix('.py')


def imports(path):
    """Absolute names of all that a file imports, wherever it does so."""
    package = '.'.join((PACKAGE, *path.relative_to(ROOT).parent.parts))
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                above = package.split('.')
                above = above[:len(above) - node.level + 1]
                base = '.'.join([*above, base] if base else above)
            for alias in node.names:
                yield node.lineno, f'{base}.{alias.name}'


def wrong(part, name):
    """Why a part must not import a name; None if it may."""
    names = name.split('.')
    if names[0] in FORBIDDEN.get(part, ()):
        return f'{part} never imports {names[0]}'
    if names[0] != PACKAGE:
        if (part in ('channel', 'wire', 'exception')
                and names[0] not in sys.stdlib_module_names):
            return f'{part} imports the standard library only'
        return None
    target = names[1] if len(names) > 1 else ''
    if not target or target == part:
        return None
    if target not in ALLOWED.get(part, BASE):
        return f'{part} does not import {target}'
    if part == 'virt' and target in ALLOWED_MODULES:
        if '.'.join(names[:3]) not in ALLOWED_MODULES[target]:
            return f'virt does not import this of {target}'
    return None


class ImportDirectionTest(unittest.TestCase):

    def test_whole_tree(self):
        found = []
        files = sorted(ROOT.rglob('*.py'))
        self.assertIn(ROOT / 'channel' / 'ring.py', files)
        for path in files:
            for line, name in imports(path):
                reason = wrong(part_of(path), name)
                if reason:
                    found.append(f'{path}:{line}: {name}: {reason}')
        self.assertEqual([], found)

    def test_rules(self):
        for part, name in (
                ('channel', 'nova_dmore.exception.DMoreError'),
                ('channel', 'nova_dmore.shadow.client'),
                ('channel', 'asyncssh'), ('domr', 'nova.conf'),
                ('domr', 'nova_dmore.shadow.client'),
                ('shadow', 'nova_dmore.virt.pair'),
                ('shadow', 'nova_dmore.domr.agent'),
                ('virt', 'nova_dmore.domr.ssh'),
                ('virt', 'nova_dmore.channel.host_end'),
                ('virt', 'nova_dmore.shadow.worker'),
                ('wire', 'nova_dmore.channel.ring')):
            self.assertIsNotNone(wrong(part, name), (part, name))
        for part, name in (
                ('channel', 'nova_dmore.channel.ring'), ('channel', 'zlib'),
                ('domr', 'nova_dmore.channel.domr_end'),
                ('domr', 'asyncssh'), ('virt', 'nova.virt.libvirt.driver'),
                ('virt', 'nova_dmore.shadow.client.ShadowClient')):
            self.assertIsNone(wrong(part, name), (part, name))
