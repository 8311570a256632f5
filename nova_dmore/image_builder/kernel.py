# SPDX-License-Identifier: Apache-2.0
"""The kernel's part of the image: modules and the initial file system."""

import os
import pathlib
import re
import shutil
from collections.abc import Iterable
from importlib import resources

from nova_dmore import exception
from nova_dmore.image_builder import tree as tree_module

#: What Domain R's kernel needs beside what is built into it.
MODULES = ('virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_rng', 'squashfs',
           'uio', 'nf_tables')
IVSHMEM_MODULE = 'uio_ivshmem'
#: A module that modprobe lists among those that the others need, and that they
#: can do without: it only makes a checksum faster, and cannot be loaded where
#: the processor does not have the instruction for it.
_OPTIONAL = 'crc32c-intel.ko'

#: In the tree.
_HEADERS = 'usr/src'
_HEADERS_PATTERN = re.compile(r'linux-headers-(\d.*-cloud-amd64)')


def newest_headers(names: Iterable[str]) -> str:
    """The newest kernel version among names of directories in /usr/src.

    :raises ImageError: there is none
    """
    versions = [match[1] for name in names
                if (match := _HEADERS_PATTERN.fullmatch(name))]
    if not versions:
        raise exception.ImageError('the package linux-headers-cloud-amd64 '
                                   'has no kernel headers')
    return max(versions, key=lambda version: [
        int(number) for number in re.findall(r'\d+', version)])


def version_in(tree: tree_module.Tree) -> str:
    """The version of the kernel that a tree has.

    :raises ImageError: it has none
    """
    return newest_headers(
        path.name for path in (tree.path / _HEADERS).iterdir())


def build_module(tree: tree_module.Tree, version: str,
                 epoch: int) -> pathlib.Path:
    """Compile the UIO module for a kernel; returns the stripped file.

    :param tree: the unpacked Debian packages
    :param version: the kernel's version
    :param epoch: build time in seconds since 1970
    :raises ImageError: it does not compile
    """
    work = tree.work('module')
    files = resources.files('nova_dmore.image_builder') / 'files'
    for name in ('Kbuild', f'{IVSHMEM_MODULE}.c'):
        (work / name).write_text((files / name).read_text())
    there = tree.place(work)
    tree.run(['make', '-C', f'/{_HEADERS}/linux-headers-{version}',
              f'M={there}', f'KBUILD_BUILD_TIMESTAMP=@{epoch}',
              f'KCFLAGS=-ffile-prefix-map={there}=.', 'modules'],
             'The headers and the compiler must fit each other.')
    module = f'{IVSHMEM_MODULE}.ko'
    tree.run(['strip', '--strip-debug', '--remove-section=.note.gnu.build-id',
              str(there / module)])
    return work / module


def module_order(tree: tree_module.Tree, version: str) -> list[pathlib.Path]:
    """Paths of MODULES and what they need, in the order of loading.

    :raises ImageError: the kernel lacks one
    """
    tree.run(['depmod', version])
    order: list[pathlib.Path] = []
    for name in MODULES:
        output = tree.run(['modprobe', '-S', version, '--show-depends', name])
        for line in output.splitlines():
            command, _, path = line.strip().partition(' ')
            module = tree.path / path.strip().lstrip('/')
            if (command == 'insmod' and module.name != _OPTIONAL
                    and module not in order):
                order.append(module)
    return order


def make_initrd(tree: tree_module.Tree, modules: Iterable[pathlib.Path],
                epoch: int) -> pathlib.Path:
    """Write the initial file system: busybox, modules, and our first program.

    It is not compressed: that costs more boot time than it saves.

    :param tree: the unpacked Debian packages
    :param modules: module files in the order of loading
    :raises ImageError: cpio failed
    """
    work = tree.work('initrd')
    content = work / 'content'
    for name in ('bin', 'dev', 'modules', 'root'):
        (content / name).mkdir(parents=True)
    shutil.copy(tree.path / 'bin/busybox', content / 'bin/busybox')
    order = []
    for module in modules:
        shutil.copy(module, content / 'modules' / module.name)
        order.append(module.name)
    (content / 'modules/order').write_text(''.join(f'{n}\n' for n in order))
    install_script('initramfs-init', content / 'init')
    set_times(content, epoch)
    names = sorted(str(path.relative_to(content))
                   for path in content.rglob('*'))
    (work / 'names').write_text(''.join(f'{name}\n' for name in names))
    tree.run(['sh', '-c', 'cd "$1/content" && cpio --quiet --reproducible -o '
              '-H newc -R 0:0 <"$1/names" >"$1/initrd"', 'cpio',
              str(tree.place(work))])
    return work / 'initrd'


def install_script(name: str, target: pathlib.Path) -> None:
    """Copy one of our own programs into the image, executable."""
    source = resources.files('nova_dmore.image_builder') / 'files' / name
    target.write_text(source.read_text())
    target.chmod(0o755)


def set_times(directory: pathlib.Path, epoch: int) -> None:
    """Give everything in a directory the same times, and fixed modes."""
    for path in [directory, *directory.rglob('*')]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)
