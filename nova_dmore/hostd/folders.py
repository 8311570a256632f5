# SPDX-License-Identifier: Apache-2.0
"""Where the processes of a pair keep their files, and whether one lives."""

import itertools
import logging
import os
import pathlib
import tempfile
import uuid

from nova_dmore.channel import text
from nova_dmore import places
from nova_dmore.posix import locks
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: How many files are removed from a folder of a pair at most: a pair of any
#: release has fewer there, and what is more was put there by somebody else.
_FILES_MAX = 32
#: What cannot be removed of a folder is kept under a name that begins so.
LEFT_OVER = '.left-over-'


def is_uuid(value: object) -> bool:
    """Whether a value is the uuid of an instance: it becomes part of paths.
    """
    try:
        return type(value) is str and str(uuid.UUID(value)) == value
    except ValueError:
        return False


class Folders:
    """The folders of all pairs of the host.

    :param run_dir: ``[hostd] run_dir``.
    """

    def __init__(self, run_dir: str) -> None:
        self._run_dir = pathlib.Path(run_dir)

    def of_pair(self, instance: str) -> str:
        """-> the folder that is the keeper's alone."""
        return str(self._run_dir / instance)

    def instances(self, after: str = '', most: int | None = None
                  ) -> list[str]:
        """-> the uuids of which a keeper lives, sorted.

        A folder that cannot be used, as it is another user's, is left out.

        :param after: only those that come after this text.
        :param most: no more than so many; None: all.
        """
        names = [name for name in self.all() if name > after]
        return list(itertools.islice(filter(self._lives, names), most))

    def all(self) -> list[str]:
        """-> the uuids of all that have a folder, sorted."""
        return sorted(filter(is_uuid, os.listdir(self._run_dir)))

    def _lives(self, instance: str) -> bool:
        try:
            return self.keeper(instance) is not None
        except OSError as e:
            LOG.warning('Whether the keeper of %s lives is not known: %s',
                        instance, text.printable(e))
            return False

    def is_earlier(self, instance: str) -> bool:
        """-> whether a keeper lives that was started by a release without a
        host service."""
        try:
            return locks.is_earlier(self.of_pair(instance))
        except FileNotFoundError:
            return False

    def keeper(self, instance: str) -> int | None:
        """-> the process id of the keeper that lives, or None.

        It holds a lock for as long as it does, and the kernel tells whose
        lock that is.
        """
        try:
            return locks.holder(self.of_pair(instance))
        except FileNotFoundError:
            return None

    def knows_large(self, instance: str) -> bool:
        """-> whether a keeper lives that listens for a Domain R with a large
        region."""
        return self.keeper(instance) is not None and os.path.exists(
            os.path.join(places.of_pair(self.of_pair(instance)).domain_r,
                         wire.LARGE_IVSHMEM_SOCKET))

    def worker(self, instance: str) -> int | None:
        """-> the process id of a worker that lives, or None.

        One of a release whose workers had no lock is not found.
        """
        return locks.worker(self.of_pair(instance))

    def remove(self, instance: str) -> None:
        """Remove what is left of a pair.

        :raises OSError: something cannot be removed.
        """
        where = places.of_pair(self.of_pair(instance))
        for folder in (where.instance, where.domain_r, where.own):
            try:
                _remove(folder)
            except FileNotFoundError:
                pass


def _remove(folder: str) -> None:
    """Remove a folder with its files.

    Where a pair was to arrive from an earlier release, QEMU's user can write
    its folder. So no more files are removed than a pair has, and no folders in
    it; if something is left then, the folder is moved out of the way.
    """
    os.chmod(folder, 0o700)
    for name in itertools.islice(os.scandir(folder), _FILES_MAX):
        try:
            os.unlink(name.path)
        except OSError as e:
            LOG.info('Not removed: %s', text.printable(e))
    try:
        os.rmdir(folder)
    except OSError:
        aside = tempfile.mkdtemp(
            prefix=f'{LEFT_OVER}{os.path.basename(folder)}.',
            dir=os.path.dirname(folder))
        os.rename(folder, aside)
        LOG.warning('What is not of this pair is left in %s: look at it, and '
                    'remove it', aside)
