# SPDX-License-Identifier: Apache-2.0
"""The extended clipboard's text, as the VNC sessions' C code reads it."""

import ctypes
import pathlib
import struct
import subprocess
import tempfile
import unittest
import zlib

import hypothesis
from hypothesis import strategies

from nova_dmore.domr.servers.vnc import program
from nova_dmore.domr.servers.vnc import protocol
from tests import examples


def _stream(data: bytes, length: int | None = None) -> bytes:
    return zlib.compress(struct.pack(
        '>I', len(data) if length is None else length) + data)


class ClipboardTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, 'clipboard.so')
            folder = program.PROGRAM.folder
            subprocess.run(['gcc', '-shared', '-fPIC', '-Wall', '-Werror',
                            f'-I{folder}', folder / 'clipboard.c', '-o', path,
                            '-lz'], check=True)
            cls.library = ctypes.CDLL(str(path))
        cls.library.clipboard_new.restype = ctypes.c_void_p
        for name in ('clipboard_text', 'clipboard_decode'):
            getattr(cls.library, name).restype = ctypes.c_size_t

    def _text(self, *parts: bytes) -> str:
        clipboard = ctypes.c_void_p(self.library.clipboard_new())
        for part in parts:
            self.library.clipboard_feed(clipboard, part,
                                        ctypes.c_size_t(len(part)))
        characters = (ctypes.c_uint32 * protocol.TEXT_MAX)()
        count = self.library.clipboard_text(clipboard, characters)
        self.library.clipboard_free(clipboard)
        return ''.join(map(chr, characters[:count]))

    def test_text(self) -> None:
        for text in ('a', 'z\u00fcrich \u20ac \U0001f600', 'x' * 10000,
                     '\U0001f600' * 10000):
            for end in (b'', b'\0'):
                self.assertEqual(text, self._text(
                    _stream(text.encode() + end)))

    def test_a_line_end_is_one_character(self) -> None:
        for text in ('a\nb\n\n', 'x\n' * 5000, '\n' * 10000,
                     '\U0001f600\n' * 5000, '\r\r\n'):
            self.assertEqual(text.replace('\r\n', '\n'), self._text(
                _stream(text.replace('\n', '\r\n').encode() + b'\0')
                if '\r' not in text else _stream(text.encode())))
        self.assertEqual('', self._text(_stream(b'\r\n' * 10001)))
        self.assertEqual('', self._text(_stream(b'\r' * 10001)))

    def test_what_is_no_text(self) -> None:
        for stream in (
                b'', b'x', _stream(b''), _stream(b'a', 2),
                _stream(b'a', 0xffffffff), zlib.compress(b'\0\0\0'),
                _stream(b'x' * 10001), _stream(b'x' * (1 << 24)),
                _stream(b'\xff'), _stream(b'\xc3'), _stream(b'\xc0\x80'),
                _stream(b'\xed\xa0\x80'), _stream(b'\xf4\x90\x80\x80'),
                _stream(b'\xc3a'), _stream(b'\x80')):
            self.assertEqual('', self._text(stream))

    def test_in_parts_without_an_end(self) -> None:
        compress = zlib.compressobj()
        stream = (compress.compress(struct.pack('>I', 3) + b'abc')
                  + compress.flush(zlib.Z_FULL_FLUSH))
        self.assertEqual('abc', self._text(*(
            stream[at:at + 1] for at in range(len(stream)))))

    @examples.settings()
    @hypothesis.given(strategies.binary(max_size=12))
    def test_utf_8_is_what_python_takes_for_it(self, data) -> None:
        characters = (ctypes.c_uint32 * 12)()
        count = self.library.clipboard_decode(
            data, ctypes.c_size_t(len(data)), characters,
            ctypes.c_size_t(12))
        try:
            wanted = data.decode().replace('\r\n', '\n')
        except UnicodeDecodeError:
            wanted = ''
        self.assertEqual(wanted, ''.join(map(chr, characters[:count])))
