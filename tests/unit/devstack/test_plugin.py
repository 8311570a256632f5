# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin, phase by phase, against recorders of what it calls."""

import configparser
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import unittest

from oslo_config import cfg

from nova_dmore import conf
from nova_dmore.hostd import options as hostd_options
from tests.unit.devstack import plugin_case
from tests.unit.devstack import stack

_RULES = '/etc/apparmor.d/local/abstractions/libvirt-qemu'
_ON_A_COMPUTE_NODE = {
    '/etc/apparmor.d/local/nova-dmore-hostd',
    '/etc/apparmor.d/nova-dmore-hostd', '/etc/nova-dmore/hostd.conf',
    '/etc/nova/dmore.secret', '/etc/sysusers.d/nova-dmore.conf',
    '/etc/systemd/system/nova-dmore-hostd.service',
    '/etc/systemd/system/nova-dmore-hostd.service.d/devstack.conf',
    '/etc/tmpfiles.d/nova-dmore.conf', stack.DROP_IN, _RULES}


class EveryPhaseTest(plugin_case.PluginCase):

    def all_phases(self) -> list[stack.Done]:
        return [self.stacked(), self.unstacked(),
                self.run_phases(stack.CLEAN)]

    def test_nothing_is_written_where_devstack_overwrites_it(self) -> None:
        for done in self.all_phases():
            self.assertEqual({}, done.options(stack.NOVA_CPU_CONF))

    def test_sudo_finds_what_it_runs(self) -> None:
        # Its secure_path has no virtual environment.
        setup = configparser.ConfigParser()
        setup.read(stack.REPOSITORY / 'setup.cfg')
        own = {line.partition(' ')[0] for line in
               setup['entry_points']['console_scripts'].strip().splitlines()}
        self.assertIn('nova-dmore-image', own)
        programs = {call[0] for done in self.all_phases()
                    for call in done.of('sudo')}
        self.assertIn(f'{stack.BIN}/nova-dmore-image', programs)
        for program in programs:
            if '/' in program:
                self.assertTrue(program.startswith('/'), program)
            else:
                self.assertNotIn(program, own)

    def test_again(self) -> None:
        self.stacked()
        first = self.host.files()
        done = self.stacked()
        self.assertEqual(first, self.host.files())
        self.assertEqual(
            [], [call for call in done.of('openstack') if 'create' in call])

    def test_clean_leaves_what_was_there(self) -> None:
        rules = self.host.root / _RULES.lstrip('/')
        rules.parent.mkdir(parents=True)
        rules.write_text('/mnt/images/** rk,\n')
        before = self.host.files()
        for done in self.all_phases():
            self.assertEqual(0, done.status)
        after = {path: text for path, text in self.host.files().items()
                 if not path.startswith('/cloud/')}
        self.assertEqual(before, after)
        self.assertFalse((self.host.root / 'etc/nova-dmore').exists())

    def test_clean_removes_the_user(self) -> None:
        for kind in ('passwd', 'group'):
            (self.host.root / f'{kind}-nova-dmore').touch()
        done = self.run_phases(stack.CLEAN)
        self.assertEqual([['nova-dmore']], done.of('sudo', 'userdel'))
        self.assertEqual([['nova-dmore']], done.of('sudo', 'groupdel'))
        self.assertEqual([['nova-dmore']], done.of('pip_uninstall'))

    def test_disabled(self) -> None:
        done = self.host.run(*stack.STACK, stack.UNSTACK, stack.CLEAN,
                             services=())
        self.assertNotEqual([], done.calls)
        # The settings have enabled it: without that nothing is done.
        text = (stack.PLUGIN / 'plugin.sh').read_text()
        body = text.partition('\nif is_service_enabled dmore; then\n')[2]
        self.assertTrue(body.endswith('\nfi\n'))
        self.assertNotIn('\nfi\n', body[:-4])


