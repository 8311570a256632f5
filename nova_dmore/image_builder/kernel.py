# SPDX-License-Identifier: Apache-2.0
"""The kernel's part of the image: modules and the initial file system."""

import os
import pathlib
import re
import shutil
from collections.abc import Iterable
from importlib import resources

from nova_dmore import exception
from nova_dmore.image_builder import steps

#: What Domain R's kernel needs beside what is built into it.
MODULES = ('virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_rng', 'squashfs',
           'uio', 'nf_tables')
IVSHMEM_MODULE = 'uio_ivshmem'
#: Makes what is built in faster, and does not load where a processor lacks the
#: instruction: named beside what is needed, and not needed.
_OPTIONAL = 'crc32c-intel.ko'

HEADERS = pathlib.Path('/usr/src')
_HEADERS_PATTERN = re.compile(r'linux-headers-(\d.*-cloud-amd64)')


def newest_headers(names: Iterable[str]) -> str:
    """The newest kernel version among names of directories in /usr/src.

    :raises ImageError: there is none
    """
    versions = [match[1] for name in names
                if (match := _HEADERS_PATTERN.fullmatch(name))]
    if not versions:
        raise exception.ImageError(
            f'no kernel headers in {HEADERS}: install the Debian package '
            'linux-headers-cloud-amd64')
    return max(versions, key=lambda version: [
        int(number) for number in re.findall(r'\d+', version)])


def installed_headers() -> str:
    """The newest kernel version whose headers this machine has.

    :raises ImageError: there is none
    """
    return newest_headers(path.name for path in HEADERS.iterdir())


def build_module(version: str, work: pathlib.Path,
                 epoch: int) -> pathlib.Path:
    """Compile the UIO module for a kernel; returns the stripped file.

    :param version: the kernel's version, headers of which are installed
    :param work: an empty directory for sources and objects
    :param epoch: build time in seconds since 1970
    :raises ImageError: it does not compile
    """
    files = resources.files('nova_dmore.image_builder') / 'files'
    for name in ('Kbuild', f'{IVSHMEM_MODULE}.c'):
        (work / name).write_text((files / name).read_text())
    steps.run(['make', '-C', str(HEADERS / f'linux-headers-{version}'),
               f'M={work}', f'KBUILD_BUILD_TIMESTAMP=@{epoch}',
               f'KCFLAGS=-ffile-prefix-map={work}=.', 'modules'],
              'The headers and the compiler must fit each other.')
    module = work / f'{IVSHMEM_MODULE}.ko'
    steps.run(['strip', '--strip-debug', '--remove-section=.note.gnu.build-id',
               str(module)])
    return module


def module_order(tree: pathlib.Path, version: str) -> list[pathlib.Path]:
    """Paths of MODULES and what they need, in the order of loading.

    :raises ImageError: the kernel lacks one
    """
    steps.run(['depmod', '-b', str(tree), version])
    order: list[pathlib.Path] = []
    for name in MODULES:
        output = steps.run(['modprobe', '-d', str(tree), '-S', version,
                            '--show-depends', name])
        for line in output.splitlines():
            command, _, path = line.strip().partition(' ')
            module = pathlib.Path(path)
            if (command == 'insmod' and module.name != _OPTIONAL
                    and module not in order):
                order.append(module)
    return order


def make_initrd(tree: pathlib.Path, modules: Iterable[pathlib.Path],
                work: pathlib.Path, epoch: int) -> pathlib.Path:
    """Write the initial file system: busybox, modules, and our first program.

    It is not compressed: that costs more boot time than it saves.

    :param tree: the unpacked Debian packages
    :param modules: module files in the order of loading
    :param work: an empty directory
    :raises ImageError: cpio failed
    """
    content = work / 'content'
    for name in ('bin', 'dev', 'modules', 'root'):
        (content / name).mkdir(parents=True)
    shutil.copy(tree / 'bin/busybox', content / 'bin/busybox')
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
    initrd = work / 'initrd'
    steps.run(['sh', '-c', 'cd "$1" && cpio --quiet --reproducible -o '
               '-H newc -R 0:0 <"$2" >"$3"', 'cpio', str(content),
               str(work / 'names'), str(initrd)])
    return initrd


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
