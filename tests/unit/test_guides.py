# SPDX-License-Identifier: Apache-2.0
"""The commands that the documentation tells people to type."""

import argparse
import contextlib
import importlib.metadata
import io
import pathlib
import re
import shlex
import subprocess
import sys

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslotest import base

from nova_dmore.cmd import exporter
from nova_dmore.cmd import manage
from nova_dmore.gateway import cli as gateway
from nova_dmore.image_builder import cli as image
from nova_dmore import image_file
from nova_dmore.osc import console
from nova_dmore.osc import session
from nova_dmore.virt.network import address
from nova_dmore.virt.network import security_group
from nova_dmore.virt.pair import announcement
from tests.unit import test_imports

_SOURCE = pathlib.Path(__file__).parents[2] / 'doc/source'
_ETC = _SOURCE.parents[1] / 'etc'
_GUIDE = _SOURCE / 'install/index.rst'
_UUID = '3e0a3d6b-0a0c-4a6e-9d53-7d21a9f6a1c4'
#: What a reader puts in.
_PLACES = {'SERVER': _UUID, '3e0a3d6b-...': _UUID}


def _status(words):
    conf = cfg.ConfigOpts()
    upgradecheck.register_cli_options(conf, upgradecheck.UpgradeCommands())
    # The files that it names are not here; it has read all options by then.
    with contextlib.suppress(cfg.ConfigFilesNotFoundError):
        conf(words, project='nova', default_config_files=[])


#: Start of a command of ours -> what takes its options and arguments.
_PARSERS = {
    ('nova-dmore-exporter',): exporter._parser().parse_args,
    ('nova-dmore-gateway',): gateway._parser().parse_args,
    ('nova-dmore-image',): image._parser().parse_args,
    ('nova-dmore-manage',): manage._parser().parse_args,
    ('nova-dmore-status',): _status,
    ('openstack', 'console', 'ssh'):
        console.SshConsole(None, None).get_parser('x').parse_args,
    ('openstack', 'console', 'pair', 'show'):
        console.ShowPair(None, None).get_parser('x').parse_args,
    ('openstack', 'console', 'session', 'list'):
        session.ListSession(None, None).get_parser('x').parse_args,
    ('openstack', 'console', 'session', 'end'):
        session.EndSession(None, None).get_parser('x').parse_args}


def _blocks(text):
    """The blocks that stand below a ``::``, with their lines joined."""
    for found in re.finditer(
            r'(?m)^(?! *\.\. ).*::\n\n(?=( +))((?:(?:\1.*)?\n)+)', text):
        lines = found[2].rstrip('\n').split('\n')
        yield '\n'.join(line[len(found[1]):] for line in lines)


def _lines(block):
    """What is typed of a block: all, or what stands behind a prompt."""
    lines = block.replace('\\\n', '').split('\n')
    typed = [line[2:] for line in lines if line[:2] in ('$ ', '# ')
             and '$ ' in block]
    return typed or lines


def _is_configuration(block):
    return block.startswith('[')


def _commands(block):
    """The words of the commands of ours."""
    for line in _lines(block):
        if not re.match(r'(\S*/)?(nova-dmore-\w+|openstack console) ', line):
            continue
        if '[' in line:
            continue    # what it takes, not what is typed
        lexer = shlex.shlex(line, posix=True, punctuation_chars=';>|&')
        lexer.whitespace_split = True
        words = []
        for word in lexer:
            if set(word) <= set(';>|&'):
                break
            words.append(_PLACES.get(word, word))
        yield [words[0].rpartition('/')[2], *words[1:]]


