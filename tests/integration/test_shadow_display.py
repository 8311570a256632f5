# SPDX-License-Identifier: Apache-2.0
"""Display, keyboard and pointer with real QEMUs that migrate.

Domain R is its end of the channel in this process, with a viewer that keeps
what the damage told it to copy, as a client's screen does. What it has is
compared with the screenshot that QEMU itself takes.
"""

import os
import re
import threading
import time

from oslotest import base

from nova_dmore.channel import display
from nova_dmore.channel import input_event
from nova_dmore import wire
from tests.integration import guest
from tests.unit.worker import fakes

_INIT = """#!/bin/sh
mount -t devtmpfs none /dev
exec <>/dev/tty1 >&0 2>&0
printf '\\033[?25l'
echo BOOTED >/dev/ttyS0
(while :; do dd if=/dev/zero of=/dirt bs=1M count=16 2>/dev/null; done) &
while read x; do echo "GOT $x" >/dev/ttyS0; done
"""

_VGA = ['-vga', 'std', '-global', 'VGA.vgamem_mb=32']
_TABLET = ['-device', 'usb-ehci', '-device', 'usb-tablet']

#: Numbers of keys (scan codes of set 1).
_KEYS = dict(zip('1234567890', range(2, 12))) | {
    ' ': 0x39, '\n': 0x1c, **dict(zip('qwertyuiop', range(16, 26))),
    **dict(zip('asdfghjkl', range(30, 39))),
    **dict(zip('zxcvbnm', range(44, 51)))}

KEYS_IN_A_STOP = 200


def keys(text):
    """The events of a text that is typed."""
    return [input_event.Key(_KEYS[each], down)
            for each in text for down in (True, False)]


def screenshot(qemu):
    """-> ((width, height), pixels as red, green, blue)."""
    path = os.path.join(qemu.pair.directory, 'screen.ppm')
    qemu.execute('screendump', filename=path)
    with open(path, 'rb') as image:
        data = image.read()
    os.unlink(path)
    match = re.match(rb'P6\s(\d+) (\d+)\s255\s', data)
    return (int(match[1]), int(match[2])), data[match.end():]


