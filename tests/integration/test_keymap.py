# SPDX-License-Identifier: Apache-2.0
"""The keys of a US keyboard against QEMU's own keymap, all of it."""

import ctypes
import pathlib
import unittest

from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import keymaps

_KEYMAP = pathlib.Path('/usr/share/qemu/keymaps/en-us')


class KeymapTest(unittest.TestCase):

    def test_every_symbol_has_qemus_key(self) -> None:
        library = ctypes.CDLL('libxkbcommon.so.0')
        wanted: dict[int, list[tuple[int, bool, bool]]] = {}
        for line in _KEYMAP.read_text().splitlines():
            words = line.split('#')[0].split()
            if len(words) > 1:
                symbol = library.xkb_keysym_from_name(words[0].encode(), 0)
                wanted.setdefault(symbol, []).append((
                    int(words[1], 0), 'shift' in words, 'altgr' in words))
        self.assertGreater(len(wanted), 200)
        self.assertNotIn(0, wanted)
        for symbol, keys in wanted.items():
            # As QEMU's keysym2scancode, with nothing held.
            alone = [each for each in keys if not (each[1] or each[2])]
            self.assertEqual((alone or keys)[0][0],
                             keyboard.number_of(symbol), hex(symbol))
            for number, *held in keys:
                stroke, = keymaps.find(keymaps.DEFAULT, symbol, *held)
                first = next(each for each in keys if each[1:] == (*held,))
                if stroke.shift is not None:
                    self.assertEqual(first, (
                        stroke.number, stroke.shift, stroke.altgr))
