# SPDX-License-Identifier: Apache-2.0
"""What the destination's role remembers of co-migrations towards this host.

Calls of the source may come late, or when another nova-compute runs here than
the one that has prepared the pair.
"""

import collections
from typing import TYPE_CHECKING

from nova_dmore import exception
if TYPE_CHECKING:
    from nova_dmore.virt.pair import incoming

#: How many migrations that are over are remembered: a call of one may come
#: late.
_OVER_MAX = 256


class Arrivals:
    """The arrivals at one host; used by
    :class:`nova_dmore.virt.migration.destination.DestinationRole`.

    :param pairs: a :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.
    """

    def __init__(self, pairs: 'incoming.IncomingPairs') -> None:
        self._pairs = pairs
        #: Migration id of each pair that was prepared, by instance uuid.
        self.prepared: dict[str, str] = {}
        #: The same, of instances that arrive without their pair.
        self.alone: dict[str, str] = {}
        #: Ids of migrations for which nothing may be prepared any more.
        self._over: collections.deque[str] = collections.deque(
            maxlen=_OVER_MAX)

    def set_over(self, migration_id: str, instance_uuid: str) -> None:
        """Have a call of ``prepare`` that still runs, or comes late, make
        nothing."""
        with self._pairs.locked(instance_uuid):
            self._over.append(migration_id)

    def is_over(self, migration_id: str) -> bool:
        """Whether nothing may be prepared for it any more; the caller has
        locked the pair."""
        return migration_id in self._over

    def was_prepared(self, migration_id: str, instance_uuid: str) -> bool:
        """Whether a pair was prepared here in this migration.

        If nova-compute was started again since, this process does not know
        it; then the shadow-device process does, which lives on.
        """
        if instance_uuid in self.prepared:
            return self.prepared[instance_uuid] == migration_id
        record = self._pairs.get(instance_uuid)
        if record is None or not record.incoming:
            return False
        try:
            return self._pairs.client(
                instance_uuid).status().migration_id == migration_id
        except exception.ShadowProcessError:
            return False

    def is_expected(self, instance_uuid: str) -> bool:
        """Whether a pair that was prepared here has not arrived yet.

        Its source may never have said what became of it: then it is the watch
        that has found it here, and it may have left since.
        """
        if instance_uuid not in self.prepared:
            return False
        record = self._pairs.get(instance_uuid)
        return record is not None and record.incoming

    def forget(self, instance_uuid: str) -> None:
        """The instance has arrived, or stays where it was."""
        self.prepared.pop(instance_uuid, None)
        self.alone.pop(instance_uuid, None)
