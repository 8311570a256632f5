# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium."""

import pathlib
from collections.abc import Callable

from selenium import webdriver
from selenium.common import exceptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from laboratory.browser import contained
from laboratory.progress import Failure

_DRIVER = '/usr/bin/chromedriver'
_CHROMIUM = '/usr/bin/chromium'
_LOAD_S = 60
_SCRIPT_S = 30
_LOOK_S = 0.05
#: What a page says that is not loaded yet, or is being loaded anew.
_LOADING = (exceptions.NoSuchElementException,
            exceptions.StaleElementReferenceException,
            exceptions.JavascriptException)
#: Runs in every page and frame before anything of it does: each WebSocket that
#: is opened leaves a record.
_WATCH = '''
(() => {
  const records = [];
  window.openedWebSockets = records;
  const watch = (socket) => {
    const record = {open: false, closed: false, code: null, received: 0};
    records.push(record);
    socket.addEventListener('open', () => { record.open = true; });
    socket.addEventListener('close', (event) => {
      record.open = false;
      record.closed = true;
      record.code = event.code;
    });
    socket.addEventListener('message', (event) => {
      record.received += event.data.byteLength;
    });
    return socket;
  };
  // No subclass: noVNC looks at the very prototype of what it gets.
  window.WebSocket = new Proxy(window.WebSocket, {
    construct: (target, words) => watch(Reflect.construct(target, words)),
  });
})();
'''


class _ContainedService(Service):
    """chromedriver, which ends with this thread, and Chromium with it."""

    def command_line_args(self) -> list[str]:
        return contained.command([_DRIVER, *super().command_line_args()])[1:]


class Browser:
    """Chromium with a profile of its own; a context manager.

    :param log: takes what chromedriver says
    :param size: of the window, in pixels
    :raises Failure: it does not start
    """

    def __init__(self, log: pathlib.Path,
                 size: tuple[int, int] = (1280, 1000)) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = _CHROMIUM
        for argument in ('--headless=new', '--no-sandbox', '--disable-gpu',
                         '--no-first-run', '--disable-extensions',
                         '--disable-background-networking',
                         '--disable-component-update', '--disable-sync',
                         '--hide-scrollbars',
                         f'--window-size={size[0]},{size[1]}'):
            options.add_argument(argument)
        self._stream = log.open('a')
        self._service = _ContainedService(
            contained.PROGRAM, log_output=self._stream,
            env=contained.ENVIRONMENT)
        try:
            self.driver = webdriver.Chrome(options, self._service)
            self.driver.set_page_load_timeout(_LOAD_S)
            self.driver.set_script_timeout(_SCRIPT_S)
            self.cdp('Page.addScriptToEvaluateOnNewDocument', source=_WATCH)
        except exceptions.WebDriverException as error:
            self.close()
            raise Failure('Chromium', str(error.msg), log) from error

    def __enter__(self) -> 'Browser':
        return self

    def __exit__(self, *_why: object) -> None:
        self.close()

    def open(self, url: str) -> None:
        """:raises WebDriverException: it cannot be loaded"""
        self.driver.switch_to.default_content()
        self.driver.get(url)

    def cdp(self, command: str, **parameters: object) -> dict:
        """Run a command of Chromium's DevTools."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def screenshot(self, path: pathlib.Path) -> None:
        """Save what the window shows, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.driver.get_screenshot_as_png())

    def wait(self, condition: Callable[[], object], seconds: float, what: str
             ) -> object:
        """Until a condition holds; what it returned.

        :raises Failure: it does not hold in time
        """
        try:
            return WebDriverWait(self.driver, seconds, _LOOK_S, _LOADING
                                 ).until(lambda _driver: condition())
        except exceptions.TimeoutException as error:
            raise Failure('Chromium', f'{what}: not within {seconds:.0f} s at '
                          f'{self.driver.current_url}', self._stream.name
                          ) from error

    def close(self) -> None:
        """End it and all that it has started."""
        process = getattr(self._service, 'process', None)
        if process is not None:
            contained.end(process)
        self._stream.close()
