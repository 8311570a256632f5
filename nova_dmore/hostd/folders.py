# SPDX-License-Identifier: Apache-2.0
"""Where the processes of a pair keep their files, and whether one lives."""

import logging
import os
import pathlib
import shutil
import uuid

from nova_dmore.channel import text
from nova_dmore import places
from nova_dmore.posix import locks

LOG = logging.getLogger(__name__)


def is_uuid(value):
    """Whether a value is the uuid of an instance: it becomes part of paths.
    """
    try:
        return type(value) is str and str(uuid.UUID(value)) == value
    except ValueError:
        return False


class Folders:
    """Those of all pairs of the host.

    :param run_dir: ``[hostd] run_dir``.
    """

    def __init__(self, run_dir):
        self._run_dir = pathlib.Path(run_dir)

    def of_pair(self, instance):
        """-> the folder that is the keeper's alone."""
        return str(self._run_dir / instance)

    def instances(self):
        """-> the uuids of which a keeper lives, sorted.

        Of a folder that is another user's nobody can tell: it is left out.
        """
        found = []
        for name in filter(is_uuid, sorted(os.listdir(self._run_dir))):
            try:
                if self.keeper(name) is not None:
                    found.append(name)
            except PermissionError as e:
                LOG.warning('Left alone: %s', text.printable(e))
        return found

    def is_earlier(self, instance):
        """-> whether the keeper that lives was started by a release without a
        host service."""
        return locks.is_earlier(self.of_pair(instance))

    def keeper(self, instance):
        """-> the process id of the keeper that lives, or None.

        It holds a lock for as long as it does, and the kernel tells whose
        lock that is.
        """
        try:
            return locks.holder(self.of_pair(instance))
        except FileNotFoundError:
            return None

    def remove(self, instance):
        """Remove what is left of a pair.

        :raises OSError: something cannot be removed.
        """
        where = places.of_pair(self.of_pair(instance))
        for folder in (where.instance, where.domain_r, where.own):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                pass
