# SPDX-License-Identifier: Apache-2.0
"""The keys of the SSH server: which it has, and which may log in."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import asyncssh
from cryptography.hazmat.backends.openssl import backend as openssl

from nova_dmore.domr import console as console_module


def skip_validation() -> None:
    """Have no RSA key validated that is loaded from now on.

    Each comes from the host, which has made it. OpenSSL's search for factors
    of its primes takes an emulated processor six seconds, in which all that
    Domain R does is half as fast: echoes under a flood took 100 ms for 50.

    Where neither library can leave it out (asyncssh 2.10 with a cryptography
    from 39 on), they validate.
    """
    skip = getattr(asyncssh, 'set_default_skip_rsa_key_validation', None)
    if skip is not None:
        skip(True)
    elif hasattr(openssl, '_rsa_skip_check_key'):
        openssl._rsa_skip_check_key = True      # Debian 12's, 38


class HostKeys:
    """The host keys of a server, which may become more.

    :ivar keys: what it shows now, one of each algorithm
    """

    def __init__(self, first: str, log: console_module.Log,
                 changed: Callable[[], None]) -> None:
        """Have one key.

        :param first: a private key as text
        :param changed: called when there are others
        :raises ValueError: it is none
        """
        key = asyncssh.import_private_key(first)
        self._by_algorithm = {key.get_algorithm(): key}
        self._log = log
        self._changed = changed
        self._begun: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def keys(self) -> list[asyncssh.SSHKey]:
        """What the server shows now, one of each algorithm."""
        return list(self._by_algorithm.values())

    def add(self, texts: Iterable[str]) -> None:
        """Have further private keys; what is not among them is kept, for a
        host may not have made it yet."""
        new = [text for text in texts if text not in self._begun]
        self._begun.update(new)
        if new:
            task = asyncio.get_running_loop().create_task(self._load(new))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _load(self, texts: list[str]) -> None:
        """In a thread: it takes an emulated processor long, most of all where
        an RSA key is validated (see ``skip_validation``)."""
        for text in texts:
            try:
                key = await asyncio.to_thread(
                    asyncssh.import_private_key, text)
            except ValueError as error:
                self._log('warning', 'a host key is not usable: '
                          f'{ascii(error)}')
                continue
            self._by_algorithm[key.get_algorithm()] = key
            self._changed()


class AuthorizedKeys(asyncssh.SSHAuthorizedKeys):
    """The keys that may log in, as a connection asks for them.

    asyncssh asks about each key that a client shows, or about the authority
    that has signed it, and once more with its signature: so the last that was
    asked about when it logs in is that with which it does. Some of what a
    client has asked for before may be answered only afterwards.
    """

    def __init__(self, now: Callable[[], asyncssh.SSHAuthorizedKeys]) -> None:
        """:param now: returns those that may log in now"""
        super().__init__()
        self._now = now
        self._last: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._has_logged_in = False

    def logged_in(self) -> None:
        """Somebody has logged in; no other key is let in any more."""
        self._has_logged_in = True

    def validate(self, *about: Any, **more: Any) -> Any:
        """See asyncssh.SSHAuthorizedKeys."""
        if self._has_logged_in:
            return None
        self._last = about, more
        return self._now().validate(*about, **more)

    @property
    def is_removed(self) -> bool:
        """Whether what was asked about last may not log in any more."""
        if self._last is None:
            return False
        about, more = self._last
        return self._now().validate(*about, **more) is None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the key that was asked about last, as
        ``ssh-keygen -l`` shows it."""
        if self._last is None:
            return None
        (key, *_), _more = self._last
        found: str = key.get_fingerprint()
        return found


def authorized_keys(lines: tuple[str, ...],
                    log: console_module.Log) -> asyncssh.SSHAuthorizedKeys:
    """The keys that may log in; a line that is no key is logged, not used."""
    usable = []
    for line in lines:
        # asyncssh takes no other, and hosts of earlier releases send any.
        line = line.encode('ascii', 'backslashreplace').decode()
        try:
            asyncssh.import_authorized_keys(line)
        except ValueError as error:
            log('warning', f'authorized key {line[:40]!a} is not usable: '
                f'{ascii(error)}')
        else:
            usable.append(line)
    return asyncssh.import_authorized_keys('\n'.join(usable))
