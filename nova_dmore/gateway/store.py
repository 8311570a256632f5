# SPDX-License-Identifier: Apache-2.0
"""The gateway's file of what it knows; one process at a time reads the cloud
anew, and the others wait for it.

All are short-lived: sshd starts one for each key that a client offers. So
what most of them need is in the standard library, and nothing else is loaded.
"""

import contextlib
import fcntl
import os
import pathlib
import time
from collections.abc import Callable, Iterator

from nova_dmore import exception
from nova_dmore.gateway import index as index_module

FOLDER = pathlib.Path('/var/lib/nova-dmore-gateway')
_LOOK_S = 0.05


class Store:
    """:param folder: of this user alone"""

    def __init__(self, folder: pathlib.Path = FOLDER) -> None:
        self._path = folder / 'index.json'
        self._valid = folder / 'valid-until'
        self._lock = folder / 'lock'

    def fresh(self) -> index_module.Index | None:
        """What is known, if it has not expired."""
        try:
            until = float(self._valid.read_text())
        except (OSError, ValueError):
            return None
        # It is no longer than an hour, unless the clock was set back.
        if not 0 < until - time.time() <= 3600:
            return None
        return self.load()

    def load(self) -> index_module.Index:
        """What is known, however old; nothing if it cannot be read."""
        try:
            with self._path.open() as file:
                return index_module.from_json(
                    file.read(index_module.FILE_MAX))
        except (OSError, ValueError):
            return index_module.Index()

    def save(self, index: index_module.Index) -> None:
        """:raises OSError: it cannot be written"""
        scratch = self._path.with_suffix('.new')
        scratch.write_text(index_module.to_json(index))
        os.rename(scratch, self._path)

    def expire_in(self, seconds: float) -> None:
        """Have what is known asked for anew after some time."""
        scratch = self._valid.with_suffix('.new')
        scratch.write_text(str(time.time() + seconds))
        os.rename(scratch, self._valid)

    @contextlib.contextmanager
    def alone(self, limit_s: float) -> Iterator[None]:
        """Be the one who asks the cloud.

        :raises exception.ServiceAwayError: another one asks for too long
        """
        deadline = time.monotonic() + limit_s
        with self._lock.open('a') as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise exception.ServiceAwayError(
                            'another log-in asks Nova and Neutron for too '
                            'long') from None
                    time.sleep(_LOOK_S)
            yield


def current(store: Store, refresh: Callable[[index_module.Index],
                                            index_module.Index],
            limit_s: float, cache_s: float, stale_s: float,
            log: Callable[[str], None]) -> index_module.Index:
    """What is known now, asked for if need be.

    :param refresh: asks for it
    :param stale_s: so old it may be while it cannot be asked for
    :raises exception.ServiceAwayError: it cannot, and is too old
    """
    try:
        with store.alone(limit_s):
            found = store.fresh()
            if found is None:
                found = refresh(store.load())
                store.save(found)
                store.expire_in(cache_s)
            return found    # perhaps somebody else has asked meanwhile
    except (exception.ServiceAwayError, ValueError) as error:
        found = store.load()
        age = time.time() - found.read_at
        if not 0 <= age <= stale_s:
            raise exception.ServiceAwayError(str(error)) from error
        log(f'goes by what was true {age:.0f} s ago: {error}')
        # What fails is not tried again by each log-in.
        store.expire_in(min(cache_s, stale_s - age))
        return found
