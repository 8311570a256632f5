# SPDX-License-Identifier: Apache-2.0
"""Packages of a newer release, unpacked into a folder and not installed.

Laid over this machine's files, the folder makes a host that has them; this
machine keeps its own. Their maintainer scripts do not run. A file of the
folder (``machine.HIDES``) names what the packages no longer have: a program
may take what an older version has left for a part of itself.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from laboratory import command, machine
from laboratory.progress import Failure
from laboratory.setup import debian

#: Where a folder of a package is a symbolic link since /usr was merged.
_MERGED = ('bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin')


def build(suite: str, packages: Sequence[str], folder: pathlib.Path,
          log: pathlib.Path, mirror: str = 'http://deb.debian.org/debian'
          ) -> None:
    """Download and unpack packages, and what they depend on that is not
    installed here.

    :param suite: the release that they are from, like ``bookworm-backports``;
        what they depend on may be from the one before the hyphen
    :param folder: made anew
    :raises Failure: apt or tar ended with an error
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        work = pathlib.Path(made)
        unpacked = work / 'unpacked'
        unpacked.mkdir()
        for name in _MERGED:
            if os.path.islink(f'/{name}'):
                (unpacked / name).symlink_to(f'usr/{name}')
        found = _download(suite, packages, work, mirror, log)
        for package in found:
            _unpack(package, unpacked)
        (unpacked / machine.HIDES).write_text(''.join(
            f'{path}\n' for path in _gone(found, unpacked)))
        # The folder is there when all of it is.
        unpacked.chmod(0o755)
        unpacked.rename(folder)


def _download(suite: str, packages: Sequence[str], work: pathlib.Path,
              mirror: str, log: pathlib.Path) -> list[pathlib.Path]:
    """The package files. This machine's own sources and lists stay as they
    are."""
    release = suite.partition('-')[0]
    sources = work / 'sources.list'
    sources.write_text(''.join(f'deb {mirror} {each} main\n'
                               for each in sorted({release, suite})))
    for name in ('lists/partial', 'archives/partial'):
        (work / name).mkdir(parents=True)
    apt = ['apt-get', '-q', '-y',
           '-o', f'Dir::Etc::SourceList={sources}',
           '-o', 'Dir::Etc::SourceParts=-',
           '-o', f'Dir::State::Lists={work}/lists',
           '-o', f'Dir::Cache={work}',
           '-o', f'Dir::Cache::Archives={work}/archives',
           '-o', 'APT::Sandbox::User=root']
    command.logged('newer packages', [*apt, 'update'], log)
    command.logged('newer packages', [
        *apt, '-t', suite, 'install', '--download-only',
        '--no-install-recommends', *packages], log)
    return sorted((work / 'archives').glob('*.deb'))


def _unpack(package: pathlib.Path, folder: pathlib.Path) -> None:
    with subprocess.Popen(['dpkg', '--fsys-tarfile', str(package)],
                          stdout=subprocess.PIPE) as content:
        tar = subprocess.run(['tar', '-x', '--keep-directory-symlink',
                              '-C', str(folder)], stdin=content.stdout)
    if content.returncode or tar.returncode:
        raise Failure('newer packages', f'{package.name} cannot be unpacked')


def _gone(packages: Sequence[pathlib.Path], folder: pathlib.Path) -> list[str]:
    """Files that the installed versions of packages have and these have not;
    configuration stays."""
    names = {each.name.partition('_')[0] for each in packages}
    installed = names - set(debian.missing(sorted(names)))
    files = command.output(['dpkg', '-L', *sorted(installed)]).splitlines()
    return sorted({
        path for path in files
        if path.startswith(('/bin/', '/lib', '/sbin/', '/usr/'))
        and not os.path.isdir(path)
        and not os.path.lexists(folder / path.lstrip('/'))})
