# SPDX-License-Identifier: Apache-2.0
"""The guide of an installation is followed, block by block, below a directory
in place of the host's own; what would change a cloud or a host is written
down instead.
"""

import pathlib
import re
import subprocess
import tempfile
import unittest

from tests.unit import test_guides

_ROOT = pathlib.Path(__file__).parents[2]
_PAGES = _ROOT / 'doc/source'
#: Programs that are not run.
_RECORDED = ('apparmor_parser', 'chown', 'getent', 'groupdel',
             'nova-dmore-image', 'nova-dmore-status', 'openstack', 'pip',
             'systemctl', 'systemd-sysusers', 'systemd-tmpfiles', 'userdel')
#: Directories of the host.
_HOST = re.compile(r'(?<![\w.)])/(?=(?:etc|opt|run|var)/)')


def _section(page: str, begin: str, end: str) -> str:
    text = (_PAGES / page).read_text()
    return text[text.index(f'\n{begin}\n'):text.index(f'\n{end}\n')]


def _shells(text: str) -> list[str]:
    """The blocks that are typed, and not files, or lines of such."""
    return [block for block in test_guides._blocks(text)
            if not re.match(r'[\[/]|# systemctl edit', block)]


class GuideTest(unittest.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.host = pathlib.Path(folder.name, 'host')
        for path in ('etc/nova', 'etc/apparmor.d', 'etc/sysusers.d',
                     'etc/tmpfiles.d', 'etc/systemd/system',
                     'prefix/share'):
            (self.host / path).mkdir(parents=True)
        # What pip has installed with the wheel.
        (self.host / 'prefix/share/nova-dmore').symlink_to(_ROOT)
        self.calls = pathlib.Path(folder.name, 'calls')
        self.calls.touch()

    def follow(self, blocks: list[str]) -> None:
        """One after the other, in one shell that ends at an error."""
        lines = [
            *(f'{name}() {{ echo "{name} $*" >> {self.calls}; }}'
              for name in _RECORDED),
            f'python3() {{ echo {self.host}/prefix; }}',
            *(_HOST.sub(f'{self.host}/', '\n'.join(test_guides._lines(block)))
              for block in blocks)]
        done = subprocess.run(
            ['bash', '-e', '-u', '-c', '\n'.join(lines)], cwd=self.host,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.assertEqual(0, done.returncode, done.stdout)

    def install(self) -> None:
        """Both pages, in the order in which the first sends to the other."""
        host_service = _section('admin/hostd.rst', 'Install it',
                                'What becomes of sessions')
        guide = _section('install/index.rst',
                         '1. On each compute host: the code', 'Remove it')
        first, *others = _shells(guide)
        self.follow([first, *_shells(host_service), *others])

    def files(self) -> set[str]:
        return {str(path.relative_to(self.host))
                for path in (self.host / 'etc').rglob('*') if path.is_file()}

    def test_it_is_installed(self) -> None:
        self.install()
        self.assertEqual(
            {'etc/apparmor.d/local/abstractions/libvirt-qemu',
             'etc/apparmor.d/nova-dmore-hostd', 'etc/nova-dmore/hostd.conf',
             'etc/nova/dmore.secret', 'etc/sysusers.d/nova-dmore.conf',
             'etc/systemd/system/nova-dmore-hostd.service',
             'etc/tmpfiles.d/nova-dmore.conf'}, self.files())
        secret = self.host / 'etc/nova/dmore.secret'
        self.assertEqual(0o600, secret.stat().st_mode & 0o777)
        self.assertRegex(secret.read_text(), r'^[0-9a-f]{64}\n$')
        calls = self.calls.read_text().splitlines()
        order = [calls.index(call) for call in (
            'pip install nova-dmore', 'systemd-sysusers ',
            'systemd-tmpfiles --create nova-dmore.conf',
            'systemctl enable --now nova-dmore-hostd',
            'nova-dmore-image build', 'nova-dmore-image upload FILE',
            'nova-dmore-status upgrade check')]
        self.assertEqual(sorted(order), order)

    def test_it_is_removed(self) -> None:
        rules = 'etc/apparmor.d/local/abstractions/libvirt-qemu'
        self.install()
        self.follow(_shells((_PAGES / 'install/index.rst').read_text()
                            .partition('\nRemove it\n')[2]))
        # What was appended is taken out by hand.
        self.assertEqual({rules}, self.files())
        self.assertFalse((self.host / 'etc/nova-dmore').exists())
        for call in ('systemctl disable --now nova-dmore-hostd',
                     'userdel nova-dmore', 'pip uninstall nova-dmore',
                     'openstack security group delete nova-dmore-domain-r'):
            self.assertIn(call, self.calls.read_text().splitlines())