def as_rgb(pixels):
    """The viewer's pixels in the order of a screenshot."""
    result = bytearray(len(pixels) // 4 * 3)
    for place, colour in enumerate((2, 1, 0)):
        result[place::3] = pixels[colour::4]
    return bytes(result)


class DisplayTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        guest.check(self)
        self.pair = fakes.Pair(self)

    def start(self, *arguments, large=False):
        self.qemu = guest.Qemu(self.pair, arguments)
        self.addCleanup(self.qemu.end)
        self.domain_r = self.pair.domain_r(large=large)
        self.pair.live()
        self.viewer = self.domain_r.views()

    def boot(self, *arguments):
        self.start(*_VGA, *arguments, *guest.linux(guest.initramfs(
            self.pair.folder, _INIT, 'mount', 'printf',
            'echo', 'dd')))
        fakes.wait_for(lambda: b'BOOTED' in self.domain_r.output, 60)

    def shows_what_qemu_shows(self, size=None, crop=None):
        """The viewer has QEMU's picture, once that stands still."""
        deadline = time.monotonic() + 20
        while True:
            real, pixels = screenshot(self.qemu)
            until = time.monotonic() + 0.7
            while time.monotonic() < until:
                with self.domain_r._lock:
                    mine = self.viewer.size, bytes(self.viewer.pixels)
                if crop:
                    pixels, real = crop(pixels, real), mine[0]
                    crop = None
                if mine[0] == real and as_rgb(mine[1]) == pixels:
                    if size is None or size == real:
                        return
                time.sleep(0.02)
            if time.monotonic() > deadline:
                self.fail(f'the viewer has {mine[0]}, QEMU {real}; other '
                          f'pixels: {as_rgb(mine[1]) != pixels}')

    def set_mode(self, width, height):
        """Program the graphics card, as a guest's driver does."""
        for index, value in ((4, 0), (1, width), (2, height), (3, 32),
                             (4, 0x41)):
            for port, word in ((0x1ce, index), (0x1cf, value)):
                self.qemu.monitor(f'o /h {port:#x} {word:#x}')


class TestPicture(DisplayTest):

    def test_firmware_and_modes(self):
        self.start(*_VGA)
        self.shows_what_qemu_shows((720, 400))
        for size in ((1024, 768), (640, 480), (1368, 768), (1920, 1200),
                     (2560, 1600), (800, 600)):
            self.set_mode(*size)
            self.shows_what_qemu_shows(size)
        status = self.pair.client.status().devices['display']
        self.assertEqual(
            {'connected': True, 'open': True, 'width': 800, 'height': 600,
             'viewers': 1}, status)

    def test_larger_than_the_region(self):
        self.start(*_VGA)
        self.shows_what_qemu_shows((720, 400))
        self.set_mode(2720, 1700)

        self.shows_a_part_of((2720, 1700), wire.REGION_SIZE)

    def shows_a_part_of(self, real_size, region_size):
        """The viewer has as much as QEMU tells, and the region has room for.
        """
        # VNC_MAX_WIDTH and VNC_MAX_HEIGHT in ui/vnc.h.
        version = self.qemu.execute('query-version')['qemu']['major']
        told = (min(real_size[0], 5120 if version >= 10 else 2560),
                min(real_size[1], 2160 if version >= 10 else 2048))
        shown = display.Room(
            region_size - wire.FRAMEBUFFER_START).crop(*told)

        def cropped(pixels, real):
            self.assertEqual(real_size, real)
            return b''.join(
                pixels[row * real[0] * 3:][:shown[0] * 3]
                for row in range(shown[1]))
        fakes.wait_for(lambda: self.viewer.size == shown, 10)
        self.assertEqual(told, self.viewer.display.whole)
        self.shows_what_qemu_shows(shown, cropped)
        return shown

    def test_large_region(self):
        self.start(*_VGA, large=True)
        self.shows_what_qemu_shows((720, 400))
        for size in ((3840, 2160), (640, 480), (3440, 1440), (1440, 2560),
                     (2560, 2048)):
            self.set_mode(*size)
            shown = self.shows_a_part_of(size, wire.LARGE_REGION_SIZE)
        self.assertEqual((2560, 2048), shown)   # QEMU 7.2 knows it, too

    def test_polls_only_while_there_is_a_viewer(self):
        self.start(*_VGA)
        self.shows_what_qemu_shows((720, 400))
        self.domain_r.views(False)
        fakes.wait_for(lambda: not self.pair.client.status().devices[
            'display']['connected'], 4)
        self.set_mode(1024, 768)
        self.domain_r.views()
        self.shows_what_qemu_shows((1024, 768))

    def test_killed_worker(self):
        self.start(*_VGA)
        self.shows_what_qemu_shows((720, 400))
        for size in ((1024, 768), (800, 600), (640, 480)):
            os.kill(self.pair.client.status().worker_pid, 9)
            self.set_mode(*size)
            self.shows_what_qemu_shows(size)
        (server,) = self.qemu.execute('query-vnc-servers')
        self.assertEqual([], server['server'])      # it listens at nothing
        self.assertEqual(1, len(server['clients']))

    def test_mode_switches_in_a_loop(self):
        self.start(*_VGA)
        self.shows_what_qemu_shows((720, 400))
        for n in range(60):
            self.set_mode(*((1024, 768), (800, 600))[n % 2])
        self.shows_what_qemu_shows((800, 600))
        self.assertLess(len(self.pair.logged().splitlines()), 100)


class TestMigration(DisplayTest):

    def migrate(self, number, during=lambda: None, late=False):
        old = self.qemu, self.domain_r
        self.pair, self.qemu, self.domain_r, _ = guest.migrate(
            self, f'm{number}', *old, during, late)
        old[0].end()
        old[1].close()

    def answers(self):
        """What the guest's terminal has read, line by line."""
        output = self.domain_r.output.replace(b'\r', b'').decode()
        return re.findall('GOT (.*)\n', output)

    def test_there_and_back(self):
        self.boot(*_TABLET)
        typed = []
        for number in range(2):
            typed.append(f'before{number}')
            self.domain_r.sends(*keys(typed[-1] + '\n'))
            self.shows_what_qemu_shows()
            opened = len(self.viewer.opened)
            self.migrate(number, late=number == 1)
            typed.append(f'after{number}')
            self.domain_r.sends(*keys(typed[-1] + '\n'))
            fakes.wait_for(lambda: self.viewer.opened[opened:])
            self.shows_what_qemu_shows()
            # Nothing had changed, so hardly anything is sent again.
            new = self.viewer.opened[opened:]
            self.assertEqual(1, len(new), new)
            self.assertLess(new[0], 100)
        fakes.wait_for(lambda: len(self.answers()) == len(typed), 20)
        self.assertEqual(typed, self.answers())
        self.assertEqual((), self.pair.gaps())

    def test_rollback(self):
        self.boot()
        self.shows_what_qemu_shows()
        self.pair.client.arm('m', wire.Role.SOURCE)
        self.qemu.execute('stop')
        self.assertTrue(self.pair.client.frozen(1000).acknowledged)
        self.domain_r.sends(*keys('typed\n'))
        self.set_mode(1024, 768)
        self.qemu.execute('cont')
        self.pair.live()
        fakes.wait_for(self.answers, 20)
        self.assertEqual(['typed'], self.answers())
        self.shows_what_qemu_shows((1024, 768))
        self.assertEqual((), self.pair.gaps())

    def test_keys_typed_during_the_stop(self):
        self.boot()
        text = ''.join(f'{n:04}\n' for n in range(KEYS_IN_A_STOP // 5))
        self.migrate(0, lambda: self.domain_r.sends(*keys(text)))
        fakes.wait_for(
            lambda: len(self.answers()) == KEYS_IN_A_STOP // 5, 30)
        self.assertEqual(text.split(), self.answers())
        self.assertEqual((), self.pair.gaps())

    def test_keys_for_a_guest_that_does_not_read(self):
        """It is told of no key for 3 s, as if it had no processor."""
        self.boot()
        text = ''.join(f'{n:04}\n' for n in range(40))
        self.controller(0x44)
        self.domain_r.sends(*keys(text))
        time.sleep(3)
        self.assertEqual([], self.answers())
        self.controller(0x47)
        fakes.wait_for(lambda: len(self.answers()) == 40, 30)
        self.assertEqual(text.split(), self.answers())

    def controller(self, command):
        """Write the command byte of the keyboard controller.

        :param command: 0x40: it translates, 4: its system flag, 1 and 2: it
            interrupts the guest for the keyboard and the mouse
        """
        self.qemu.monitor('o /b 0x64 0x60')
        self.qemu.monitor(f'o /b 0x60 {command:#x}')

    def test_keys_through_the_stop_and_killed_workers(self):
        """A key every 50 ms; a worker is killed now and then, too."""
        self.boot()
        typed = []
        typing = True

        def type_():
            while typing:
                typed.append(f'{len(typed):03}')
                for key in typed[-1] + '\n':
                    self.domain_r.sends(*keys(key))
                    time.sleep(0.05)
        thread = threading.Thread(target=type_)
        thread.start()
        try:
            time.sleep(1)
            os.kill(self.pair.client.status().worker_pid, 9)
            time.sleep(1)
            self.migrate(0)
            time.sleep(1)
            os.kill(self.pair.client.status().worker_pid, 9)
            time.sleep(1)
        finally:
            typing = False
            thread.join()
        fakes.wait_for(lambda: len(self.answers()) >= len(typed), 20)
        self.assertEqual(typed, self.answers())
        self.assertEqual((), self.pair.gaps())
