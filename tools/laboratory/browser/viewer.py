# SPDX-License-Identifier: Apache-2.0
"""A viewer on a screen that nobody sees, as TigerVNC's."""

import os
import pathlib
import subprocess
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self

from PIL import ImageGrab

from laboratory.browser import contained
from laboratory.browser.pace import KEY_S
from laboratory.progress import Failure
from laboratory.vnc import picture
from laboratory.vnc.encodings import Pixels
from laboratory import waiting

#: Of a screen, in pixels.
SIZE = 1600, 1200
#: Keys that one process of xdotool types.
_BATCH = 20
_START_S = 30.0
_WINDOW = ('search', '--onlyvisible', '--name', '.')


class Screen:
    """An X server without a screen, which is reached over TCP.

    :raises Failure: it does not start
    """

    def __init__(self, log: pathlib.Path, size: tuple[int, int]) -> None:
        self._log = log
        reader, writer = os.pipe()
        with log.open('ab') as stream, os.fdopen(reader) as number:
            self._process = contained.start(
                ['Xvfb', '-displayfd', str(writer), '-screen', '0',
                 f'{size[0]}x{size[1]}x24', '-ac', '-listen', 'tcp',
                 # Or it would forget all locks with its last client.
                 '-noreset',
                 # On a busy machine xdotool lets a key go so late that it
                 # would repeat itself.
                 '-r'],
                stream, descriptors=[writer])
            os.close(writer)
            # It writes when it takes connections; nothing if it ends.
            self._number = number.readline().strip()
        if not self._number:
            self.close()
            raise Failure('Xvfb', 'does not start', log)

    @property
    def display(self) -> str:
        return f'127.0.0.1:{self._number}'

    def picture(self) -> Pixels:
        """What the one window shows.

        :raises Failure: there is none
        """
        told = dict(line.split('=') for line in self._xdotool(
            *_WINDOW, 'getwindowgeometry', '--shell').splitlines())
        left, top, width, height = (
            int(told[name]) for name in ('X', 'Y', 'WIDTH', 'HEIGHT'))
        image = ImageGrab.grab((left, top, left + width, top + height),
                               xdisplay=self.display)
        return picture.pixels(image)

    def type(self, text: str, seconds: float) -> None:
        """Type on the keyboard.

        :raises Failure: it is not possible
        """
        self._xdotool('type', '--delay', str(round(seconds * 1000)), '--',
                      text)

    def press(self, name: str) -> None:
        """Press a key, or several together (``ctrl+e``), as X names them.

        :raises Failure: it is not possible
        """
        self._xdotool('key', name)

    def focus(self, seconds: float) -> None:
        """Have the one window get what is typed, as soon as it is shown.

        :raises Failure: none is
        """
        waiting.retried(lambda: self._xdotool(*_WINDOW, 'windowfocus'),
                        seconds, Failure)

    def _xdotool(self, *arguments: str) -> str:
        with self._log.open('ab') as stream:
            done = subprocess.run(
                ['xdotool', *arguments], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=stream, text=True,
                env={**os.environ, 'DISPLAY': self.display})
        if done.returncode:
            raise Failure('xdotool', f'{" ".join(arguments)} failed',
                          self._log)
        return done.stdout

    def close(self) -> None:
        contained.end(self._process)


class Viewer:
    """The user of a program on a screen of its own; a context manager.

    :param log: takes what all programs say
    :param size: of the X server's screen; more than the console's
    :param pressed: keys that are pressed before there is a viewer
    :raises Failure: it shows no window
    """

    def __init__(self, argv: Sequence[str], log: pathlib.Path,
                 size: tuple[int, int], pressed: Iterable[str] = (),
                 **variables: str) -> None:
        self._screen = Screen(log, size)
        for name in pressed:
            self._screen.press(name)
        with log.open('ab') as stream:
            self._process = contained.start(
                argv, stream, DISPLAY=self._screen.display, **variables)
        try:
            self._screen.focus(_START_S)
        except Failure:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether the viewer still has its one connection."""
        return self._process.poll() is None

    def type(self, text: Iterable[str], seconds: float = KEY_S) -> None:
        """Type one character after the other.

        :param text: may be without an end that is known yet; a few characters
            are taken at once
        :param seconds: from one to the next
        """
        characters = iter(text)
        while batch := ''.join(islice(characters, _BATCH)):
            self._screen.type(batch, seconds)

    def press(self, name: str) -> None:
        """Press a key, or several together (``ctrl+e``), as X names them."""
        self._screen.press(name)

    def picture(self) -> Pixels:
        """All that the program's window shows."""
        return self._screen.picture()

    def close(self) -> None:
        contained.end(self._process)
        self._screen.close()


class TigerVnc(Viewer):
    """A user of ``vncviewer``, whose window is the console's picture.

    :param options: further ones of the viewer
    :param password: if it is asked for one
    """

    def __init__(self, host: str, port: int, log: pathlib.Path, *options: str,
                 size: tuple[int, int] = SIZE, password: str = '',
                 pressed: Iterable[str] = ()) -> None:
        super().__init__(
            ['vncviewer', '-Shared', '-RemoteResize=0',
             # No hint over the picture about this key.
             '-MenuKey=',
             # Else it does with 256 colours when the machine is busy.
             '-AutoSelect=0',
             # It ends when it is cut off.
             '-AlertOnFatalError=0', '-ReconnectOnError=0',
             '-geometry', '+0+0', *options, f'{host}::{port}'],
            log, size, pressed, VNC_PASSWORD=password)
