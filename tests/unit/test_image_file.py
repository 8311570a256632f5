# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The image file: a good one, and every bad one."""

import hashlib
import io
import json
import pathlib
import shutil
import tarfile
import tempfile
import unittest
from typing import Any

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
        self.assertEqual(manifest, image_file.load(self.target))
        (self.target / image_file.ROOT).write_bytes(b'r00t')
        with self.assertRaisesRegex(exception.ImageError, 'was changed'):
            image_file.load(self.target)
        (self.target / image_file.ROOT).unlink()
        with self.assertRaises(exception.ImageError):
            image_file.load(self.target)

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
        for rest in (b'x', bytes(tarfile.RECORDSIZE), b'\0' * 511 + b'x'):
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
        self.tar.write_bytes(self.tar.read_bytes()[:1200])
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
