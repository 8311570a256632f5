# SPDX-License-Identifier: Apache-2.0
"""The programs, each as a user has it."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from laboratory.browser import horizon, novnc
from laboratory.browser.browser import Browser
from laboratory.browser.dotool import Dotool
from laboratory.browser.remmina import Remmina
from laboratory.browser.viewer import TigerVnc
from laboratory.clients.shell import Shell
from laboratory.clients.subject import Dmore, Subject
from laboratory.clients.tmux import Tmux
from laboratory.progress import Failure
from laboratory.testbed import dashboard, services, settings
from laboratory.users.sessions import Session
from laboratory.vnc.encodings import Pixels

_OPEN_S = 90.0
#: A user types; an emulated keyboard holds few keys.
_KEY_S = 0.05


class Unavailable(Exception):
    """There is no such way to this console; its text says why."""


class User(Protocol):
    """Somebody at a console."""

    def type(self, text: Iterable[str], seconds: float = _KEY_S) -> None:
        """Type one character after the other."""

    def press(self, name: str) -> None:
        """Press a key as X names it, after ``ctrl+`` perhaps."""

    @property
    def connected(self) -> bool:
        """Whether the session of before goes on."""


class Looking(User, Protocol):
    """One who sees a picture."""

    def picture(self) -> Pixels:
        """All that is shown."""


class Terminal:
    """A console of text; the guest is looked into by itself.

    :param shell: the one that it shows
    """

    _KEYS = {'Return': b'\r', 'Up': b'\x1b[A', 'Down': b'\x1b[B',
             'Right': b'\x1b[C', 'Left': b'\x1b[D'}

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def type(self, text: Iterable[str], seconds: float = _KEY_S) -> None:
        for character in text:
            self.shell.send(character.encode())
            time.sleep(seconds)

    def paste(self, text: str) -> None:
        """All at once."""
        self.shell.send(text.encode())

    def press(self, name: str) -> None:
        control, _plus, last = name.rpartition('+')
        self.shell.send(bytes([ord(last) & 0x1f]) if control
                        else self._KEYS[last])

    @property
    def connected(self) -> bool:
        return self.shell.connected


@contextlib.contextmanager
def vncdotool(subject: Subject) -> Iterator[Looking]:
    host, port, password = subject.vnc()
    with Dotool(host, port, password or None) as user:
        yield user


@contextlib.contextmanager
def tigervnc(subject: Subject, *locks: str) -> Iterator[Looking]:
    """:param locks: keys that are pressed before it has the focus"""
    host, port, password = subject.vnc()
    with TigerVnc(host, port, subject.log, password=password,
                  pressed=locks) as user:
        yield user


@contextlib.contextmanager
def remmina(subject: Subject) -> Iterator[User]:
    host, port, password = subject.vnc()
    with Remmina(host, port, subject.log, password) as user:
        yield user


@contextlib.contextmanager
def page(subject: Subject) -> Iterator[Looking]:
    """noVNC in Chromium."""
    with Browser(subject.log) as browser:
        browser.open(subject.novnc_url())
        yield novnc.Console(browser)


@contextlib.contextmanager
def full_page(subject: Subject) -> Iterator[Looking]:
    """noVNC with all its controls in Chromium.

    :raises Unavailable: a stock console types no clipboard
    """
    _need_domain_r(subject, 'types a clipboard')
    with Browser(subject.log) as browser:
        browser.open(subject.novnc_url().replace(
            '/vnc_lite.html?', '/vnc.html?autoconnect=true&'))
        yield novnc.FullConsole(browser)


@contextlib.contextmanager
def vncdotool_that_pastes(subject: Subject) -> Iterator[Looking]:
    """:raises Unavailable: a stock console types no clipboard"""
    _need_domain_r(subject, 'types a clipboard')
    with vncdotool(subject) as user:
        yield user


@contextlib.contextmanager
def tab(subject: Subject) -> Iterator[Looking]:
    """Horizon's console tab in Chromium."""
    place = subject.place
    running = services.recorded([place.host(settings.CONTROLLER)])
    if dashboard.NAME not in {service.name for service in running}:
        dashboard.start(place)
    credentials = place.credentials()
    with Browser(subject.log) as browser:
        horizon.log_in(browser, settings.url('horizon', '/'),
                       credentials['OS_USERNAME'], credentials['OS_PASSWORD'],
                       horizon.instance_page(subject.server))
        yield horizon.open_console(browser)


def proxy(subject: Subject) -> contextlib.AbstractContextManager[Terminal]:
    """A WebSocket of nova-serialproxy."""
    return _terminal(subject.proxied())


def socat(subject: Subject) -> contextlib.AbstractContextManager[Terminal]:
    """The raw serial port, where proxies connect."""
    return _terminal(subject.socat())


def openssh(subject: Subject) -> contextlib.AbstractContextManager[Terminal]:
    """:raises Unavailable: a stock console has no SSH"""
    _need_domain_r(subject)
    return _terminal(subject.ssh())


@contextlib.contextmanager
def _terminal(session: Session) -> Iterator[Terminal]:
    with contextlib.closing(Shell(session)) as shell:
        yield Terminal(shell)


@contextlib.contextmanager
def tmux_at_once(subject: Subject) -> Iterator[Tmux]:
    """Before it shows anything.

    :raises Unavailable: a stock console has no SSH
    """
    _need_domain_r(subject)
    with contextlib.closing(Tmux(f'dmore-{subject.domain}',
                                 subject.ssh_command())) as user:
        yield user


@contextlib.contextmanager
def tmux(subject: Subject) -> Iterator[Tmux]:
    """:raises Unavailable: a stock console has no SSH"""
    with tmux_at_once(subject) as user:
        deadline = time.monotonic() + _OPEN_S
        while 'guest:' not in user.text():
            if time.monotonic() > deadline:
                raise Failure('ssh in tmux', f'shows {user.text()!r}')
            user.press('Return')
            time.sleep(1)
        yield user


def _need_domain_r(subject: Subject, does: str = 'can be reached by SSH'
                   ) -> None:
    if not isinstance(subject, Dmore):
        raise Unavailable(f'no console of stock Nova {does}')
