# SPDX-License-Identifier: Apache-2.0
"""The pairs of one host, whose Domain Rs can be exchanged for new ones."""

import contextlib
import dataclasses
import enum

from nova_dmore import exception
from nova_dmore.virt.pair import pairs
from nova_dmore.virt.pair import parts


class When(enum.StrEnum):
    """When a Domain R is renewed. The values are in records and calls."""

    NOW = 'now'
    #: When it has no client.
    IDLE = 'idle'
    #: At the next live migration to a host that has the image, or can fetch
    #: it: a new one is made there, and none is moved.
    MIGRATION = 'migration'


class RenewablePairs(pairs.Pairs):
    """The pairs of a host (:class:`pairs.Pairs`), whose Domain Rs can be
    renewed; called by :mod:`nova_dmore.virt.care.domain_r_renewal`."""

    def renew(self, instance_uuid: str, digest: str) -> None:
        """Start a new Domain R in place of the one that lives; sessions end.

        :param digest: of its image, which is on this host.
        :raises nova_dmore.exception.DMoreError: it does not start; if it can
            be, one of the image before was started again.
        """
        with self.locked(instance_uuid), contextlib.ExitStack() as undo:
            before = self.get(instance_uuid)
            if before is None or before.incoming:
                raise exception.PairError(
                    f'instance {instance_uuid} has no pair here')
            record = dataclasses.replace(before, digest=digest, renewal=None)
            undo.callback(parts.attempt, self._restart, before)
            undo.callback(self._save, before)
            self._save(record)
            self.domain(instance_uuid).stop()
            self._restart(record)
            undo.pop_all()

    def note_renewal(self, instance_uuid: str, when: When | None) -> None:
        """Note when Domain R is to be renewed; None: not at all."""
        with self.locked(instance_uuid):
            record = self.get(instance_uuid)
            if record is not None and record.renewal != when:
                self._save(dataclasses.replace(record, renewal=when))
