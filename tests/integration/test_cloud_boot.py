# SPDX-License-Identifier: Apache-2.0
"""The console before there is an operating system: at the boot loader."""

import re
import time

from tests.integration import cloud
from tests.integration import graphical
from laboratory.browser import novnc
from laboratory.browser.browser import Browser
from laboratory.testbed import emulator
from laboratory.vnc import picture

#: And not "reboot: Restarting system", which the kernel says before.
_PROMPT = re.compile('(?<!re)boot: ')
_STAY = 'x'
#: A reset, the firmware, and the boot loader.
_LOADER_S = 120.0


def setUpModule():
    BiosTest.machine = UefiTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class BiosTest(graphical.GraphicalTest):

    def setUp(self):
        super().setUp()
        self.browser = Browser(self.client_log)
        self.addCleanup(self.browser.close)

    def _save(self, console, name):
        self.assert_picture(self.instance, console, name)
        console.show()
        self.browser.screenshot(self.output / f'{name}-page.png')

    def test_boot_loader(self):
        """Stay in it, move, and go on from there."""
        instance = self.instance
        self.browser.open(instance.url())
        console = novnc.Console(self.browser)
        self._save(console, '0-shell')
        starts = len(_PROMPT.findall(instance.log()))
        shells = instance.log().count(graphical.SHELL)
        console.press('ctrl+alt+Delete')
        typed = self._stay(console, starts)
        self._save(console, '1-boot-loader')
        instance.migrate()
        self._save(console, f'2-boot-loader-on-{instance.host}')
        for _key in range(typed):
            console.press('BackSpace')
            time.sleep(novnc.KEY_S)
        console.type('linux')
        self._save(console, '3-typed')
        console.press('Return')
        instance.wait_for_shell(shells + 1)
        self._save(console, '4-shell')
        self.assertEqual(0, console.disconnects)
        self.assertEqual(1, len(console.sockets()))

    def _stay(self, console, starts):
        """Press a key until the boot loader shows it; how many it shows.

        Not before it asks: firmware that sets up its keyboard while keys come
        may have none then.
        """
        deadline = time.monotonic() + _LOADER_S
        while True:
            parts = _PROMPT.split(self.instance.log())
            asks = len(parts) > starts + 1
            if asks and parts[-1].startswith(_STAY):
                break
            if time.monotonic() > deadline:
                picture.save(console.picture(), self.output /
                             '1-no-boot-loader.png')
                self.fail(f'no boot loader in {_LOADER_S} s, but '
                          f'{parts[-1][:400]!a} to {parts[-1][-400:]!a}')
            if asks:
                console.type(_STAY)
        # Keys may be on their way still.
        time.sleep(2)
        return _PROMPT.split(self.instance.log())[-1].count(_STAY)


class UefiTest(BiosTest):

    image = 'guest-uefi'

    @classmethod
    def image_properties(cls):
        return emulator.uefi(cls.machine.place.cloud)
