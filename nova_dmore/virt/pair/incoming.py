# SPDX-License-Identifier: Apache-2.0
"""The pairs of one host, with those that arrive from another.

A pair that is expected here has a record that says so (``incoming``). It
belongs to this host once that is taken from it: by ``arrived`` if Domain R
came too, by ``take_over`` if not.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from concurrent import futures
from typing import TYPE_CHECKING

from nova_dmore import exception
from nova_dmore.virt import consoles
from nova_dmore.virt.network import key_mark
from nova_dmore.virt.pair import parts
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import renewable
from nova_dmore import wire
if TYPE_CHECKING:
    from nova_dmore.virt.network import address


class IncomingPairs(renewable.RenewablePairs):
    """The pairs of a host (:class:`renewable.RenewablePairs`), and those that
    are expected here."""

    def prepare_early(
            self, record: record_module.PairRecord,
            bind: 'Callable[[address.Address], address.Address] | None' = None
    ) -> record_module.PairRecord:
        """Make what of a pair takes long, on a host that it may come to.

        Called in a thread of
        :mod:`nova_dmore.virt.migration.early_preparation`, and by the
        destination's role for the source where nothing was made early.

        :param bind: returns the record's address as this host plugs it;
            called while the shadow-device process starts. None: it is known.
        :returns: the record with that address.
        :raises nova_dmore.exception.DMoreError: and everything is undone but
            the directory.
        """
        uuid = record.instance_uuid
        with self.locked(uuid), contextlib.ExitStack() as undo:
            undo.callback(parts.attempt, self._forget, uuid)
            # First: a process without a record would never be ended, and its
            # room is kept for it.
            self._save(record)
            self.claim(uuid)
            undo.callback(parts.attempt, self._parts.stop_shadow, uuid)
            with futures.ThreadPoolExecutor(
                    1, f'dmore-start-{uuid}') as aside:
                starting = aside.submit(
                    self.shadows.start, uuid, arrives=True)
                if bind is not None:
                    record = dataclasses.replace(
                        record, address=bind(record.address))
                    self._save(record)
                starting.result()
            undo.callback(parts.attempt, self._plug.unplug, record)
            self._plug.plug(record)
            undo.pop_all()
        return record

    def start_incoming(self, record: record_module.PairRecord,
                       migration_id: str) -> None:
        """Prepare a destination: everything but Domain R itself.

        Called by the destination's role before anything moves. What was made
        by :meth:`prepare_early` is used.

        :raises nova_dmore.exception.DMoreError: and everything is undone but
            the directory.
        """
        uuid = record.instance_uuid
        with self.locked(uuid), contextlib.ExitStack() as undo:
            undo.callback(parts.attempt, self.give_back, uuid)
            if self.get(uuid) is None:
                self.prepare_early(record)
            else:
                self._save(record)
            self.client(uuid).arm(
                migration_id, wire.Role.DESTINATION)
            self._parts.configure(record)
            undo.pop_all()

    def give_back(self, instance_uuid: str) -> None:
        """Undo :meth:`prepare_early` and :meth:`start_incoming`. The instance
        may arrive without its pair, so the directory stays.

        :raises nova_dmore.exception.DMoreError: something is left over; the
            rest was removed all the same.
        """
        with self.locked(instance_uuid):
            self._parts.end(instance_uuid, self.get(instance_uuid))
            self._forget(instance_uuid)

    def await_alone(self, record: record_module.PairRecord) -> None:
        """Remember a pair that does not come with its instance: one is built
        when the instance is here.

        Called by the destination's role; what is in the record of the source
        is kept.

        :raises nova_dmore.exception.DMoreError: the directory cannot be made.
        """
        self.shadows.start(record.instance_uuid, arrives=True)
        self._save(dataclasses.replace(record, incoming=True))

    def arrived(self, instance_uuid: str) -> None:
        """Note that a pair belongs to this host now.

        :raises nova_dmore.exception.DMoreError: it is not noted yet: its
            traffic cannot go here, or there is no room for its record.
        """
        with self.locked(instance_uuid):
            record = self.get(instance_uuid)
            if record is not None and record.incoming:
                # First: it waits for nothing else.
                self.adopt(instance_uuid)
                # The source has done it by now, if it could. To ask costs
                # Neutron less than to be refused.
                port_id = record.address.port_id
                if not self.addresses.is_bound(port_id, self.host):
                    self.addresses.activate_binding(port_id, self.host)
                self._save(dataclasses.replace(
                    record, incoming=False))

    def take_over(self, record: record_module.PairRecord) -> None:
        """Build a pair on this host whose Domain R did not follow its
        instance.

        Called by a destination's role; the instance runs here already, and
        its QEMU connects again by itself.

        :param record: as the source had it.
        :raises nova_dmore.exception.DMoreError: a record is kept, so that the
            watch tries again.
        """
        with self.locked(record.instance_uuid):
            if self.get(record.instance_uuid) is not None:
                self._parts.stop_shadow(record.instance_uuid)
                self.domain(record.instance_uuid).stop()
            # If anything fails now, the watch finds it as one that arrives,
            # and builds the pair later.
            self._save(dataclasses.replace(record, incoming=True))
            try:
                record = dataclasses.replace(
                    record, incoming=False, address=self.addresses.ensure(
                        record.instance_uuid, self.host, record.address,
                        mark=key_mark.of(record.key_data)))
                self.claim(record.instance_uuid)
                self._save(record)
                self._restart(record)
            except exception.DMoreError as error:
                self.trouble[record.instance_uuid] = consoles.why(error)
                raise
            self.trouble.pop(record.instance_uuid, None)
