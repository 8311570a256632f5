# SPDX-License-Identifier: Apache-2.0
"""The image file: a tar file that anybody may have made."""

import hashlib
import io
import os
import pathlib
import tarfile
import tempfile
from unittest import mock

from laboratory.fuzz import oracle, parts, reader as reader_module
from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore import wire

_CONTENT = {image_file.KERNEL: b'kernel', image_file.INITRD: b'initrd' * 100,
            image_file.ROOT: b''}
_TYPES = (b'0', b'\0', b'7', b'1', b'2', b'5', b'6', b'x', b'g', b'L', b'K',
          b'S', b'3')
_NAMES = (*image_file.MEMBERS, '../x', '/etc/x', '', 'a' * 100)
_EXTENDED = (b'11 size=70\n', b'20 path=../../etc/x\n', b'12 size=-512\n',
             b'22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n',
             b'25 GNU.sparse.size=9999\n', b'22 GNU.sparse.map=0,1\n',
             b'9 mtime=\n', b'16 mtime=1e99999\n', b'23 hdrcharset=BINARY\n')
_BLOCK = 512


def manifest() -> image_file.Manifest:
    """The manifest of the good image."""
    return image_file.Manifest(
        wire.LAYOUT_VERSION, '1.0', 96, 'quiet',
        {name: hashlib.sha256(data).hexdigest()
         for name, data in _CONTENT.items()})


def _members() -> list[tuple[str, bytes]]:
    return [(image_file.MANIFEST, manifest().to_json()), *_CONTENT.items()]


def _good() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode='w',
                      format=tarfile.USTAR_FORMAT) as archive:
        for name, data in _members():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


SEEDS = [b'\x00' + _good(), b'\x01', b'\x01' + bytes(range(255)),
         b'\x01\x01\x00\x00\x00\x00\x01\x02\x07', b'\x00' + b'\0' * 1024,
         b'\x00' + _good()[:1300],
         b'\x01' + bytes([1, 7, 0, 4, 2, 1, 8, 1, 3, 4] * 6)]


def run(data: bytes) -> None:
    """Unpack it, completely or not at all."""
    reader = reader_module.Reader(data)
    tar = _built(reader) if reader.byte() & 1 else reader.rest()
    with tempfile.TemporaryDirectory(dir=parts.FOLDER) as folder:
        file = pathlib.Path(folder) / 'image.tar'
        file.write_bytes(tar)
        cache = pathlib.Path(folder) / 'cache'
        cache.mkdir()
        target = cache / 'image'
        try:
            # A disk's affair.
            with mock.patch.object(os, 'fsync'):
                found = image_file.unpack(file, target)
        except exception.ImageError as error:
            oracle.check_error(error, 4000)
            oracle.check(not os.listdir(cache), 'left over: %r',
                         os.listdir(cache))
        else:
            oracle.check(image_file.load(target) == found,
                         'another manifest than was unpacked')
            oracle.check(set(os.listdir(target)) == set(image_file.MEMBERS),
                         'unpacked: %r', os.listdir(target))
            for path in target.iterdir():
                oracle.check(not path.is_symlink() and path.is_file(),
                             '%s is no plain file', path)
        oracle.check(set(os.listdir(folder)) == {'image.tar', 'cache'},
                     'files elsewhere: %r', os.listdir(folder))


def _built(reader: reader_module.Reader) -> bytes:
    """Headers with true checksums, so that the parser goes on."""
    tar = b''
    for name, data in _members():
        for _ in range(reader.byte() % 3):
            tar += _odd_member(reader)
        header = bytearray(_header(name.encode(), len(data), b'0'))
        for _ in range(reader.byte() % 4):
            header[reader.number(_BLOCK - 1)] = reader.byte()
        tar += _summed(header) + data + bytes(-len(data) % _BLOCK)
    return tar + bytes(2 * _BLOCK * (reader.byte() & 1))


def _odd_member(reader: reader_module.Reader) -> bytes:
    name = reader.pick(_NAMES).encode()
    kind = reader.pick(_TYPES)
    data = (b''.join(reader.pick(_EXTENDED)
                     for _ in range(1 + reader.byte() % 3))
            if kind in b'xg' else reader.take(reader.byte()))
    header = bytearray(_header(name, len(data), kind))
    if reader.byte() & 1:
        # Base 256, which may say less than nothing.
        header[124:136] = (b'\xff' if reader.byte() & 1 else b'\x80') + (
            reader.word().to_bytes(11, 'big'))
    return _summed(header) + data + bytes(-len(data) % _BLOCK)


def _header(name: bytes, size: int, kind: bytes) -> bytes:
    return (name[:100].ljust(100, b'\0') + b'0000644\0' + b'0000000\0' * 2
            + b'%011o\0' % size + b'%011o\0' % 0 + b' ' * 8 + kind
            + bytes(100) + b'ustar\x0000' + bytes(247))


def _summed(header: bytearray) -> bytes:
    header[148:156] = b' ' * 8
    header[148:156] = b'%06o\0 ' % sum(header)
    return bytes(header)
