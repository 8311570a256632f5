# SPDX-License-Identifier: Apache-2.0
"""The life of the pairs of one host: made, found again, rebuilt, removed.

A pair is three things: the shadow-device process (it outlives nova-compute),
Domain R (a transient libvirt domain), and its address. Those that arrive from
another host are in :mod:`nova_dmore.virt.pair.incoming`; moving a pair is the
business of :mod:`nova_dmore.virt.migration`.
"""

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.network import key_mark
from nova_dmore.virt.network import wired
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import kernel_log
from nova_dmore.virt.pair import known
from nova_dmore.virt.pair import parts
from nova_dmore.virt.pair import policy
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova import objects

LOG = logging.getLogger(__name__)


class Pairs(known.KnownPairs):
    """The pairs of a host (:class:`known.KnownPairs`), made and removed;
    nova-compute has the :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.

    Every method may be called from any thread; calls for one pair exclude
    each other (:meth:`known.KnownPairs.locked`).
    """

    # -- made ---------------------------------------------------------------

    def ensure(self, instance: 'objects.Instance', display: bool = False
               ) -> record_module.PairRecord:
        """Have a living pair for an instance that is about to start.

        Called by the driver. A pair that lives is left alone.

        :param display: whether the instance has a display.
        :raises nova_dmore.exception.DMoreError: it cannot be had; whatever
            was made on the way is undone.
        """
        with self.locked(instance.uuid):
            record = before = self.get(instance.uuid)
            if record is not None and (
                    record.incoming or self._is_retired(record)
                    or self._is_lost(record.address.port_id)):
                # Nova starts the instance here: none is arriving any more,
                # and who is attached expects no other.
                self.remove(instance.uuid, delete_address=False)
                record = None
            if record is None:
                return self._make(instance, display, before)
            if record.display != display:
                self._forget_tokens(instance.uuid)
                record = dataclasses.replace(record, display=display)
                self._save(record)
            if self.shadows.is_earlier(instance.uuid):
                # Its QEMU is to start as this release has it.
                self._parts.stop_shadow(instance.uuid)
            if not all(self.is_alive(instance.uuid)):
                record = self._restart(record)
            return record

    def _make(self, instance: 'objects.Instance', display: bool,
              before: record_module.PairRecord | None
              ) -> record_module.PairRecord:
        # One that lives, of which no record is left, is adopted.
        digest = (self._parts.living_image(instance.uuid)
                  or self.images.current(or_last=True))
        self.claim(instance.uuid, digest)
        with contextlib.ExitStack() as claim, contextlib.ExitStack() as undo:
            claim.callback(self.end_claim, instance.uuid)
            # Of consoles that it had without a pair.
            self._forget_tokens(instance.uuid)
            # A Neutron that has just started shows no port for a moment; that
            # of an instance which had a pair may be there all the same.
            known = (self.addresses.exists(instance.uuid)
                     or announcement.NOTE in instance.system_metadata)
            if not known:
                undo.callback(
                    parts.attempt, self._delete_address, instance.uuid)
            address = self.addresses.ensure(
                instance.uuid, self.host,
                None if before is None else before.address,
                announcement.address_of(instance),
                key_mark.of(instance.key_data))
            record = record_module.PairRecord(
                instance_uuid=instance.uuid,
                instance_name=instance.display_name or instance.name,
                project_id=instance.project_id, digest=digest,
                address=address, key_data=instance.key_data,
                display=display, keymap=policy.keymap(instance),
                evacuated_at=(int(time.time())
                              if where.is_evacuated_here(instance) else None),
                secret_id=self.secrets.choose(instance, known))
            undo.callback(parts.attempt, self._forget, instance.uuid)
            self._save(record)
            undo.callback(parts.attempt, self.shadows.remove, instance.uuid)
            self._parts.start(record)
            undo.pop_all()
        LOG.info('Domain R of the instance is at %s', address.ip,
                 instance=instance)
        return record

    def _restart(self, record: record_module.PairRecord
                 ) -> record_module.PairRecord:
        """Start what died of a pair, or never was on this host.

        A Domain R that starts afresh need not have the image of the one
        before: where that is gone the current one will do. And so for the
        secret that its keys are derived from.

        :returns: the record, with the digest and the secret that are used.
        """
        try:
            self.images.ensure(record.digest)
        except exception.ImageError as error:
            record = self._with_current_image(record, str(error))
        try:
            replaced = self.secrets.replaced(record)
            if replaced != record:
                record = replaced
                self._save(record)
            self._parts.start(record)
        except exception.DMoreError:
            # The instance may run: what it prints must not fill its FIFO.
            parts.attempt(self.shadows.start, record.instance_uuid)
            raise
        # Nova has to know which secret is used now: a destination that still
        # read the id of the one before would refuse the instance where that
        # is gone. Nova is told also if the secret was not replaced just now,
        # for it may not have answered when it was.
        if not self._note_secret(record.instance_uuid, record.secret_id):
            self.unnoted.add(record.instance_uuid)
        return record

    def configure_again(self, instance_uuid: str) -> None:
        """Tell a pair again what to serve: its certificate is a new one then.
        Sessions go on. Not if it is arriving, or something is being done.

        Called by :mod:`nova_dmore.virt.care.renewal` and
        :mod:`nova_dmore.virt.care.changed_options`. So it is when nova-compute
        starts: an instance may have got a processor for itself meanwhile that
        Domain R was given.

        :raises nova_dmore.exception.DMoreError: it could not be told.
        """
        with self.locked(instance_uuid, wait_s=0) as locked:
            record = self.get(instance_uuid)
            if locked and record is not None and not record.incoming:
                # First: it does not depend on what is told.
                self._parts.bind(instance_uuid)
                self._parts.configure(record)

    def _is_lost(self, port_id: str) -> bool:
        """Whether somebody has deleted the port."""
        try:
            return self.addresses.is_lost(port_id)
        except exception.AddressError:
            return False    # Neutron is away: nobody can tell

    def _is_retired(self, record: record_module.PairRecord) -> bool:
        """Whether its keys cannot be had any more."""
        try:
            return self.secrets.is_retired(record.secret_id)
        except exception.ConfigurationError:
            return False    # nothing new could be made instead

    # -- rebuilt ------------------------------------------------------------

    def rebuild(self, instance_uuid: str, ends_again: bool = False) -> bool:
        """Start again what of a pair died.

        Called by :mod:`nova_dmore.virt.care.watch`, and by a destination whose
        Domain R did not come.

        :param ends_again: it does not live long: another image may be better.
        :returns: whether anything had to be started.
        :raises nova_dmore.exception.DMoreError: it failed; try again later.
        """
        with self.locked(instance_uuid):
            record = self.get(instance_uuid)
            if (record is None or record.incoming or
                    all(self.is_alive(instance_uuid))):
                return False
            if ends_again:
                with contextlib.suppress(exception.ImageError):
                    record = self._with_current_image(
                        record, 'it ends again and again')
            self._restart(record)
            self.trouble.pop(instance_uuid, None)
            return True

    def _with_current_image(self, record: record_module.PairRecord, why: str
                            ) -> record_module.PairRecord:
        digest = self.images.current(or_last=True)
        if digest == record.digest:
            return record
        LOG.warning('Domain R of instance %(uuid)s gets image %(digest)s in '
                    'place of %(old)s: %(why)s',
                    {'uuid': record.instance_uuid, 'digest': digest,
                     'old': record.digest, 'why': text.printable(why)})
        record = dataclasses.replace(record, digest=digest)
        self._save(record)
        return record

    def replace_port(self, instance_uuid: str
                     ) -> record_module.PairRecord | None:
        """Build Domain R anew on another port: somebody has deleted its own.

        Called by :mod:`nova_dmore.virt.care.lost_ports`.

        :returns: the record; None: somebody is changing the pair, or the port
            is there after all.
        :raises nova_dmore.exception.DMoreError: it failed; try again later.
        """
        with self.locked(instance_uuid, wait_s=0) as locked:
            record = self.get(instance_uuid)
            if not locked or record is None or record.incoming:
                return None
            address = self.addresses.ensure(
                instance_uuid, self.host, record.address,
                mark=key_mark.of(record.key_data))
            if address.port_id == record.address.port_id:
                return None
            if address.ip != record.address.ip:
                # That may be another instance's at once.
                self._forget_tokens(instance_uuid)
            self.domain(instance_uuid).stop()
            parts.attempt(self._plug.unplug, record)
            record = dataclasses.replace(record, address=address)
            self._save(record)
            return self._restart(record)

    def adopt(self, instance_uuid: str) -> None:
        """Let a Domain R that arrived paused run: its instance belongs to
        this host, running or paused.

        Called by a source, too, whose instance stays. The shadow-device
        process does so by itself where the instance runs, so that it cannot
        be asked is no fault; one that runs since before an upgrade refuses.

        Its processors are those of this host from then on.
        """
        try:
            self.client(instance_uuid).adopt()
        except exception.ShadowProcessError as error:
            LOG.info('Console of instance %s: %s', instance_uuid,
                     text.printable(error))
        self._parts.bind(instance_uuid)

    # -- removed ------------------------------------------------------------

    def remove(self, instance_uuid: str, delete_address: bool) -> None:
        """Remove a pair from this host.

        Called when the instance is destroyed (``delete_address``), and when
        it has left for another host. Called by Nova's threads, the roles of a
        co-migration, and :mod:`nova_dmore.virt.care.reconcile`.

        A deletion does not wait for a change that is under way: a rebuild
        may wait for QEMU, or for an image. Whoever makes that change removes
        the pair then.

        :raises nova_dmore.exception.DMoreError: something is left over. If
            it runs, or is plugged, the record and the address stay, and the
            watch removes the pair when it finds no instance.
        """
        if not delete_address:
            with self.locked(instance_uuid):
                self._remove(instance_uuid)
            return
        pair_lock = self._locks.of(instance_uuid)
        if pair_lock.acquire_or_leave(lambda: self._delete(instance_uuid)):
            try:
                self._delete(instance_uuid)
            finally:
                pair_lock.release()

    def _remove(self, instance_uuid: str) -> None:
        self.trouble.pop(instance_uuid, None)
        self.unnoted.discard(instance_uuid)
        self._parts.end(instance_uuid, self.get(instance_uuid))
        self.shadows.remove(instance_uuid)
        self._forget(instance_uuid)

    def remove_stray(self, instance_uuid: str) -> None:
        """As :meth:`remove` of a pair without a record, whose address stays.

        Called by :mod:`nova_dmore.virt.care.late_pairs`.

        :raises nova_dmore.exception.DMoreError: something is left over.
        """
        with self.locked(instance_uuid):
            try:
                address = self.addresses.find(instance_uuid)
            except exception.AddressError:
                address = None
            self._remove(instance_uuid)
            if address is not None:
                # Its tap is called as the port is; whose it is does not
                # matter.
                self._plug.unplug(record_module.PairRecord(
                    instance_uuid, '', None, '', address, None))

    def kernel_logs(self) -> set[str]:
        """Uuids of the instances of whose Domain R there is a kernel log."""
        return kernel_log.instances(self._conf.dmore.log_dir)

    def remove_kernel_log(self, instance_uuid: str) -> None:
        """Remove the log of Domain R's kernel; what cannot be is logged.

        Called when the instance is deleted, on the host where it was last;
        also by :mod:`nova_dmore.virt.care.reconcile`.
        """
        kernel_log.remove(self._conf.dmore.log_dir, instance_uuid)

    def _delete(self, instance_uuid: str) -> None:
        self._remove(instance_uuid)
        self.remove_kernel_log(instance_uuid)
        self._delete_address(instance_uuid)

    def _delete_address(self, instance_uuid: str) -> None:
        # First: it may be another instance's at once.
        self._forget_tokens(instance_uuid)
        self.addresses.delete(instance_uuid)

    def plug_again(self, instance_uuid: str) -> None:
        """Plug Domain R's port, which another host had for a moment.

        Neutron's agent takes a port whose binding was deactivated from its
        bridge (process_deactivated_bindings in
        neutron/plugins/ml2/drivers/openvswitch/agent/ovs_neutron_agent.py),
        and does not put it back. It is no fault if the port is there.

        :raises nova_dmore.exception.AddressError: it cannot be plugged.
        """
        with self.locked(instance_uuid):
            record = self.get(instance_uuid)
            if record is not None and not record.incoming:
                self._plug.plug(record)

    def is_wired(self, instance_uuid: str) -> bool:
        """Whether the switch of this host shows that Domain R's port is
        wired. Not every kind of network has such a sign
        (:mod:`nova_dmore.virt.network.wired`)."""
        record = self.get(instance_uuid)
        return record is not None and wired.is_wired(
            wired.database_of(self._conf), record.address.port_id)
