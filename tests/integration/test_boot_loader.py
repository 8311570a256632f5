# SPDX-License-Identifier: Apache-2.0
"""GRUB, with the keyboard and with the serial line.

It asks the firmware for keys now and then, and the firmware of a PC keeps 15.
"""

import functools
import os
import re
import subprocess

from nova_dmore import wire
from tests.integration import test_shadow_display
from tests.unit.worker import fakes

_GRUB = '/usr/lib/grub'
#: What GRUB does before its prompt.
_BEGIN = """serial --unit=0
terminal_output serial
terminal_input {}
normal
"""
_MODULES = ('serial', 'terminal', 'echo', 'normal')
_PROMPT = b'grub> '
_UP, _LEFT = b'\x1b[A', b'\x1b[D'

#: Characters of a line that is typed, with its end.
_LINE = 50


def _make(folder, target, terminal, *modules):
    """-> path of an image of GRUB for a target."""
    begin = os.path.join(folder, 'begin.cfg')
    with open(begin, 'w') as file:
        file.write(_BEGIN.format(terminal))
    path = os.path.join(folder, target)
    subprocess.run(
        ['grub-mkimage', '-O', target, '-o', path, '-p', '/none',
         '-c', begin, *_MODULES, *modules], check=True)
    return path


class GrubCase(test_shadow_display.DisplayTest):
    """With the firmware of a PC."""

    #: What GRUB calls the input of the serial line.
    SERIAL = 'serial'

    def disk(self, terminal):
        """-> arguments of a QEMU that boots it."""
        core = _make(self.pair.folder, 'i386-pc', terminal, 'biosdisk')
        path = os.path.join(self.pair.folder, 'disk')
        with open(path, 'wb') as disk:
            # The first finds the second in the sectors that follow.
            for part in (f'{_GRUB}/i386-pc/boot.img', core):
                with open(part, 'rb') as file:
                    disk.write(file.read())
            disk.truncate(1 << 20)
        return ['-vga', 'std', '-drive', f'file={path},format=raw,if=ide']

    def boot_loader(self, terminal='console'):
        self.start(*self.disk(terminal))
        fakes.wait_for(lambda: _PROMPT in self.domain_r.output, 90)

    def printed(self):
        """What the command *echo* has printed."""
        text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '',
                      self.domain_r.output.decode()).replace('\r', '')
        return re.findall(r'^([0-9]{4} [a-z]+) *\n', text, re.MULTILINE)

    def has_space(self, events):
        return (self.domain_r.end.sendable(wire.Stream.INPUT0_IN)
                >= len(events) * wire.INPUT_RECORD_SIZE)

    def types_lines(self, characters, seconds):
        """So many are typed as fast as the channel takes them."""
        wanted = [f'{n:04} '.ljust(_LINE - len('echo \n'), 'abcdefgh'[n % 8])
                  for n in range(characters // _LINE)]
        for text in wanted:
            events = test_shadow_display.keys(f'echo {text}\n')
            fakes.wait_for(functools.partial(self.has_space, events), 60)
            self.domain_r.sends(*events)
        fakes.wait_for(lambda: len(self.printed()) >= len(wanted), seconds)
        self.assertEqual(wanted, self.printed())


class GrubTest(GrubCase):
    """At its prompt."""

    def test_300_characters(self):
        self.boot_loader()
        self.types_lines(300, 60)

    def test_arrow_keys_at_the_serial_line(self):
        self.boot_loader(self.SERIAL)
        self.domain_r.types(b'echo 0001 ac' + _LEFT + b'b\r')
        fakes.wait_for(self.printed, 20)
        self.domain_r.types(_UP + b'd\r')
        fakes.wait_for(lambda: len(self.printed()) == 2, 20)
        self.assertEqual(['0001 abc', '0001 abcd'], self.printed())


class LongTextTest(GrubCase):
    """A text from the clipboard."""

    def test_10000_characters(self):
        self.boot_loader()
        self.types_lines(10000, 600)


class Uefi:
    """Mixed in: with UEFI, which has the serial line among its consoles.

    It would take some of the keys away from a GRUB that read it by itself.
    """

    SERIAL = 'console'

    def disk(self, terminal):
        folder = os.path.join(self.pair.folder, 'efi')
        os.makedirs(os.path.join(folder, 'EFI', 'BOOT'))
        os.rename(_make(self.pair.folder, 'x86_64-efi', terminal),
                  os.path.join(folder, 'EFI', 'BOOT', 'BOOTX64.EFI'))
        return ['-vga', 'std', '-bios', '/usr/share/ovmf/OVMF.fd',
                '-drive', f'file=fat:rw:{folder},format=raw,if=ide']


class UefiGrubTest(Uefi, GrubTest):
    """At its prompt, with UEFI."""


class UefiLongTextTest(Uefi, LongTextTest):
    """A text from the clipboard, with UEFI."""
