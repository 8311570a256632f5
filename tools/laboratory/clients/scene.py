# SPDX-License-Identifier: Apache-2.0
"""One case at one instance."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from laboratory.clients import users
from laboratory.clients.shell import Shell
from laboratory.clients.subject import Subject

_SETTLE_S = 15.0
_LOOK_S = 0.5
_HEX = "hexdump -v -e '1/1 \"%02x\"' typed"

#: Opens a client: gets the instance, and what is special about the client.
Opener = Callable[..., contextlib.AbstractContextManager[Any]]


class Wrong(Exception):
    """The guest or the client shows something else than it should."""


class Scene:
    """A context manager; ends all that a case has opened.

    :param moves: the instance is to be migrated meanwhile
    """

    def __init__(self, subject: Subject, moves: bool) -> None:
        self.subject = subject
        self._moves = moves
        self._opened = contextlib.ExitStack()
        self._look: Shell | None = None
        self._users: list[Any] = []

    def __enter__(self) -> 'Scene':
        guest = self.subject.shell()
        try:
            # Also on the other terminal: what an earlier case has left.
            guest.send(b'\3')
            guest.find_prompt()
            guest.run('killall tee sleep; rm -f typed stopped; '
                      'stty sane; stty -F /dev/tty1 sane')
        finally:
            guest.close()
        return self

    def __exit__(self, *_why: object) -> None:
        self._opened.close()

    def open(self, opener: Opener, *special: str) -> Any:
        """A client.

        :raises Failure: it does not get to its console
        :raises Unavailable: there is no such way to it
        """
        user = self._opened.enter_context(opener(self.subject, *special))
        self._users.append(user)
        return user

    def look(self) -> Shell:
        """A session of a serial console that is no client's."""
        if self._look is None:
            self._look = self.subject.shell()
            self._opened.callback(self._look.close)
        return self._look

    def guest(self, user: object) -> Shell:
        """What tells what has become of a user's keys: a serial port of QEMU
        has one user at a time, so it is that user's own."""
        return user.shell if isinstance(user, users.Terminal) else self.look()

    # The migration.

    def move(self) -> None:
        """Migrate, if this is what is tried.

        :raises Failure: the instance does not get there
        """
        if self._moves:
            self.subject.migrate()
            self._assert_connected()

    @contextlib.contextmanager
    def moving(self) -> Iterator[bool]:
        """Migrate meanwhile, if this is what is tried; whether it is.

        :raises Failure: the instance does not get there
        """
        if not self._moves:
            yield False
            return
        failed: list[Exception] = []

        def migrate() -> None:
            try:
                self.subject.migrate()
            except Exception as error:  # raised where the case sees it
                failed.append(error)

        thread = threading.Thread(target=migrate)
        thread.start()
        try:
            yield True
        finally:
            thread.join()
        if failed:
            raise failed[0]
        self._assert_connected()

    def _assert_connected(self) -> None:
        if not all(user.connected for user in self._users):
            raise Wrong('the migration has ended the session')

    # What is expected.

    def expect_typed(self, user: Any, text: str) -> None:
        """End what ``tee`` takes, which is to be this.

        :raises Wrong: it is something else
        """
        user.press('Return')
        user.press('ctrl+d')
        self.expect_file(self.guest(user), text)

    def expect_file(self, guest: Shell, text: str) -> None:
        """:raises Wrong: ``typed`` holds something else"""
        def read() -> str:
            said = guest.run(f'{_HEX} 2>&-')
            try:
                return bytes.fromhex(said).decode(errors='backslashreplace')
            except ValueError:
                return said     # which is not right, and is shown

        self.expect(read, text, 'the guest has got other keys')

    def expect(self, look: Callable[[], str], right: str, else_: str,
               seconds: float = _SETTLE_S) -> None:
        """:raises Wrong: it is not so in time"""
        deadline = time.monotonic() + seconds
        while (found := look()) != right:
            if time.monotonic() > deadline:
                raise Wrong(f'{else_}: {found[-80:]!r} for {right[-80:]!r}')
            time.sleep(_LOOK_S)
