# SPDX-License-Identifier: Apache-2.0
"""noVNC's page in a browser: a user who looks and types."""

import base64
import io
import string
from collections.abc import Iterable

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from laboratory.browser.browser import Browser
from laboratory.browser.pace import KEY_S, paced
from laboratory.vnc import picture
from laboratory.vnc.encodings import Pixels

_CONNECT_S = 60
#: What is on a key of the US keyboard with Shift, to what is without.
_PLAIN = str.maketrans(
    string.ascii_uppercase + '~!@#$%^&*()_+{}|:"<>?',
    string.ascii_lowercase + "`1234567890-=[]\\;',./")
#: Keys that type nothing, by X's names.
_KEYS = {'ctrl': Keys.CONTROL, 'alt': Keys.ALT, 'Return': Keys.RETURN,
         'BackSpace': Keys.BACKSPACE, 'Delete': Keys.DELETE,
         'Up': Keys.ARROW_UP, 'Down': Keys.ARROW_DOWN,
         'Left': Keys.ARROW_LEFT, 'Right': Keys.ARROW_RIGHT}
_PIXELS = '''
const canvas = document.querySelector(arguments[0]);
return canvas.toDataURL('image/png').split(',')[1];
'''
_COPY = '''
const panel = document.getElementById('noVNC_clipboard_text');
panel.value = arguments[0];
panel.dispatchEvent(new Event('change'));
'''


class Console:
    """One page of noVNC (``vnc_lite.html``), from its loading on.

    :param browser: shows it
    :param frame: the frame that holds it, if it is not the whole page
    :raises Failure: it does not connect
    """

    _CANVAS = '#screen canvas'

    def __init__(self, browser: Browser, frame: WebElement | None = None
                 ) -> None:
        self._browser = browser
        self._frame = frame
        browser.wait(self._shows_picture, _CONNECT_S,
                     'noVNC shows a picture')
        self.focus()

    def _shows_picture(self) -> bool:
        return (self._is_connected
                and any(record['received'] for record in self.sockets()))

    def _enter(self) -> None:
        """Have the next commands mean the frame."""
        self._browser.driver.switch_to.default_content()
        if self._frame is not None:
            self._browser.driver.switch_to.frame(self._frame)

    @property
    def status(self) -> str:
        """What noVNC says about the connection."""
        self._enter()
        return self._browser.driver.find_element(By.ID, 'status').text

    @property
    def _is_connected(self) -> bool:
        return self.status.startswith('Connected')

    def sockets(self) -> list[dict]:
        """The WebSockets that the page has opened, one after the other.

        Each with ``open``, ``closed``, the ``code`` of its end, and the bytes
        ``received``.
        """
        self._enter()
        return self._browser.driver.execute_script(
            'return window.openedWebSockets')

    @property
    def connected(self) -> bool:
        """Whether it still has its one connection."""
        return not self.disconnects

    @property
    def disconnects(self) -> int:
        """How many of them have ended."""
        return sum(record['closed'] for record in self.sockets())

    def focus(self) -> None:
        """Have the console get what is typed."""
        self._enter()
        self._browser.driver.execute_script(
            'window.focus(); document.querySelector(arguments[0]).focus()',
            self._CANVAS)

    def picture(self) -> Pixels:
        """Every pixel of the console, as noVNC has drawn it."""
        self._enter()
        encoded = self._browser.driver.execute_script(_PIXELS, self._CANVAS)
        return picture.load(io.BytesIO(base64.b64decode(encoded)))

    def show(self) -> None:
        """Scroll the page to the console, for a screenshot of the window."""
        self._browser.driver.switch_to.default_content()
        if self._frame is not None:
            self._browser.driver.execute_script(
                'arguments[0].scrollIntoView()', self._frame)

    # Typing.

    def press(self, name: str) -> None:
        """Press a key as X names it, after ``ctrl+`` perhaps."""
        *held, last = (_KEYS.get(each, each) for each in name.split('+'))
        self._press(last, *held)

    def _press(self, key: str, *held: str) -> None:
        """A character's key, or one of Selenium's."""
        plain = key.translate(_PLAIN)
        if plain != key:
            held = (*held, Keys.SHIFT)
        pressed = ActionChains(self._browser.driver)
        for each in held:
            pressed.key_down(each)
        pressed.send_keys(plain)
        for each in reversed(held):
            pressed.key_up(each)
        pressed.perform()

    def type(self, text: Iterable[str], seconds: float = KEY_S) -> None:
        """Type one character after the other.

        :param text: may be without an end that is known yet
        :param seconds: from one to the next
        """
        for character in paced(text, seconds):
            self._press(Keys.RETURN if character in '\r\n' else character)


class FullConsole(Console):
    """The page with all controls (``vnc.html``)."""

    _CANVAS = '#noVNC_container canvas'

    @property
    def _is_connected(self) -> bool:
        self._enter()
        return self._browser.driver.execute_script(
            'return document.documentElement.classList.contains('
            '"noVNC_connected")')

    def copy(self, text: str) -> None:
        """Put a text into the clipboard panel."""
        self._enter()
        self._browser.driver.execute_script(_COPY, text)
        self.focus()
