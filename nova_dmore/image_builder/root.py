# SPDX-License-Identifier: Apache-2.0
"""The read-only root file system of Domain R."""

import modulefinder
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Mapping
from importlib import metadata

import nova_dmore
from nova_dmore.domr.init import build as init_build
from nova_dmore import exception
from nova_dmore.image_builder import kernel
from nova_dmore.image_builder import steps
from nova_dmore.image_builder import tree as tree_module

DEBIAN_PYTHON = 'usr/lib/python3/dist-packages'
AGENT = 'usr/lib/nova-dmore'
AGENT_MODULE = 'nova_dmore.domr.agent'
#: Name of the program in AGENT that is process 1.
INIT = 'init'
#: One line ``name = module:attribute`` per server that Domain R can run.
RMS_FILE = 'etc/nova-dmore/rms'
RMS_GROUP = 'nova_dmore.rms'

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


def server_lines(entry_points: Iterable[metadata.EntryPoint]) -> list[str]:
    """Lines of RMS_FILE for the servers that belong to this package.

    :raises ImageError: there are none
    """
    lines = sorted(f'{point.name} = {point.value}\n' for point in entry_points
                   if point.value.startswith('nova_dmore.'))
    if not lines:
        raise exception.ImageError(
            f'no entry points {RMS_GROUP}: install nova-dmore (pip install), '
            'do not run it from its source tree alone')
    return lines


def installed_servers() -> list[str]:
    """Lines of RMS_FILE for the package as it is installed.

    :raises ImageError: it is not
    """
    return server_lines(metadata.entry_points(group=RMS_GROUP))


def agent_modules(servers: Iterable[str]) -> list[str]:
    """What Domain R imports first: the agent, and each line's server."""
    return [AGENT_MODULE, *(line.partition('=')[2].strip()
                            for line in servers)]


def agent_files(modules: Iterable[str]) -> list[pathlib.Path]:
    """Files of this package that modules of it import, relative to it."""
    package = pathlib.Path(nova_dmore.__file__).parent
    # Looks for imports in the sources: nothing is run, and what this machine
    # does not have (asyncssh) does not matter.
    finder = modulefinder.ModuleFinder(path=[str(package.parent)])
    for module in modules:
        finder.import_hook(module)
    return sorted(pathlib.Path(found.__file__)  # type: ignore[attr-defined]
                  .relative_to(package)     # typeshed has no attributes of it
                  for name, found in finder.modules.items()
                  if name.partition('.')[0] == package.name)


def _copy_agent(root: pathlib.Path, modules: Iterable[str]) -> None:
    package = pathlib.Path(nova_dmore.__file__).parent
    for path in agent_files(modules):
        target = root / AGENT / package.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(package / path, target)


def make_root(source: tree_module.Tree, root: pathlib.Path,
              native: Mapping[str, pathlib.Path],
              programs: Iterable[pathlib.Path]) -> None:
    """Lay out Domain R's root directory from the unpacked packages.

    :param native: names and files of the modules in C
    :param programs: files of the programs in C, one of them INIT
    :raises ImageError: a wanted file is missing or a tool failed
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
    for top in (tree, root):    # the loader looks for its libraries in tree
        (top / AGENT).mkdir(parents=True)
        for file in [*native.values(), *programs]:
            shutil.copy(file, top / AGENT)
    _copy_libraries(source, root)
    servers = installed_servers()
    modules = agent_modules(servers)
    _copy_agent(root, modules)
    (root / RMS_FILE).write_text(''.join(servers))
    (root / 'sbin/init').symlink_to(f'/{AGENT}/{INIT}')
    (root / 'etc/passwd').write_text(init_build.passwd())
    (root / 'etc/group').write_text(init_build.group())
    # Compiled once here: the file system is read-only and a start in an
    # emulated machine must not compile. Sources are never looked at again.
    steps.run(['chroot', str(root), f'/{python}', '-S', '-m', 'compileall',
               '-q', '-f', '--invalidation-mode', 'unchecked-hash',
               f'/{library}', f'/{DEBIAN_PYTHON}', f'/{AGENT}'],
              env={**os.environ, 'PYTHONHASHSEED': '0'})
    # What is missing in the image is to fail here, not in Domain R.
    steps.run(['chroot', str(root), f'/{python}', '-S', '-B', '-c',
               f'import {", ".join([*modules, *native])}'],
              'A file that Domain R needs is not copied into its image.',
              env={**os.environ,
                   'PYTHONPATH': f'/{AGENT}:/{DEBIAN_PYTHON}'})


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
