# SPDX-License-Identifier: Apache-2.0
"""Builds the image file from Debian packages; needs root."""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Sequence

import nova_dmore
from nova_dmore.domr.init import build as init_build
from nova_dmore.domr.servers.cipher import ffi_build as cipher_build
from nova_dmore.domr.servers.vnc import program as vnc_program
from nova_dmore import exception
from nova_dmore.image_builder import kernel
from nova_dmore.image_builder import root
from nova_dmore.image_builder import servers
from nova_dmore.image_builder import steps
from nova_dmore.image_builder import tree as tree_module
from nova_dmore import image_file
from nova_dmore import wire

#: Time stamp of everything in the image, in seconds since 1970.
EPOCH = 1700000000
#: What it is made from, unless the operator names another.
SUITE = 'bookworm'
MEMORY_MIB = 96
#: panic=-1 with QEMU's -no-reboot: a panic ends QEMU, the host rebuilds.
#: Without the trace file system the kernel keeps 8 MiB less in its caches.
COMMAND_LINE = ('console=ttyS0 quiet panic=-1 '
                'initcall_blacklist=tracer_init_tracefs no_timer_check')

#: What of Domain R is in C: Python's modules, and programs.
MODULES = (cipher_build.MODULE,)
PROGRAMS = (vnc_program.PROGRAM,)

#: Remembers in the output directory what the newest file was made from.
RECIPE_FILE = 'recipe.json'


def recipe(suite: str, mirrors: Sequence[str], lines: Sequence[str]) -> str:
    """Digest of what an image is made from, Debian's packages apart.

    :param suite: Debian's release
    :param mirrors: where its packages are
    :param lines: the image's servers, as of ``servers.lines_for``
    :raises ImageError: one of these cannot be put into an image
    """
    digest = hashlib.sha256(json.dumps([suite, mirrors, lines]).encode())
    package = pathlib.Path(nova_dmore.__file__).parent
    paths = {package / 'image_file.py',
             *(package / 'image_builder').rglob('*'),
             pathlib.Path(vnc_program.__file__),
             pathlib.Path(cipher_build.__file__),
             *(path for folder in (init_build.FOLDER,
                                   *(each.folder
                                     for each in (*MODULES, *PROGRAMS)))
               for path in folder.rglob('*') if path.is_file())}
    # Where packages are installed makes no difference.
    wanted: dict[pathlib.PurePath, pathlib.Path] = {
        **{path.relative_to(package.parent): path for path in paths},
        **servers.files(lines)}
    for place, path in sorted(wanted.items()):
        if path.is_file() and path.suffix != '.pyc':
            digest.update(f'\0{place}\0'.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def build(output: pathlib.Path, report: steps.Report, rebuild: bool = False,
          suite: str = SUITE, mirrors: Sequence[str] = ()) -> pathlib.Path:
    """Build the image unless ``output`` has one of the same recipe.

    :param output: directory, created if missing, for the image file; it is
        also made in there
    :param rebuild: build even so, for newer Debian packages
    :param suite: Debian's release that it is made from, one of tree.SUITES
    :param mirrors: where its packages are; none: see tree.sources_for
    :returns: path of the image file
    :raises ImageError: the machine lacks something or a tool failed
    """
    if os.geteuid() != 0:
        raise exception.ImageError('nova-dmore-image build needs root: it '
                                   'runs mmdebstrap and chroot')
    lines = servers.installed()
    report('servers: ' + ', '.join(map(str.strip, lines)))
    wanted = recipe(suite, list(mirrors), lines)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise exception.ImageError(f'--output: {error}') from error
    if not rebuild and (known := _known(output, wanted)) is not None:
        report(f'{known}: is up to date')
        return known
    # Not in /tmp: in many hosts that takes no device files, which tools need.
    with tempfile.TemporaryDirectory(prefix='.nova-dmore-image-',
                                     dir=output) as scratch:
        members = pathlib.Path(scratch) / 'members'
        members.mkdir()
        tree = tree_module.Tree(pathlib.Path(scratch) / 'tree', EPOCH)
        with steps.step(report, f'Debian packages of {suite}'):
            tree.unpack(suite, mirrors)
        _make_members(tree, members, lines, report)
        sha256 = {name: image_file.digest(members / name)
                  for name in image_file.MEMBERS
                  if name != image_file.MANIFEST}
        content = hashlib.sha256(json.dumps(sha256, sort_keys=True).encode())
        manifest = image_file.Manifest(
            wire.LAYOUT_VERSION,
            f'{wire.LAYOUT_VERSION}-{content.hexdigest()[:12]}',
            MEMORY_MIB, COMMAND_LINE, sha256)
        target = output / f'nova-dmore-domr-{manifest.version}.tar'
        partial = target.with_suffix('.partial')
        image_file.pack(members, manifest, partial)
        partial.rename(target)
    (output / RECIPE_FILE).write_text(
        json.dumps({'recipe': wanted, 'file': target.name,
                    'sha256': image_file.digest(target)}) + '\n')
    return target


def _known(output: pathlib.Path, wanted: str) -> pathlib.Path | None:
    """The intact image file in ``output`` made by this recipe."""
    try:
        known = json.loads((output / RECIPE_FILE).read_text())
        path = output / pathlib.Path(known['file']).name
        if known['recipe'] == wanted and path.is_file():
            if image_file.digest(path) == known['sha256']:
                return path
    except (OSError, ValueError, KeyError, TypeError):
        pass    # none, or a damaged note: build again
    return None


def _make_members(tree: tree_module.Tree, members: pathlib.Path,
                  lines: Sequence[str], report: steps.Report) -> None:
    version = kernel.version_in(tree)
    with steps.step(report, f'kernel {version}: module and initial file '
                    'system'):
        order = kernel.module_order(tree, version)
        order.append(kernel.build_module(tree, version, EPOCH))
        shutil.copy(kernel.make_initrd(tree, order, EPOCH),
                    members / image_file.INITRD)
        shutil.copy(tree.path / f'boot/vmlinuz-{version}',
                    members / image_file.KERNEL)
    with steps.step(report, 'root file system'):
        made, native = tree.work('root'), tree.work('native')
        root.make_root(tree, made,
                       {each.name: each.build(native, tree)
                        for each in MODULES},
                       [init_build.compile_init(native, tree),
                        *(each.build(native, tree) for each in PROGRAMS)],
                       lines)
        shutil.copy(root.pack_root(tree, made, EPOCH),
                    members / image_file.ROOT)
