# SPDX-License-Identifier: Apache-2.0
"""Each encoding, pixel by pixel, with libvncclient as the client."""

import asyncio
import pathlib
import struct
import subprocess
import tempfile
import time

from tests.integration import rfb
from tests.integration import vnc_case

_SOURCE = pathlib.Path(__file__).parent / 'vnc_client.c'
#: Names as libvncclient knows them; Raw has a client of its own.
_ENCODINGS = ('tight', 'zrle', 'hextile', 'zlib', 'rre', 'corre', 'ultra',
              'raw')
_WAIT_S = 20


class EncodingTest(vnc_case.Case):

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        directory = tempfile.TemporaryDirectory(prefix='dmore-vnc-')
        cls.addClassCleanup(directory.cleanup)
        cls.program = pathlib.Path(directory.name) / 'vnc_client'
        subprocess.run(['gcc', '-O2', '-o', cls.program, _SOURCE,
                        '-lvncclient'], check=True)

    async def _start(self, encoding: str, quality: int,
                     compression: int) -> None:
        self.client = await asyncio.create_subprocess_exec(
            self.program, str(self.port), encoding, str(quality),
            str(compression), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def _stop(self) -> None:
        self.client.stdin.close()
        await self.client.wait()

    async def _picture(self) -> tuple[int, int, bytes]:
        self.client.stdin.write(b'.')
        width, height = struct.unpack(
            '<ii', await self.client.stdout.readexactly(8))
        pixels = await self.client.stdout.readexactly(width * height * 4)
        return width, height, pixels

    async def _wait_for_picture(self) -> None:
        began = time.monotonic()
        while True:
            width, height, pixels = await self._picture()
            wanted = self.painter.width, self.painter.height
            if ((width, height) == wanted and rfb.visible(pixels)
                    == rfb.visible(self.painter.pixels)):
                return
            self.assertLess(time.monotonic() - began, _WAIT_S)
            await asyncio.sleep(0.02)

    async def test_pixels_are_exact(self) -> None:
        await self.serve(317, 203)
        for encoding in _ENCODINGS:
            # Also for a client that would take it with losses.
            for quality, compression in ((0, 1), (6, 9), (9, 0)):
                with self.subTest(encoding=encoding, quality=quality,
                                  compression=compression):
                    await self._start(encoding, quality, compression)
                    await self._wait_for_picture()
                    for _ in range(10):
                        for _ in range(4):
                            self.painter.scribble()
                        await self._wait_for_picture()
                    self.painter.resize(
                        self.painter.random.randint(1, 500),
                        self.painter.random.randint(1, 400))
                    await self._wait_for_picture()
                    await self._stop()
        self.assertEqual([], self.warnings())

    async def test_a_map_of_colours(self) -> None:
        """RealVNC's viewer asks for one where a network is slow."""
        await self.serve(317, 203)
        await self.view()       # there is a picture
        client = await self.connect(encodings=(2, 4, rfb.RAW))
        for pause in (0, 0.1):      # it is asked for again, and by itself
            client.writer.write(bytes(4) + struct.pack(
                '>4B3H3B3x', 8, 8, 0, 0, *(0,) * 6))
            kind, first, count = struct.unpack(
                '>BxHH', await client.reader.readexactly(6))
            self.assertEqual((1, 0, 256), (kind, first, count))
            colours = list(struct.iter_unpack(
                '>3H', await client.reader.readexactly(6 * count)))
            client.request(incremental=False)
            pixels = await self._mapped(client, 317, 203)
            await asyncio.sleep(pause)
        self.assertIn((0, 0, 0), colours)
        self.assertIn((0xffff,) * 3, colours)
        for index, pixel in enumerate(pixels):
            blue, green, red, _ = self.painter.pixels[4 * index:][:4]
            for wanted, shown, steps in zip(
                    (red, green, blue), colours[pixel], (7, 7, 3)):
                self.assertLess(abs(wanted / 255 - shown / 65535), 1 / steps)
        self.assertEqual([], self.warnings())

    async def _mapped(self, client: rfb.Client, width: int, height: int
                      ) -> bytes:
        """The indices of a picture that comes in raw pixels of a byte."""
        pixels = bytearray(width * height)
        left = width * height
        while left:
            _, count = struct.unpack(
                '>HH', await client.reader.readexactly(4))
            for _ in range(count):
                x, y, wide, high, encoding = struct.unpack(
                    '>4Hi', await client.reader.readexactly(12))
                self.assertEqual(rfb.RAW, encoding)
                data = await client.reader.readexactly(wide * high)
                for row in range(high):
                    start = (y + row) * width + x
                    pixels[start:start + wide] = data[row * wide:][:wide]
                left -= wide * high
        return bytes(pixels)