class CheckTest(plugin_case.PluginCase):

    def test_what_cannot_be_stacked_ends_it(self) -> None:
        for given, message in (
                ({'PACKAGES_OF_HOST': 'rpm'}, 'ivshmem-doorbell'),
                ({'VIRT_DRIVER': 'fake'}, 'VIRT_DRIVER is fake'),
                ({'NOVA_CONSOLE_PROXY_COMPUTE_TLS': 'True'}, 'vnc_tls_dir'),
                ({'DEST': '/home/stack'}, 'sees no /home/stack'),
                ({'DATA_DIR': '/root/data',
                  'NOVA_BIN_DIR': '/root/data/venv/bin'},
                 'sees no /root/data/venv/bin')):
            with self.subTest(message):
                done = self.host.run(*stack.STACK, **given)
                self.assertEqual(1, done.status)
                self.assertIn(message, ' '.join(done.of('die')[0]))
                self.assertEqual({}, self.host.files())


class InstallTest(plugin_case.PluginCase):

    def test_packages_are_those_of_bindep(self) -> None:
        for given, profile in (
                ({}, '-bindep=image'),
                ({'DMORE_IMAGE_FILE': '/x.tar'}, '-bindep'),
                ({'services': stack.COMPUTE_ONLY}, '-bindep')):
            with self.subTest(profile):
                done = self.run_phases('stack install', **given)
                self.assertEqual([[profile, str(stack.REPOSITORY)]],
                                 done.of('setup_develop'))
                self.assertEqual([], done.of('install_package'))

    def test_packages_of_the_tests_are_not_among_them(self) -> None:
        lines = (stack.REPOSITORY / 'bindep.txt').read_text().splitlines()
        entries = [re.fullmatch(r'(\S+) \[platform:dpkg( .*)?\]', line)
                   for line in lines if line and not line.startswith('#')]
        self.assertNotIn(None, entries)
        chosen = {entry[1]: (entry[2] or '').split() for entry in entries}
        self.assertEqual(
            {'libseccomp2'},
            {name for name, profiles in chosen.items() if not profiles})
        self.assertEqual(
            {'debian-archive-keyring', 'mmdebstrap'},
            {name for name, profiles in chosen.items()
             if 'image' in profiles})
        self.assertEqual(['test'], chosen['mariadb-server'])


