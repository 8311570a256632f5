# SPDX-License-Identifier: Apache-2.0
"""The image file: a good one, and every bad one."""

import hashlib
import io
import json
import os
import pathlib
import shutil
import stat
import tarfile
import tempfile
import unittest
from typing import Any
from unittest import mock

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore import wire

_CONTENT = {image_file.KERNEL: b'kernel', image_file.INITRD: b'initrd',
            image_file.ROOT: b'root'}


def _manifest(**changes: Any) -> dict[str, Any]:
    return {'layout_version': wire.LAYOUT_VERSION, 'version': '1-abc',
            'memory_mib': 96, 'command_line': 'console=ttyS0 panic=-1',
            'sha256': {name: hashlib.sha256(data).hexdigest()
                       for name, data in _CONTENT.items()}, **changes}


class ImageFileTest(unittest.TestCase):

    def setUp(self) -> None:
        self.directory = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.tar = self.directory / 'image.tar'
        self.target = self.directory / 'unpacked'

    def write(self, members: list[tuple[str, bytes]],
              kind: bytes = tarfile.REGTYPE) -> None:
        with tarfile.open(self.tar, 'w') as archive:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.type = kind
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    def good(self, **changes: Any) -> list[tuple[str, bytes]]:
        return [(image_file.MANIFEST,
                 json.dumps(_manifest(**changes)).encode()),
                *_CONTENT.items()]

    def refused(self, reason: str) -> None:
        with self.assertRaisesRegex(exception.ImageError, reason):
            image_file.unpack(self.tar, self.target)
        self.assertEqual([self.tar] if self.tar.exists() else [],
                         list(self.directory.iterdir()))

    def test_unpack_and_load(self) -> None:
        self.write(self.good())
        manifest = image_file.unpack(self.tar, self.target)
        self.assertEqual(96, manifest.memory_mib)
        for name, data in _CONTENT.items():
            self.assertEqual(data, (self.target / name).read_bytes())
            self.assertEqual(
                0o444, stat.S_IMODE((self.target / name).stat().st_mode))
        self.assertEqual(manifest, image_file.load(self.target))

    def unpacked(self) -> None:
        self.write(self.good())
        image_file.unpack(self.tar, self.target)

    def changed(self, reason: str) -> None:
        with self.assertRaisesRegex(exception.ImageError, reason):
            image_file.load(self.target)

    def test_what_was_changed_is_not_loaded(self) -> None:
        self.unpacked()
        root = self.target / image_file.ROOT
        root.chmod(0o644)
        for data in (b'r00t', b'rootroot', b''):
            root.write_bytes(data)
            self.changed('root.squashfs was changed')
        root.unlink()
        self.changed('cannot read .*root.squashfs')
        for data in (b'{' * (1 << 16), b' ' * (1 << 17)):
            manifest = self.target / image_file.MANIFEST
            manifest.chmod(0o644)
            manifest.write_bytes(data)
            self.changed('damaged')
        manifest.unlink()
        self.changed('cannot read .*manifest.json')

    def test_what_others_can_change_is_not_loaded(self) -> None:
        self.unpacked()
        for name in image_file.MEMBERS:
            for mode in (0o464, 0o446):
                (self.target / name).chmod(mode)
                self.changed(f'{name} can be written by another user')
            (self.target / name).chmod(0o444)
        image_file.load(self.target)
        # As libvirt leaves a kernel that it has given to QEMU's user.
        us = os.geteuid()
        if us == 0:
            os.chown(self.target / image_file.KERNEL, 12345, -1)
        with mock.patch('os.geteuid', return_value=us and us + 1):
            self.changed('can be written by another user')

    def test_what_is_no_plain_file_is_not_loaded(self) -> None:
        self.unpacked()
        root = self.target / image_file.ROOT
        root.rename(self.directory / 'elsewhere')
        root.symlink_to(self.directory / 'elsewhere')
        self.changed('cannot read .*root.squashfs')
        root.unlink()
        os.mkfifo(root, 0o444)
        self.changed('root.squashfs is not a plain file')

    def test_pack_is_reproducible(self) -> None:
        digests = []
        for attempt in range(2):
            source = self.directory / str(attempt)
            source.mkdir()
            for name, data in _CONTENT.items():
                (source / name).write_bytes(data)
            fields = _manifest()
            image_file.pack(source, image_file.Manifest(**fields), self.tar)
            digests.append(image_file.digest(self.tar))
        self.assertEqual(digests[0], digests[1])
        self.assertEqual('1-abc', image_file.unpack(
            self.tar, self.target).version)

    def test_wrong_members(self) -> None:
        good = self.good()
        for members in ([], good[:-1], good[::-1], [*good, ('x', b'')],
                        [*good[:-1], ('../root.squashfs', b'root')],
                        [*good[:-1], ('/root.squashfs', b'root')]):
            with self.subTest(members=[name for name, _ in members]):
                self.write(members)
                self.refused('damaged')

    def test_links_are_refused(self) -> None:
        self.write([(name, b'') for name in image_file.MEMBERS],
                   tarfile.SYMTYPE)
        self.refused('plain')

    def test_wrong_content(self) -> None:
        self.write([*self.good()[:-1], (image_file.ROOT, b'r00t')])
        self.refused('another digest')

    def test_wrong_manifest(self) -> None:
        for changes in ({'memory_mib': 1 << 20}, {'memory_mib': True},
                        {'version': '../x'}, {'command_line': 'a\nb'},
                        {'command_line': '"'}, {'sha256': {}},
                        {'sha256': {**_manifest()['sha256'], 'initrd': 'x'}}):
            with self.subTest(**changes):
                self.write(self.good(**changes))
                self.refused('damaged')
        self.write([(image_file.MANIFEST, b'[]'), *_CONTENT.items()])
        self.refused('object')
        self.write([(image_file.MANIFEST, b'\xff'), *_CONTENT.items()])
        self.refused('JSON')

    def test_other_layout_version(self) -> None:
        self.write(self.good(layout_version=wire.LAYOUT_VERSION + 1))
        self.refused('layout version')

    def test_manifest_that_wants_much(self) -> None:
        for data in (b'[' * 60000, b'{"a":' * 12000, b'9' * 60000):
            with self.subTest(data=data[:8]):
                self.write([(image_file.MANIFEST, data), *_CONTENT.items()])
                self.refused('JSON')
        for name, layout in (('memory_mib', wire.LAYOUT_VERSION),
                             ('sha256', wire.LAYOUT_VERSION),
                             ('layout_version', 'x' * 50000)):
            with self.subTest(name=name):
                self.write(self.good(**{
                    'layout_version': layout, name: 'x' * 50000}))
                with self.assertRaises(exception.ImageError) as caught:
                    image_file.unpack(self.tar, self.target)
                self.assertLess(len(str(caught.exception)), 400)
        for layout in (float(wire.LAYOUT_VERSION), str(wire.LAYOUT_VERSION),
                       None, True):
            self.write(self.good(layout_version=layout))
            self.refused('layout version')

    def header(self, **changes: Any) -> None:
        """Have the file's first header changed, and nothing after it."""
        info = tarfile.TarInfo(image_file.MANIFEST)
        for name, value in changes.items():
            setattr(info, name, value)
        self.tar.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b' ' * 512)

    def test_headers_that_want_much(self) -> None:
        for size in (1 << 62, 1 << 33, -1 & (1 << 64) - 1):
            self.header(size=size)
            self.refused(f'{size} bytes')
        # None of these says what a later member is like.
        for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE,
                     tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE,
                     tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE,
                     tarfile.LNKTYPE, b'~'):
            with self.subTest(kind=kind):
                self.header(type=kind, size=512)
                self.refused('damaged')

    def test_members_without_end(self) -> None:
        self.write([*self.good(), *[('x', b'')] * 20000])
        with mock.patch.object(tarfile.TarInfo, 'frombuf',
                               wraps=tarfile.TarInfo.frombuf) as parsed:
            self.refused('after root.squashfs')
        self.assertEqual(4, parsed.call_count)

    def test_bytes_after_the_end(self) -> None:
        self.write(self.good())
        with self.tar.open('ab') as archive:
            archive.write(bytes(5000) + b'x')
        self.refused('after root.squashfs')

    def test_too_large_a_file(self) -> None:
        self.write(self.good())
        os.truncate(self.tar, image_file.FILE_MAX)
        image_file.unpack(self.tar, self.target)
        shutil.rmtree(self.target)
        os.truncate(self.tar, image_file.FILE_MAX + 1)
        self.refused(f'more than {image_file.FILE_MAX} bytes')

    def test_too_large_a_member(self) -> None:
        self.write([(image_file.MANIFEST, b' ' * 70000), *_CONTENT.items()])
        self.refused('70000 bytes')

    def test_headers_of_other_kinds_are_refused(self) -> None:
        for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
                     tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE,
                     tarfile.XGLTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE):
            for size in (0, 1 << 62, -512):
                with self.subTest(kind=kind, size=size):
                    info = tarfile.TarInfo(image_file.MANIFEST)
                    info.type, info.size = kind, size
                    self.tar.write_bytes(
                        info.tobuf(tarfile.GNU_FORMAT)
                        + b'22 GNU.sparse.map=0,1\n' * 50)
                    self.refused('damaged')

    def test_something_after_the_last_member(self) -> None:
        self.write(self.good())
        good = self.tar.read_bytes()
        for rest in (b'x', b'\0' * 511 + b'x'):
            self.tar.write_bytes(good.rstrip(b'\0') + bytes(508) + rest * 2)
            self.refused('damaged')

    def test_errors_show_little_of_what_was_read(self) -> None:
        for changes in ({'layout_version': ['x' * 30000]},
                        {'memory_mib': '\x1b' * 9000},
                        {'version': 'x' * 30000}, {'sha256': 'x' * 30000}):
            self.write(self.good(**changes))
            with self.assertRaises(exception.ImageError) as raised:
                image_file.unpack(self.tar, self.target)
            self.assertLess(len(str(raised.exception)), 600)
            self.assertTrue(str(raised.exception).isprintable())
        with self.assertRaises(exception.ImageError):
            image_file.parse_manifest(b'[' * 50000)

    def test_cut_file(self) -> None:
        self.write(self.good())
        good = self.tar.read_bytes()
        end = good.index(b'root' + bytes(508))
        for length in (0, 1, 511, 512, 600, 1024, 1200, end, end + 3):
            with self.subTest(length=length):
                self.tar.write_bytes(good[:length])
                self.refused('damaged')
        self.tar.write_bytes(b'no tar at all' * 100)
        self.refused('damaged')

    def test_missing_file_and_existing_directory(self) -> None:
        self.refused('cannot unpack')
        self.write(self.good())
        self.target.mkdir()
        (self.target / 'kept').touch()
        with self.assertRaisesRegex(exception.ImageError, 'cannot unpack'):
            image_file.unpack(self.tar, self.target)
        self.assertTrue((self.target / 'kept').exists())
