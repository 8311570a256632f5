# SPDX-License-Identifier: Apache-2.0
"""Debian's packages, unpacked: what the image is made from, and made with.

The machine itself gives only what unpacks them. So the image can be built on
any Debian or Ubuntu, and has the same bytes everywhere.
"""

import os
import pathlib
import platform
import shutil
from collections.abc import Sequence

import nova_dmore
from nova_dmore import exception
from nova_dmore.image_builder import steps

#: Debian's releases that an image can be made from, and what each has in
#: packages of their own.
SUITES: dict[str, tuple[str, ...]] = {
    'bookworm': (), 'trixie': ('openssl-provider-legacy',)}

#: Packages of what is in Domain R. Of those that begin with "lib" only the
#: libraries are wanted that the programs compiled here are linked with;
#: ``root.make_root`` finds these.
_CONTENT = ('linux-image-cloud-amd64', 'python3', 'python3-asyncssh',
            'busybox-static', 'libvncserver1', 'libmnl0', 'libnftnl11',
            'libseccomp2')
#: What it is made with: compiler and headers, and the tools around them.
_TOOLS = ('binutils', 'coreutils', 'cpio', 'dash', 'diffutils', 'findutils',
          'gcc', 'grep', 'kmod', 'libc6-dev', 'libmnl-dev', 'libnftnl-dev',
          'libpython3-dev', 'libseccomp-dev', 'libssl-dev',
          'libvncserver-dev', 'linux-headers-cloud-amd64', 'make', 'mawk',
          'python3-cffi', 'python3-setuptools', 'sed', 'squashfs-tools',
          'zlib1g-dev')

#: Where the machine's own apt says its mirror is.
_APT_SOURCES = (pathlib.Path('/etc/apt/sources.list.d/debian.sources'),
                pathlib.Path('/etc/apt/sources.list'))
#: Directories that are links into /usr, as Debian has them since release 12
#: ("merged /usr"). Packages of older releases can be unpacked over them, too.
_MERGED = ('bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin')
#: Where in it something is made.
_WORK = 'build'
#: Where this package is.
_INSTALLED = pathlib.Path(nova_dmore.__file__).parents[1]


def sources_for(suite: str, mirrors: Sequence[str]) -> list[str]:
    """What mmdebstrap gets to know of where packages are.

    :param mirrors: as the operator gives them
    :returns: these; without, the sources of this machine if it has the same
        release, or nothing: mmdebstrap takes Debian's own mirror, with its
        updates
    """
    if mirrors:
        return list(mirrors)
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    if (release.get('ID'), release.get('VERSION_CODENAME')) == (
            'debian', suite):
        return [str(path) for path in _APT_SOURCES if path.exists()][:1]
    return []


class Tree(steps.Machine):
    """An unpacked tree, in which tools run.

    :param path: an empty directory
    :param epoch: time of everything that is made, in seconds since 1970
    """

    def __init__(self, path: pathlib.Path, epoch: int) -> None:
        self.path = path
        self._environment = {'PATH': '/usr/sbin:/usr/bin', 'LC_ALL': 'C.UTF-8',
                             'PYTHONHASHSEED': '0',
                             'SOURCE_DATE_EPOCH': str(epoch)}

    def unpack(self, suite: str, mirrors: Sequence[str]) -> None:
        """Fill it.

        :param suite: one of SUITES
        :param mirrors: as of :func:`sources_for`
        :raises ImageError: apt or a mirror failed, or no device file can be
            made there
        """
        for name in _MERGED:
            (self.path / 'usr' / name).mkdir(parents=True)
            (self.path / name).symlink_to(f'usr/{name}')
        proxies = steps.run(['apt-config', 'dump', '--no-empty', '--format',
                             '%f "%v";%n', 'Acquire::http::Proxy',
                             'Acquire::https::Proxy'])
        packages = [*_CONTENT, *_TOOLS, *SUITES[suite]]
        # "extract" unpacks and runs no maintainer script: nothing depends on
        # the machine or the time of the build.
        steps.run(['mmdebstrap', '--mode=root', '--variant=extract',
                   '--architectures=amd64', '--skip=check/empty',
                   f'--include={",".join(packages)}',
                   *(f'--aptopt={line}' for line in proxies.splitlines()),
                   suite, str(self.path), *sources_for(suite, mirrors)],
                  'On Ubuntu, the keys of Debian are in the package '
                  'debian-archive-keyring.',
                  env={**self._environment, **os.environ})
        # mmdebstrap does without, where it cannot make any.
        if not (self.path / 'dev/null').is_char_device():
            raise exception.ImageError(
                f'no device files can be made in {self.path} (mount option '
                'nodev, or a container without CAP_MKNOD): give --output a '
                'directory where they can')
        # A maintainer script would have made it.
        (self.path / 'usr/bin/awk').symlink_to('mawk')

    @property
    def python(self) -> str:
        """The path of its interpreter, like ``usr/bin/python3.11``.

        :raises ImageError: it has none
        """
        try:
            return f'usr/bin/{os.readlink(self.path / "usr/bin/python3")}'
        except OSError as error:
            raise exception.ImageError(f'no Python: {error}') from error

    @property
    def interpreter(self) -> str:
        return f'/{self.python}'

    def work(self, name: str) -> pathlib.Path:
        """A new directory in it, to make something in."""
        made = self.path / _WORK / name
        made.mkdir(parents=True)
        return made

    def run(self, argv: Sequence[str], advice: str = '') -> str:
        return steps.run(['chroot', str(self.path), *argv], advice,
                         env=self._environment)

    def place(self, path: pathlib.Path) -> pathlib.Path:
        if not path.is_relative_to(self.path):
            # Sources: each folder at a path that is the same on all machines.
            there = self.path / _WORK / path.relative_to(_INSTALLED)
            if not there.exists():
                shutil.copytree(path, there,
                                ignore=shutil.ignore_patterns('__pycache__'))
            path = there
        return pathlib.Path('/', path.relative_to(self.path))
