# SPDX-License-Identifier: Apache-2.0
"""Builds the Debian packages, checks what is in them, and installs those of
the host service and of the gateway on hosts that have been booted.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest

from tests.integration import machine

_REPOSITORY = pathlib.Path(__file__).parents[2]
_LIBRARY = 'usr/lib/python3/dist-packages/nova_dmore'


def _output(*command: str, cwd: pathlib.Path | None = None) -> str:
    # The packages are built by Debian's Python, not by that of the tests.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith('PYTHON')}
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          env={**environment, 'PATH': '/usr/sbin:/usr/bin'})
    if done.returncode != 0:
        raise AssertionError(f'{command[0]}: {done.stdout[-4000:]}')
    return done.stdout


def build(above: pathlib.Path) -> dict[str, pathlib.Path]:
    """Build the packages below a folder; their files, by name."""
    source = above / 'nova-dmore'
    # What is committed, or would be; without git, as of a release.
    names = _output('git', 'ls-files', '--cached', '--others',
                    '--exclude-standard', cwd=_REPOSITORY).splitlines()
    for name in names:
        if (_REPOSITORY / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_REPOSITORY / name, target)
    _output('dpkg-buildpackage', '--build=binary', '--no-sign', cwd=source)
    return {path.name.partition('_')[0]: path for path in above.glob('*.deb')}


def setUpModule() -> None:
    global _folder, _packages
    folder = tempfile.TemporaryDirectory()
    unittest.addModuleCleanup(folder.cleanup)
    _folder = pathlib.Path(folder.name)
    _packages = build(_folder)


class ContentTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.files: dict[str, set[str]] = {}
        cls.unpacked: dict[str, pathlib.Path] = {}
        cls.scripts: dict[str, pathlib.Path] = {}
        for name, package in _packages.items():
            cls.unpacked[name] = _folder / 'unpacked' / name
            cls.scripts[name] = _folder / 'scripts' / name
            for made in (cls.unpacked[name], cls.scripts[name]):
                made.mkdir(parents=True)
            _output('dpkg-deb', '--extract', str(package),
                    str(cls.unpacked[name]))
            _output('dpkg-deb', '--control', str(package),
                    str(cls.scripts[name]))
            cls.files[name] = {
                str(path.relative_to(cls.unpacked[name]))
                for path in cls.unpacked[name].rglob('*') if path.is_file()}

    def script(self, package: str, name: str) -> str:
        return (self.scripts[package] / name).read_text()

    def test_what_is_where(self) -> None:
        self.assertEqual(
            {'nova-compute-dmore', 'nova-dmore-gateway', 'nova-dmore-hostd',
             'nova-dmore-image', 'python3-nova-dmore'}, set(self.files))
        programs = {name: package for package, files in self.files.items()
                    for name in files if name.startswith('usr/bin/')}
        self.assertEqual(
            {'usr/bin/nova-dmore-exporter': 'nova-compute-dmore',
             'usr/bin/nova-dmore-gateway': 'nova-dmore-gateway',
             'usr/bin/nova-dmore-hostd': 'nova-dmore-hostd',
             'usr/bin/nova-dmore-image': 'nova-dmore-image',
             'usr/bin/nova-dmore-manage': 'nova-compute-dmore',
             'usr/bin/nova-dmore-recorder': 'nova-dmore-hostd',
             'usr/bin/nova-dmore-status': 'nova-compute-dmore'}, programs)

    def test_host_service(self) -> None:
        self.assertLessEqual(
            {'etc/apparmor.d/nova-dmore-hostd', 'etc/nova-dmore/hostd.conf',
             'usr/bin/nova-dmore-hostd', 'usr/lib/sysusers.d/nova-dmore.conf',
             'usr/lib/tmpfiles.d/nova-dmore.conf'},
            self.files['nova-dmore-hostd'])
        for name in ('nova-dmore-hostd', 'nova-dmore-recorder'):
            self.assert_unit_has_its_program('nova-dmore-hostd', name)
        root = self.unpacked['nova-dmore-hostd']
        self.assertIn('\nqemu_group = libvirt-qemu\n',
                      (root / 'etc/nova-dmore/hostd.conf').read_text())
        self.assertIn('\nm nova-dmore libvirt-qemu\n', (
            root / 'usr/lib/sysusers.d/nova-dmore.conf').read_text())

    def assert_unit_has_its_program(self, package: str, name: str) -> None:
        unit, = (path for path in self.files[package]
                 if path.endswith(f'/{name}.service'))
        self.assertRegex(unit, f'^(usr/)?lib/systemd/system/{name}.service$')
        program = re.search(r'^ExecStart=/(\S+)', (
            self.unpacked[package] / unit).read_text(), re.MULTILINE)
        self.assertIn(program[1], self.files[package])

    def test_exporter(self) -> None:
        package = 'nova-compute-dmore'
        self.assert_unit_has_its_program(package, 'nova-dmore-exporter')
        examples = {pathlib.Path(path).name for path in self.files[package]
                    if '/examples/' in path}
        self.assertEqual({'nova-dmore.conf.sample', 'nova-dmore.json',
                          'nova-dmore.rules.yaml'}, examples)

    def test_gateway_needs_no_nova(self) -> None:
        needed = {
            each.split()[0]
            for name in ('nova-dmore-gateway', 'python3-nova-dmore')
            for each in _output('dpkg-deb', '--field', str(_packages[name]),
                                'Depends').split(',')}
        self.assertIn('openssh-server', needed)
        self.assertEqual(set(), needed & {
            'nova-common', 'nova-compute', 'nova-dmore-hostd',
            'nova-compute-dmore', 'python3-nova', 'libvirt-daemon-system'})

    def test_gateway_has_what_its_setup_installs(self) -> None:
        below = 'usr/share/nova-dmore/etc/'
        self.assertEqual(
            {'nova-dmore/gateway.conf.sample', 'ssh/nova-dmore-gateway.conf',
             'systemd/nova-dmore-gateway.service'},
            {path.removeprefix(below) for files in self.files.values()
             for path in files if path.startswith(below)})

    def test_modules_are_all_there(self) -> None:
        # Also what Domain R is compiled from.
        expected = {
            f'{_LIBRARY}/{path.relative_to(_REPOSITORY / "nova_dmore")}'
            for path in (_REPOSITORY / 'nova_dmore').rglob('*')
            if path.is_file() and '__pycache__' not in path.parts}
        self.assertGreater(len(expected), 150)
        self.assertLessEqual(expected, self.files['python3-nova-dmore'])

    def test_entry_points(self) -> None:
        information, = (name for name in self.files['python3-nova-dmore']
                        if name.endswith('/entry_points.txt'))
        text = (self.unpacked['python3-nova-dmore'] / information).read_text()
        for line in ('dmore = nova_dmore.virt.loader:DMorePlugin',
                     'ssh = nova_dmore.domr.servers.ssh'):
            self.assertIn(line, text)

    def test_nothing_is_restarted(self) -> None:
        said = {name: '\n'.join(path.read_text() for path in
                                self.scripts[name].iterdir()
                                if path.name in ('preinst', 'postinst',
                                                 'prerm', 'postrm'))
                for name in self.files}
        for name, text in said.items():
            for word in ('restart', 'nova-compute', 'libvirtd'):
                self.assertNotRegex(
                    text, rf'(?m)^[^#\n]*\b{word}\b(?!-dmore)', name)
        # An upgrade does not stop it, either.
        prerm = self.script('nova-dmore-hostd', 'prerm')
        stop = re.search(r'if (.*); then\n\s*deb-systemd-invoke stop', prerm)
        self.assertIn('[ "$1" = remove ]', stop[1])

    def test_user_is_there_before_its_directories(self) -> None:
        script = self.script('nova-dmore-hostd', 'postinst')
        order = [script.index(word) for word in (
            'systemd-sysusers', 'systemd-tmpfiles', 'deb-systemd-invoke')]
        self.assertEqual(sorted(order), order)
        self.assertIn('apparmor_parser', script)

    def test_rules_of_qemu_come_once_and_go(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            rules = root / 'libvirt-qemu'
            rules.write_text('/mnt/** r,\n')
            shipped = (self.unpacked['nova-dmore-hostd']
                       / 'usr/share/nova-dmore/libvirt-qemu.apparmor')

            def run(script: str, action: str) -> str:
                text = (_REPOSITORY / f'debian/nova-dmore-hostd.{script}'
                        ).read_text()
                text = re.sub('RULES=.*', f'RULES={rules}', text).replace(
                    f'/{shipped.relative_to(root_of(shipped))}', str(shipped))
                _output('sh', '-c', text, 'script', action)
                return rules.read_text()

            def root_of(path: pathlib.Path) -> pathlib.Path:
                return path.parents[3]

            once = run('postinst', 'configure')
            self.assertEqual(once, run('postinst', 'configure'))
            self.assertTrue(once.startswith('/mnt/** r,\n'))
            self.assertIn(shipped.read_text(), once)
            self.assertEqual('/mnt/** r,\n', run('postrm', 'remove'))


class InstalledCase(unittest.TestCase):
    """On a host that has been booted."""

    #: Where it sees them.
    PACKAGES, PYTHON = '/opt/dmore/packages', '/opt/dmore/python'
    #: What Debian's Python also finds: what the packages depend on.
    LIBRARY = PYTHON + sysconfig.get_path('purelib').removeprefix(sys.prefix)
    #: The packages of the host, and the unit that they are for.
    NAMES: tuple[str, ...] = ()
    UNIT = ''

    def setUp(self) -> None:
        super().setUp()
        self.machine = machine.Machine(
            {self.PACKAGES: _folder, self.PYTHON: sys.prefix})
        self.machine.start()
        self.addCleanup(self.machine.end)
        # Where this machine lets packages start nothing.
        self.machine.says('rm', '-f', '/usr/sbin/policy-rc.d')

    def dpkg(self, *action: str) -> None:
        what = (self.NAMES if action[0] in ('--remove', '--purge') else [
            f'{self.PACKAGES}/{_packages[name].name}' for name in self.NAMES])
        self.machine.says('dpkg', '--force-depends', *action, *what)

    def property(self, name: str, unit: str | None = None) -> str:
        return self.machine.says('systemctl', 'show', '-P', name,
                                 unit or self.UNIT)

    def assert_gone(self, *paths: str) -> None:
        for path in paths:
            self.machine.says('test', '!', '-e', path)


class ComputeHostInstalledTest(InstalledCase):
    """On a compute host, but for Nova and what it depends on."""

    UNIT, EXPORTER = 'nova-dmore-hostd', 'nova-dmore-exporter'
    NAMES = (UNIT, 'nova-compute-dmore', 'python3-nova-dmore')

    def setUp(self) -> None:
        super().setUp()
        self.machine.write('/etc/sysusers.d/of-the-host.conf', 'u nova -\n')
        self.machine.says('systemd-sysusers')
        for unit in (self.UNIT, self.EXPORTER):
            self.machine.write(
                f'/etc/systemd/system/{unit}.service.d/test.conf',
                f'[Service]\nEnvironment=PYTHONPATH={self.LIBRARY}\n')
        self.dpkg('--install')

    def test_exporter_runs_where_it_is_enabled(self) -> None:
        self.assertEqual(['inactive', 'disabled'], [
            self.property(name, self.EXPORTER)
            for name in ('ActiveState', 'UnitFileState')])
        folder = '/var/lib/prometheus/node-exporter'
        self.machine.says('install', '-d', '-o', 'nova', folder)
        self.machine.says('systemctl', 'enable', '--now', self.EXPORTER)
        self.machine.says(
            'timeout', '30', 'sh', '-c',
            f'until [ -e {folder}/nova-dmore.prom ]; do sleep 0.1; done')
        self.assertIn('\nnova_dmore_host_service_up 1.0\n', self.machine.says(
            'cat', f'{folder}/nova-dmore.prom'))
        started = self.property('MainPID', self.EXPORTER)
        self.dpkg('--install')
        self.assertEqual(started, self.property('MainPID', self.EXPORTER))
        self.dpkg('--remove')
        self.assertEqual('inactive',
                         self.property('ActiveState', self.EXPORTER))

    def test_life(self) -> None:
        self.assertEqual('active', self.property('ActiveState'))
        self.assertIn('nova-dmore', self.machine.says('id', '-nG', 'nova'))
        self.assertIn('libvirt-qemu',
                      self.machine.says('id', '-nG', 'nova-dmore'))
        self.assertEqual('nova', self.machine.says(
            'stat', '-c', '%U', '/run/nova-dmore-records'))
        # An upgrade, as dpkg does it for the same version, too.
        started = self.property('MainPID')
        self.dpkg('--install')
        self.assertEqual(started, self.property('MainPID'))
        self.assertEqual('active', self.property('ActiveState'))
        self.dpkg('--remove')
        self.assertEqual('inactive', self.property('ActiveState'))
        self.dpkg('--purge')
        self.assert_gone('/var/lib/nova-dmore-hostd', '/etc/nova-dmore',
                         f'/{_LIBRARY}')


class GatewayInstalledTest(InstalledCase):

    UNIT = 'nova-dmore-gateway'
    NAMES = (UNIT, 'python3-nova-dmore')
    MADE = ('/etc/nova-dmore/gateway.conf', '/var/lib/nova-dmore-gateway',
            '/etc/ssh/nova-dmore-gateway.conf',
            '/etc/ssh/nova-dmore-gateway_ed25519_key',
            '/etc/systemd/system/nova-dmore-gateway.service')

    def run_setup(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.machine.run(
            'env', f'PYTHONPATH={self.LIBRARY}', 'nova-dmore-gateway',
            'setup', *more)

    def test_life(self) -> None:
        self.machine.write('/etc/hosts', '127.0.0.1 localhost\n')
        self.dpkg('--install')
        self.assert_gone(*self.MADE)
        # It gets as far as to what is no default.
        done = self.run_setup()
        self.assertIn('management_network is not set', done.stdout)
        self.assertEqual(0, self.run_setup('--no-start').returncode)
        self.machine.says('systemctl', 'enable', '--now', self.UNIT)
        self.dpkg('--install')
        self.assertEqual('active', self.property('ActiveState'))
        self.dpkg('--remove')
        self.assertEqual('inactive', self.property('ActiveState'))
        self.dpkg('--purge')
        self.assert_gone(*self.MADE, '/etc/nova-dmore', f'/{_LIBRARY}')