class PostConfigTest(plugin_case.PluginCase):

    def setUp(self) -> None:
        super().setUp()
        self.done = self.run_phases('stack post-config')
        self.files = self.host.files()

    def test_files(self) -> None:
        self.assertEqual(_ON_A_COMPUTE_NODE, set(self.files))

    def test_options_are_those_of_the_project(self) -> None:
        known = cfg.ConfigOpts()
        conf.register(known)
        given = self.done.options(stack.NOVA_CONF)
        self.assertEqual('dmore.DMoreDriver',
                         given.pop(('DEFAULT', 'compute_driver')))
        for (section, name), value in given.items():
            self.assertEqual('dmore', section)
            known.set_override(name, value, section)
        self.assertEqual(['172.31.250.2/32'],
                         known.dmore.vnc_proxy_networks)
        self.assertEqual(['172.31.250.2/32'],
                         known.dmore.serial_proxy_networks)
        self.assertEqual('dmore-mgmt', known.dmore.management_network)
        # Where doc/source/install/devstack.rst says that the address is.
        self.assertIs(True, known.dmore.ssh_metadata)

    def test_nova_is_configured_after_neutron_has_done_it(self) -> None:
        wait = self.done.calls.index(['async_wait', 'configure_neutron_nova'])
        nova = [number for number, call in enumerate(self.done.calls)
                if call[:2] == ['iniset', stack.NOVA_CONF]]
        self.assertLess(wait, min(nova))

    def test_nova_compute_of_stack_is_let_in(self) -> None:
        given = self.done.options('/etc/nova-dmore/hostd.conf')
        self.assertEqual({('hostd', 'compute_user'): 'stack',
                          ('hostd', 'qemu_group'): 'libvirt-qemu'}, given)
        names = {option.name for _group, options in hostd_options.list_opts()
                 for option in options}
        self.assertLessEqual({name for _section, name in given}, names)
        users = self.files['/etc/sysusers.d/nova-dmore.conf'].splitlines()
        self.assertIn('m stack nova-dmore', users)
        self.assertIn('m nova-dmore libvirt-qemu', users)
        self.assertNotIn('m nova nova-dmore', users)

    def test_directories_are_of_the_users_here(self) -> None:
        lines = [line.split() for line in
                 self.files['/etc/tmpfiles.d/nova-dmore.conf'].splitlines()
                 if line.startswith('d ')]
        self.assertEqual(
            {'/run/nova-dmore': 'nova-dmore', '/run/nova-dmore-records':
             'stack', '/var/log/nova-dmore': 'stack',
             '/var/lib/nova-dmore': 'stack'},
            {line[1]: line[3] for line in lines})
        for line in lines:
            self.assertEqual(line[3], line[4])

    def test_unit_runs_the_program_of_the_virtual_environment(self) -> None:
        unit = '/etc/systemd/system/nova-dmore-hostd.service'
        self.assertEqual(
            (stack.REPOSITORY / 'etc/systemd/nova-dmore-hostd.service')
            .read_text(), self.files[unit])
        drop_in = self.files[f'{unit}.d/devstack.conf']
        self.assertIn('Before=devstack@n-cpu.service\n', drop_in)
        self.assertIn('ExecStart=\n'
                      f'ExecStart={stack.BIN}/nova-dmore-hostd --config-file '
                      '/etc/nova-dmore/hostd.conf\n', drop_in)
        self.assertIn('Environment=OS_NOVA_DISABLE_EVENTLET_PATCHING=true\n',
                      self.files[stack.DROP_IN])
        self.assertEqual([['daemon-reload'],
                          ['enable', 'nova-dmore-hostd.service'],
                          ['restart', 'nova-dmore-hostd.service']],
                         self.done.of('sudo', 'systemctl'))

    def test_profile_lets_it_read_the_virtual_environment(self) -> None:
        self.assertEqual(
            f'{stack.REPOSITORY}/{{,**}} r,\n'
            '/opt/stack/data/venv/{,**} r,\n'
            '/opt/stack/data/venv/**.so* mr,\n',
            self.files['/etc/apparmor.d/local/nova-dmore-hostd'])
        self.assertIn('@{profile_name}/* rw', self.files[_RULES])

    def test_rules_of_others(self) -> None:
        ours = (stack.REPOSITORY / _RULES.lstrip('/')).read_text()
        file = self.host.root / _RULES.lstrip('/')
        block = f'# BEGIN nova-dmore\n{ours}# END nova-dmore\n'
        for there, stacked, clean in (
                # An end of line is missing.
                ('/dev/x rw,', f'/dev/x rw,\n{block}', '/dev/x rw,\n'),
                # An operator has done what the documentation says.
                (f'/dev/x rw,\n{ours}', *[f'/dev/x rw,\n{ours}'] * 2),
                (block + ours, ours, ours),
                ('', block, '')):
            file.write_text(there)
            # While it is open, no other file gets its number.
            before = self.enterContext(file.open())
            for _ in range(2):
                done = self.run_phases('stack post-config')
                self.assertEqual(stacked, file.read_text())
            # Nobody has ever seen half of it.
            for written in done.of('sudo', 'tee') + done.of(
                    'sudo', 'install'):
                self.assertNotEqual(_RULES, written[-1])
            if stacked != there:
                self.assertNotEqual(os.fstat(before.fileno()).st_ino,
                                    file.stat().st_ino)
            self.run_phases(stack.CLEAN)
            self.assertEqual(clean, file.read_text())

    def test_without_apparmor(self) -> None:
        for path in list(self.files):
            (self.host.root / path.lstrip('/')).unlink()
        done = self.run_phases('stack post-config', APPARMOR='no')
        self.assertEqual([], done.of('sudo', 'apparmor_parser'))
        self.assertEqual(
            set(), {path for path in self.host.files() if 'apparmor' in path})

    def test_one_secret_for_all_nodes(self) -> None:
        secret = self.files['/etc/nova/dmore.secret']
        self.assertEqual(
            hashlib.sha256(b'nova-dmore password\n').hexdigest(),
            secret.strip())
        done = self.run_phases('stack post-config', trace=True,
                               services=stack.COMPUTE_ONLY)
        self.assertIn('+ configure_dmore_nova', done.output)
        self.assertNotIn(secret.strip(), done.output)
        self.assertEqual(secret, self.host.files()['/etc/nova/dmore.secret'])
        done = self.run_phases('stack post-config', trace=True,
                               DMORE_SECRET='ab' * 32)
        self.assertEqual('ab' * 32 + '\n',
                         self.host.files()['/etc/nova/dmore.secret'])
        # The variable itself is in the trace of whoever set it.
        self.assertNotIn('echo ' + 'ab' * 32, done.output)
        self.assertIn(['-o', 'stack', '-m', '0600', '-D', '/dev/stdin',
                       '/etc/nova/dmore.secret'],
                      done.of('sudo', 'install'))

    def test_not_where_there_is_no_nova_compute(self) -> None:
        for path in list(self.files):
            (self.host.root / path.lstrip('/')).unlink()
        self.run_phases('stack post-config', services=('n-novnc', 'g-api'))
        self.assertEqual({}, self.host.files())