class GuidesTest(base.BaseTestCase):

    def _assert_taken(self, words, where):
        """-> whether it is a command of ours."""
        for start, parse in _PARSERS.items():
            if tuple(words[:len(start)]) != start:
                continue
            errors = io.StringIO()
            try:
                with contextlib.redirect_stderr(errors):
                    parse(words[len(start):])
            except SystemExit:
                self.fail(f'{where}: {shlex.join(words)}: '
                          f'{errors.getvalue()}')
            return True
        return False

    def test_what_is_typed_to_install(self):
        blocks = list(_blocks(_GUIDE.read_text()))
        shells = [block for block in blocks if not _is_configuration(block)]
        self.assertGreater(len(shells), 5)
        self.assertLess(len(shells), len(blocks))
        for block in shells:
            done = subprocess.run(['bash', '-n'], input=block, text=True,
                                  capture_output=True)
            self.assertEqual((0, ''), (done.returncode, done.stderr), block)
        ours = [words for block in shells for words in _commands(block)
                if self._assert_taken(words, _GUIDE.name)]
        self.assertEqual(
            [['nova-dmore-image', 'build'],
             ['nova-dmore-image', 'upload', 'FILE'],
             ['nova-dmore-status', 'upgrade', 'check']], ours)

    def test_what_is_typed_to_remove_it(self):
        text = _GUIDE.read_text().partition('\nRemove it\n')[2]
        removed = {word for block in _blocks(text) for line in _lines(block)
                   if line.startswith('rm ') for word in line.split()[2:]}
        made = {line.split()[1] for line in
                (_ETC / 'tmpfiles.d/nova-dmore.conf').read_text().splitlines()
                if line.startswith('d ')}
        unit = (_ETC / 'systemd/nova-dmore-hostd.service').read_text()
        made |= {f'/var/lib/{name}' for name in
                 re.findall(r'(?m)^StateDirectory=(\S+)$', unit)}
        made |= {f'/etc/{name}' for name in (
            'sysusers.d/nova-dmore.conf', 'tmpfiles.d/nova-dmore.conf',
            'apparmor.d/nova-dmore-hostd')}
        self.assertEqual(set(), made - removed)
        for name in (security_group.NAME, address.DEVICE_OWNER,
                     image_file.GLANCE_NAME, announcement.SSH_PROPERTY):
            self.assertIn(name, text)

    def test_what_is_typed_elsewhere(self):
        known = {words[0] for words in _PARSERS}
        seen = set()
        for path in sorted(_SOURCE.rglob('*.rst')):
            for block in _blocks(path.read_text()):
                for words in _commands(block):
                    if self._assert_taken(words, path.relative_to(_SOURCE)):
                        seen.add(words[0])
        self.assertEqual(known - {'nova-dmore-exporter'}, seen)

    def test_what_is_wrong_is_seen(self):
        for wrong in ('nova-dmore-status upgrades check',
                      'nova-dmore-manage pair list --jsn',
                      'nova-dmore-image upload',
                      'openstack console ssh'):
            (words,) = _commands(wrong + ' ')
            self.assertRaises(AssertionError, self._assert_taken, words, '')
        (block,) = _blocks('Do this::\n\n    $ ls \\\n        -l\n    x\n\nA')
        self.assertEqual(['ls     -l'], _lines(block))


class HelpTest(base.BaseTestCase):
    """What ``--help`` prints is for a terminal, and says something of all."""

    def _check(self, parser):
        for text in [parser.description or '',
                     *(action.help or '' for action in parser._actions)]:
            self.assertNotIn('``', text, parser.prog)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                told = {each.dest for each in action._choices_actions}
                self.assertEqual(set(action.choices), told, parser.prog)
                for each in action.choices.values():
                    self._check(each)
            else:
                self.assertTrue(action.help, f'{parser.prog} {action.dest}')

    def test_of_those_with_a_parser(self):
        for program in (exporter, gateway, image, manage):
            parser = program._parser()
            self.assertTrue(parser.description, parser.prog)
            self._check(parser)

    def test_of_those_with_a_file_alone(self):
        for program in ('hostd', 'recorder', 'status'):
            done = subprocess.run(
                [sys.executable, '-W', 'ignore', '-c',
                 f'from nova_dmore.cmd import {program}; {program}.main()',
                 '--help'], capture_output=True, text=True,
                cwd=_SOURCE.parents[1])
            usage, _, options = done.stdout.partition('\noptions:')
            self.assertIn('\n\n', usage.strip(), done.stderr)
            self.assertIn('--config-file', options)


class WithoutDependenciesTest(base.BaseTestCase):
    """What ``pip install --no-deps nova-dmore`` needs beside it."""

    def _named(self, page):
        text = (_SOURCE / page).read_text()
        self.assertIn('\n    pip install --no-deps nova-dmore\n', text)
        (named,) = re.findall(r'(?m)^    pip install ([a-z][a-z0-9. -]*)$',
                              text)
        return named.split()

    def test_gateway(self):
        _, others = test_imports.RULES['gateway']
        self.assertEqual(others, {name.replace('.', '_') for name in
                                  self._named('admin/ssh-gateway.rst')})

    def test_who_builds_the_image(self):
        named = re.findall(r'``pip install (\w+)``', _GUIDE.read_text())
        _, others = test_imports.RULES['image_builder']
        # openstacksdk brings keystoneauth1.
        self.assertEqual({name.replace('openstack', 'openstacksdk')
                          for name in others - {'keystoneauth1'}}, set(named))

    def test_users(self):
        (client,) = self._named('user/ssh.rst')
        brought, more = set(), {client}
        while more:
            name = more.pop()
            brought.add(name)
            more |= {re.match(r'[\w.-]+', each)[0].lower() for each in
                     importlib.metadata.requires(name) or ()
                     if 'extra ==' not in each and ';' not in each} - brought
        _, others = test_imports.RULES['osc']
        self.assertLessEqual({name.replace('_', '-') for name in others},
                             {name.replace('_', '-') for name in brought})
