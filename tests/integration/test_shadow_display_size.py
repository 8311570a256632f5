# SPDX-License-Identifier: Apache-2.0
"""Sizes that a viewer asks for, with real QEMUs: what they say to that.

The guest is firmware alone, which follows none: Debian's cloud kernel has no
driver of the virtio card. What such a driver is told is read from the card's
configuration, and what it does then is done by hand.
"""

import os
import re

from nova_dmore import wire
from tests.integration import test_shadow_display
from tests.unit.worker import fakes

Answer = wire.SizeAnswer
_TRACE = 'vnc_msg_client_set_desktop_size'
#: Of the card's BARs, the one with its registers, and where in it the
#: configuration of the device is (virtio_pci_modern_mem_init in
#: hw/virtio/virtio-pci.c), which begins with events_read.
_REGISTERS_BAR = 2
_CONFIGURATION = 0x2000


class SizeTest(test_shadow_display.DisplayTest):

    def start(self, *arguments, large=False):
        self.trace = os.path.join(self.pair.folder, 'trace')
        super().start(*arguments, '-trace', _TRACE, '-D', self.trace,
                      large=large)
        self.shows_what_qemu_shows((720, 400))

    def told(self):
        """The sizes that QEMU was asked for."""
        with open(self.trace) as file:
            return [tuple(map(int, each)) for each in re.findall(
                rf'{_TRACE} .* size=(\d+)x(\d+) screens=1$', file.read(),
                re.MULTILINE)]

    def asks(self, *size):
        """A viewer asks -> the answer."""
        self.viewer.answers.clear()
        self.domain_r.asks_for_size(*size)
        fakes.wait_for(lambda: self.viewer.answers, 10)
        (answer,) = self.viewer.answers
        return answer

    def events(self):
        """What the virtio card tells its driver: 1, the display is another."""
        found = re.search(
            rf'VGA controller.*?BAR{_REGISTERS_BAR}: [a-z0-9 ]*memory at '
            r'(0x[0-9a-f]+)',
            self.qemu.monitor('info pci'), re.DOTALL)
        address = int(found[1], 16) + _CONFIGURATION
        return int(self.qemu.monitor(f'xp /1wx {address:#x}').split()[1], 16)


class TestVirtioCard(SizeTest):

    def test_guest_that_may_follow(self):
        self.start('-device', 'virtio-vga')
        self.assertEqual(0, self.events())
        self.assertIs(Answer.FORWARDED, self.asks(1024, 768))
        self.assertEqual([(1024, 768)], self.told())
        fakes.wait_for(lambda: self.events() == 1, 5)
        self.shows_what_qemu_shows((720, 400))      # it has not followed
        self.set_mode(1024, 768)
        self.shows_what_qemu_shows((1024, 768))
        self.assertIs(Answer.FORWARDED, self.asks(800, 600))
        self.set_mode(800, 600)
        self.shows_what_qemu_shows((800, 600))
        self.assertEqual([(1024, 768), (800, 600)], self.told())

    def test_storm_while_the_guest_follows(self):
        self.start('-device', 'virtio-vga')
        for width in range(640, 900):
            self.domain_r.asks_for_size(width, 600)
            if width % 40 == 0:
                self.set_mode(width, 600)
        fakes.wait_for(lambda: (899, 600) in self.told(), 10)
        self.assertLess(len(self.told()), 40)
        self.set_mode(800, 600)
        self.shows_what_qemu_shows((800, 600))

    def test_more_than_there_is_room_for(self):
        self.start('-device', 'virtio-vga')
        self.assertIs(Answer.FORWARDED, self.asks(5120, 2880))
        ((width, height),) = self.told()
        self.assertLessEqual(width * height * 4,
                             wire.REGION_SIZE - wire.FRAMEBUFFER_START)
        self.assertAlmostEqual(16 / 9, width / height, delta=0.01)

    def test_migration(self):
        """What was answered here is not asked there; the rest is."""
        self.start('-device', 'virtio-vga')
        self.assertIs(Answer.FORWARDED, self.asks(1024, 768))
        self.viewer.answers.clear()
        old = self.qemu, self.domain_r
        trace = self.trace
        self.trace = os.path.join(self.pair.folder, 'trace there')
        self.qemu.arguments = [
            self.trace if each == trace else each
            for each in self.qemu.arguments]
        self.pair, self.qemu, self.domain_r, _ = (
            test_shadow_display.guest.migrate(
                self, 'm', *old,
                lambda: old[1].asks_for_size(800, 600)))
        old[0].end()
        old[1].close()
        fakes.wait_for(lambda: self.viewer.answers, 20)
        self.assertEqual([Answer.FORWARDED], self.viewer.answers)
        self.assertEqual([(800, 600)], self.told())
        self.shows_what_qemu_shows((720, 400))


class TestStandardCard(SizeTest):

    def test_card_that_cannot_be_told(self):
        self.start(*test_shadow_display._VGA)
        self.assertIs(Answer.INVALID, self.asks(1024, 768))
        self.assertEqual([(1024, 768)], self.told())
        self.set_mode(1024, 768)
        self.shows_what_qemu_shows((1024, 768))
