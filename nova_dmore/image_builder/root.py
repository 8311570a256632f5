# SPDX-License-Identifier: Apache-2.0
"""The read-only root file system of Domain R."""

import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence

from nova_dmore.domr.init import build as init_build
from nova_dmore import exception
from nova_dmore.image_builder import kernel
from nova_dmore.image_builder import servers
from nova_dmore.image_builder import steps
from nova_dmore.image_builder import tree as tree_module

DEBIAN_PYTHON = 'usr/lib/python3/dist-packages'
AGENT = 'usr/lib/nova-dmore'
#: Name of the program in AGENT that is process 1.
INIT = 'init'
#: One line ``name = module`` per server that Domain R can run.
RMS_FILE = 'etc/nova-dmore/rms'

#: What is copied from the unpacked packages beside Python; libraries come on
#: top.
WANTED = (f'{DEBIAN_PYTHON}/asyncssh', f'{DEBIAN_PYTHON}/cryptography',
          f'{DEBIAN_PYTHON}/typing_extensions.py',
          # Debian's cryptography does not load without the legacy provider.
          'usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so')
#: The module that cryptography is built with, for the tree's Python.
_BACKEND = '_cffi_backend.cpython-*-x86_64-linux-gnu.so'
#: Parts of Python's library that nothing in Domain R imports.
UNWANTED = ('ensurepip', 'idlelib', 'lib2to3', 'pydoc_data', 'tkinter',
            'turtledemo', 'unittest', 'distutils', 'test',
            'config-3.*-x86_64-linux-gnu', 'sitecustomize.py')
DIRECTORIES = ('dev', 'proc', 'sbin', 'sys', 'etc/nova-dmore')

_LIBRARY = re.compile(r'(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)')


def libraries_of(output: str) -> set[str]:
    """Absolute paths of shared libraries in the dynamic loader's listing."""
    return {match[1] for line in output.splitlines()
            if (match := _LIBRARY.fullmatch(line.strip()))}


def _is_elf(path: pathlib.Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open('rb') as file:
        return file.read(4) == b'\x7fELF'


def _copy_libraries(source: tree_module.Tree, root: pathlib.Path) -> None:
    """Copy what the dynamic loader would load for the programs in root."""
    wanted: set[str] = set()
    for path in sorted(filter(_is_elf, root.rglob('*'))):
        wanted |= libraries_of(source.run(
            ['/lib64/ld-linux-x86-64.so.2', '--list',
             f'/{path.relative_to(root)}']))
    for name in sorted(wanted):
        target = root / name.lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.path / name.lstrip('/'), target)  # follows links


def copy_servers(root: pathlib.Path, lines: Sequence[str]) -> None:
    """Put the agent and the servers into a root directory, and their list.

    :param lines: as of ``servers.lines_for``
    :raises ImageError: a server cannot be put into an image
    """
    for place, path in servers.files(lines).items():
        target = root / AGENT / place
        target.parent.mkdir(parents=True, exist_ok=True)
        # Its bytes alone: how it was installed makes no difference.
        shutil.copyfile(path, target)
    listed = root / RMS_FILE
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text(''.join(lines))


def _try(root: pathlib.Path, python: str, statement: str, advice: str
         ) -> None:
    """Have a root directory's own Python run an import statement.

    :raises ImageError: it fails
    """
    steps.run(['chroot', str(root), f'/{python}', '-S', '-B', '-c',
               statement], advice,
              env={**os.environ,
                   'PYTHONPATH': f'/{AGENT}:/{DEBIAN_PYTHON}'})


def make_root(source: tree_module.Tree, root: pathlib.Path,
              native: Mapping[str, pathlib.Path],
              programs: Iterable[pathlib.Path],
              lines: Sequence[str]) -> None:
    """Lay out Domain R's root directory from the unpacked packages.

    :param native: names and files of the modules in C
    :param programs: files of the programs in C, one of them INIT
    :param lines: the servers, as of ``servers.lines_for``
    :raises ImageError: a wanted file is missing, a tool failed, or a server
        cannot be put into an image
    """
    tree, python = source.path, source.python
    library = f'usr/lib/{pathlib.Path(python).name}'
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True)
    for name in (python, library, *WANTED, *(
            str(path.relative_to(tree))
            for path in (tree / DEBIAN_PYTHON).glob(_BACKEND))):
        source_path, target = tree / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source_path.is_dir():
            shutil.copytree(source_path, target, symlinks=True,
                            ignore=shutil.ignore_patterns(*UNWANTED))
        elif source_path.is_file():
            shutil.copy(source_path, target)
        else:
            raise exception.ImageError(
                f'the Debian packages contain no /{name}')
    for top in (tree, root):    # the loader finds its libraries in tree
        (top / AGENT).mkdir(parents=True)
        for file in [*native.values(), *programs]:
            shutil.copy(file, top / AGENT)
    _copy_libraries(source, root)
    copy_servers(root, lines)
    (root / 'sbin/init').symlink_to(f'/{AGENT}/{INIT}')
    (root / 'etc/passwd').write_text(init_build.passwd())
    (root / 'etc/group').write_text(init_build.group())
    # Compiled once here: the file system is read-only and a start in an
    # emulated machine must not compile. Sources are never read again.
    steps.run(['chroot', str(root), f'/{python}', '-S', '-m', 'compileall',
               '-q', '-f', '--invalidation-mode', 'unchecked-hash',
               f'/{library}', f'/{DEBIAN_PYTHON}', f'/{AGENT}'],
              env={**os.environ, 'PYTHONHASHSEED': '0'})
    # What is missing in the image is to fail here, not in Domain R.
    _try(root, python, f'import {", ".join([servers.AGENT_MODULE, *native])}',
         'A file that Domain R needs is not copied into its image.')
    for line in lines:
        _try(root, python, f'from {servers.module_of(line)} import start',
             f'The entry point "{line.strip()}" of {servers.RMS_GROUP} cannot '
             'be a server of Domain R, which has no packages beside '
             "Python's library, asyncssh and cryptography.")


def pack_root(tree: tree_module.Tree, root: pathlib.Path, epoch: int
              ) -> pathlib.Path:
    """Write the squashfs file; equal trees give equal bytes.

    :param root: a directory in the tree
    :raises ImageError: mksquashfs failed
    """
    kernel.set_times(root, epoch)
    packed = tree.work('packed') / 'root'
    # It refuses -mkfs-time and the variable together.
    tree.run(['env', '--unset=SOURCE_DATE_EPOCH', 'mksquashfs',
              str(tree.place(root)), str(tree.place(packed.parent) / 'root'),
              '-quiet', '-no-progress', '-noappend', '-all-root', '-no-xattrs',
              '-comp', 'lz4', '-Xhc', '-mkfs-time', str(epoch),
              '-reproducible'])
    return packed