class SettingsTest(plugin_case.PluginCase):

    def test_serial_proxy_runs_where_that_of_vnc_does(self) -> None:
        for services, enabled in ((stack.ALL, ['dmore', 'n-sproxy']),
                                  (stack.COMPUTE_ONLY, ['dmore'])):
            done = self.run_phases('stack none', services=services)
            self.assertEqual([[name] for name in enabled],
                             done.of('enable_service'))

    def test_nova_compute_knows_of_both(self) -> None:
        text = (stack.PLUGIN / 'settings').read_text()
        self.assertIn('\nNOVA_SERIAL_ENABLED=True\n', text)
        self.assertIn('\nNOVA_VNC_ENABLED=True\n', text)


class TestConfigTest(plugin_case.PluginCase):

    def test_both_consoles(self) -> None:
        done = self.run_phases('stack test-config')
        self.assertEqual(
            {('compute-feature-enabled', 'vnc_console'): 'True',
             ('compute-feature-enabled', 'serial_console'): 'True'},
            done.options(stack.TEMPEST_CONFIG))

    def test_not_without_tempest(self) -> None:
        done = self.run_phases('stack test-config',
                               services=stack.COMPUTE_ONLY)
        self.assertEqual([], done.of('iniset'))


class ShellTest(unittest.TestCase):
    """What checks shell scripts finds nothing."""

    FILES = sorted(str(path.relative_to(stack.REPOSITORY)) for path in (
        *stack.PLUGIN.rglob('*'),
        *pathlib.Path(__file__).parent.glob('*.sh')) if path.is_file())

    def check(self, *command: str) -> None:
        program = pathlib.Path(sys.executable).with_name(command[0])
        done = subprocess.run(
            [program, *command[1:], *self.FILES], cwd=stack.REPOSITORY,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual((0, ''), (done.returncode, done.stdout))

    def test_shellcheck(self) -> None:
        self.assertIn('devstack/plugin.sh', self.FILES)
        self.check('shellcheck', '-x', '-s', 'bash')

    def test_bashate(self) -> None:
        # DevStack sources files without "#!", too.
        self.check('bashate', '--ignore', 'E005')


class DocumentTest(unittest.TestCase):

    def test_every_setting_is_told(self) -> None:
        settings = re.findall(r'(?m)^(DMORE_\w+)=',
                              (stack.PLUGIN / 'settings').read_text())
        self.assertGreater(len(settings), 10)
        text = (stack.REPOSITORY / 'doc/source/install/devstack.rst'
                ).read_text()
        self.assertEqual(
            set(settings), set(re.findall(r'``(DMORE_\w+)``', text)))

    def test_line_of_local_conf_names_the_branch(self) -> None:
        # DevStack's default is another one.
        for path in ('README.rst', 'doc/source/install/devstack.rst'):
            lines = re.findall(
                r'^ *enable_plugin .*',
                (stack.REPOSITORY / path).read_text(), re.MULTILINE)
            self.assertNotEqual([], lines, path)
            for line in lines:
                self.assertRegex(line, r' nova-dmore \S+ main$')
