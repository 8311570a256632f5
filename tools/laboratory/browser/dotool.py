# SPDX-License-Identifier: Apache-2.0
"""A script that uses vncdotool."""

import io
from collections.abc import Iterable

from vncdotool import api
from vncdotool import client

from laboratory.browser.pace import KEY_S, paced
from laboratory.vnc import picture
from laboratory.vnc.encodings import Pixels

#: Seconds for an answer of the server.
_ANSWER_S = 60
#: Keys by X's names, to what vncdotool calls them.
_NAMES = {'Return': 'enter', 'Up': 'up', 'Down': 'down', 'Left': 'left',
          'Right': 'right'}


class Dotool:
    """One connection of vncdotool; a context manager.

    :param password: if it is asked for one
    :raises TimeoutError: the server does not answer
    """

    def __init__(self, host: str, port: int, password: str | None = None
                 ) -> None:
        self._ended: list[object] = []
        self._client = api.connect(f'{host}::{port}', password,
                                   timeout=_ANSWER_S,
                                   factory_class=self._factory_class())
        self._client.refreshScreen()

    def _factory_class(self) -> type[client.VNCDoToolFactory]:
        ended = self._ended

        class Factory(client.VNCDoToolFactory):
            def clientConnectionLost(self, connector: object, reason: object
                                     ) -> None:
                ended.append(reason)
                super().clientConnectionLost(connector, reason)

        return Factory

    def __enter__(self) -> 'Dotool':
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether it still has its one connection."""
        return not self._ended

    def type(self, text: Iterable[str], seconds: float = KEY_S) -> None:
        """Type one character after the other.

        :param text: may be without an end that is known yet
        :param seconds: from one to the next
        """
        for character in paced(text, seconds):
            self._client.keyPress('enter' if character == '\r'
                                  else character)

    def press(self, name: str) -> None:
        """Press a key as X names it, after ``ctrl+`` perhaps."""
        *held, last = name.split('+')
        self._client.keyPress('-'.join([*held, _NAMES.get(last, last)]))

    def copy(self, text: str) -> None:
        """Put a text on the clipboard."""
        self._client.paste(text)

    def hold(self, name: str) -> None:
        """Press a key, and keep it down; it does not repeat itself."""
        self._client.keyDown(name)

    def let_go(self, name: str) -> None:
        self._client.keyUp(name)

    def picture(self) -> Pixels:
        """All of the console, asked for anew."""
        file = io.BytesIO()
        self._client.captureScreen(file, format='png')
        file.seek(0)
        return picture.load(file)

    def close(self) -> None:
        if self.connected:
            self._client.disconnect()
