# SPDX-License-Identifier: Apache-2.0
"""The gateway's files of what it knows; one process at a time reads the cloud
anew, and the others wait for it.

All are short-lived: sshd starts one for each key that a client offers. So
what most of them need is in the standard library, and nothing else is loaded;
and they read the row of that key alone, not what is known of the whole cloud.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import sqlite3
import time
from collections.abc import Callable, Iterator

from nova_dmore import exception
from nova_dmore.gateway import consoles
from nova_dmore.gateway import index as index_module

FOLDER = pathlib.Path('/var/lib/nova-dmore-gateway')
#: How often who waits for another that asks tries again, in seconds.
_POLL_S = 0.05


class Store:
    """:param folder: of this user alone"""

    def __init__(self, folder: pathlib.Path = FOLDER) -> None:
        self._path = folder / 'index.json'
        self._keys = folder / 'keys.sqlite'
        self._valid = folder / 'valid-until'
        self._lock = folder / 'lock'

    def is_fresh(self) -> bool:
        """Whether something is known, and has not expired."""
        try:
            until = float(self._valid.read_text())
        except (OSError, ValueError):
            return False
        # It is no longer than an hour, unless the clock was set back.
        return 0 < until - time.time() <= 3600 and self._keys.exists()

    def consoles_of(self, key: str) -> tuple[int, dict[str, str]] | None:
        """Port and addresses, by instance, of the consoles that a key
        reaches, however old that is; None if there are none.

        :param key: as :func:`nova_dmore.gateway.public_key.normal` has it
        :raises exception.ServiceAwayError: it cannot be read
        """
        try:
            # Nobody changes it: another file takes its place.
            with contextlib.closing(sqlite3.connect(
                    f'{self._keys.absolute().as_uri()}?mode=ro&immutable=1',
                    uri=True)) as database:
                row = database.execute(
                    'SELECT reached FROM consoles WHERE key = ?',
                    (_digest(key),)).fetchone()
            return None if row is None else consoles.from_command(row[0])
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise exception.ServiceAwayError(
                f'{self._keys}: {error}') from error

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
        try:
            self._save_keys(index)
        except sqlite3.Error as error:
            raise OSError(f'{self._keys}: {error}') from error
        scratch = self._path.with_suffix('.new')
        scratch.write_text(index_module.to_json(index))
        os.rename(scratch, self._path)

    def _save_keys(self, index: index_module.Index) -> None:
        scratch = self._keys.with_suffix('.new')
        scratch.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(
                scratch, isolation_level=None)) as database:
            # What is half written when this ends is never read.
            for said in ('PRAGMA journal_mode = OFF',
                         'PRAGMA synchronous = OFF',
                         'CREATE TABLE consoles (key BLOB PRIMARY KEY, '
                         'reached TEXT) WITHOUT ROWID', 'BEGIN'):
                database.execute(said)
            database.executemany('INSERT INTO consoles VALUES (?, ?)', (
                (_digest(key), consoles.to_command(where, index.port))
                for key, where in index.by_key().items()))
            database.execute('COMMIT')
        os.rename(scratch, self._keys)

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
                    time.sleep(_POLL_S)
            yield


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode('ascii')).digest()


def bring_up_to_date(
        store: Store,
        refresh: Callable[[index_module.Index], index_module.Index],
        limit_s: float, cache_s: float, stale_s: float,
        log: Callable[[str], None]) -> None:
    """Ask for what is known if it has expired.

    :param refresh: asks for it
    :param stale_s: so old it may be while it cannot be asked for
    :raises exception.ServiceAwayError: it cannot, and is too old
    """
    try:
        with store.alone(limit_s):
            # Perhaps somebody else has asked meanwhile.
            if not store.is_fresh():
                store.save(refresh(store.load()))
                store.expire_in(cache_s)
    except (exception.ServiceAwayError, OSError, ValueError) as error:
        age = time.time() - store.load().read_at
        if not 0 <= age <= stale_s:
            raise exception.ServiceAwayError(str(error)) from error
        log(f'goes by what was true {age:.0f} s ago: {error}')
        # What fails is not tried again by each log-in, unless that cannot be
        # written either.
        with contextlib.suppress(OSError):
            store.expire_in(min(cache_s, stale_s - age))
