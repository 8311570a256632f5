# SPDX-License-Identifier: Apache-2.0
"""The life of the pairs of one host: made, found again, rebuilt, removed.

A pair is three things: the shadow-device process (it outlives nova-compute),
Domain R (a transient libvirt domain), and its address. Those that arrive from
another host are in :mod:`nova_dmore.virt.pair.incoming`; moving a pair is the
business of :mod:`nova_dmore.virt.migration`.
"""

import contextlib
import dataclasses
from collections.abc import Callable

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.pair import blueprint
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import kernel_log
from nova_dmore.virt.pair import lock
from nova_dmore.virt.pair import parts
from nova_dmore.virt.pair import policy
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import shadow_process

LOG = logging.getLogger(__name__)

#: Longer than any change of a pair takes, in seconds: to fetch an image, the
#: longest of what it waits for, may take
#: :data:`nova_dmore.virt.limited.IMAGE_S`.
LOCK_S = 900.0


class Pairs:
    """The pairs of this host; nova-compute has the
    :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.

    Every method may be called from any thread; calls for one pair exclude
    each other (:meth:`locked`).

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param plug: a :class:`nova_dmore.virt.network.plug.Plug`.
    :param addresses: an :class:`nova_dmore.virt.network.address.AddressBook`.
    :param images: an :class:`nova_dmore.virt.images.image_store.ImageStore`.
    :param forget_tokens: :func:`nova_dmore.virt.care.tokens.forget` of an
        instance's uuid.
    :param note_secret: :func:`nova_dmore.virt.config.host_secrets.note_of` of
        an instance's uuid and the id of a secret.
    """

    def __init__(self, conf, connect, plug, addresses, images,
                 forget_tokens, note_secret):
        self._conf = conf
        self.host = conf.host
        #: Why this host can have no Domain R, None: it can. Set by the driver
        #: when nova-compute starts.
        self.impossible: str | None = None
        #: Called with an instance's uuid before a pair is made that is new
        #: on this host; set by the driver
        #: (:meth:`nova_dmore.virt.capacity.Capacity.claim`).
        self.claim: Callable[[str], None] = lambda instance_uuid: None
        self._plug = plug
        self.addresses = addresses
        self.images = images
        self.secrets = host_secrets.HostSecrets(conf)
        self._forget_tokens = forget_tokens
        self._note_secret = note_secret
        self.records = record_module.Records(
            conf.dmore.record_dir, conf.dmore.run_dir)
        self.shadows = shadow_process.ShadowProcesses(conf.dmore)
        self.blueprint = blueprint.Blueprint(
            conf, plug, images, self.records)
        self._parts = parts.PairParts(
            connect, plug, self.shadows, self.blueprint)
        #: See :attr:`parts.PairParts.configured`.
        self.configured = self._parts.configured
        #: See :meth:`parts.PairParts.was_told`.
        self.was_told = self._parts.was_told
        #: By instance uuid, what a user is told of why its Domain R cannot be
        #: had now.
        self.trouble: dict[str, str] = {}
        self._locks = lock.PairLocks(
            lambda instance_uuid: self.on_change(instance_uuid))
        #: Called with an instance's uuid when somebody may have changed its
        #: pair; set by :class:`nova_dmore.virt.care.watch.Watch`.
        self.on_change: Callable[[str], None] = lambda instance_uuid: None
        #: By libvirt uuid, the instance of every Domain R seen so far, also
        #: of removed ones: their last events come late.
        self._domain_r_uuids = {
            domain_r.uuid_of(record.instance_uuid): record.instance_uuid
            for record in self.records.all()}

    # -- look-up ------------------------------------------------------------

    def get(self, instance_uuid: str) -> record_module.PairRecord | None:
        """The pair of an instance on this host, None when it has none."""
        return self.records.load(instance_uuid)

    def client(self, instance_uuid: str) -> shadow_client.ShadowClient:
        """A client of the pair's shadow-device process."""
        return self.shadows.client(instance_uuid)

    def domain(self, instance_uuid: str) -> domain_r.DomainR:
        """The pair's Domain R on this host."""
        return self._parts.domain(instance_uuid)

    def is_alive(self, instance_uuid: str) -> tuple[bool, bool]:
        """Whether the shadow-device process and Domain R live.

        :raises nova_dmore.exception.DMoreError: nobody can tell, for libvirt
            or the host service is away: nothing may be rebuilt then.
        """
        return self._parts.is_alive(instance_uuid)

    def is_domain_r(self, domain: str | None) -> bool:
        """Whether a libvirt uuid is that of a Domain R on this host."""
        return domain in self._domain_r_uuids

    def instance_of(self, domain: str | None) -> str | None:
        """The instance of the Domain R with this libvirt uuid, None: it is
        that of no Domain R on this host."""
        return self._domain_r_uuids.get(domain)

    @contextlib.contextmanager
    def locked(self, instance_uuid: str, wait_s: float | None = None):
        """Exclude every other change of this pair.

        :param wait_s: longest wait for a change that is under way, in
            seconds; None: as long as any may take.
        :returns: a context manager; whether the pair is locked, which it is
            if nothing was said of the wait.
        :raises nova_dmore.exception.PairError: it could not be locked.
        """
        longest_s = LOCK_S if wait_s is None else wait_s
        with self._locks.of(instance_uuid).held(longest_s) as locked:
            if not locked and wait_s is None:
                raise exception.PairError(
                    f'the pair of instance {instance_uuid} was being changed '
                    f'for {LOCK_S:.0f} s')
            yield locked

    # -- made ---------------------------------------------------------------

    def ensure(self, instance,
               display: bool = False) -> record_module.PairRecord:
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

    def _make(self, instance, display: bool,
              before: record_module.PairRecord | None
              ) -> record_module.PairRecord:
        # One that lives, of which no record is left, is adopted.
        digest = (self._parts.living_image(instance.uuid)
                  or self.images.current())
        self.claim(instance.uuid)
        # Of consoles that it had without a pair.
        self._forget_tokens(instance.uuid)
        known = self.addresses.exists(instance.uuid)
        with contextlib.ExitStack() as undo:
            if not known:
                undo.callback(
                    parts.attempt, self._delete_address, instance.uuid)
            address = self.addresses.ensure(
                instance.uuid, self.host, before and before.address)
            record = record_module.PairRecord(
                instance_uuid=instance.uuid,
                instance_name=instance.display_name or instance.name,
                project_id=instance.project_id, digest=digest,
                address=address, key_data=instance.key_data,
                display=display, keymap=policy.keymap(instance),
                secret_id=self.secrets.choose(instance, known))
            undo.callback(self.records.forget, instance.uuid)
            self._save(record)
            undo.callback(parts.attempt, self.shadows.remove, instance.uuid)
            self._parts.start(record)
            undo.pop_all()
        LOG.info('Domain R of the instance is at %s', address.ip,
                 instance=instance)
        return record

    def _restart(self, record) -> record_module.PairRecord:
        """Start what died of a pair, or never was on this host.

        A Domain R that starts afresh need not have the image of the one
        before: where that is gone the current one will do. And so for the
        secret that its keys are derived from.

        :returns: the record, with the digest and the secret that are used.
        """
        try:
            self.images.ensure(record.digest)
        except exception.ImageError as error:
            record = self._with_current_image(record, text.printable(error))
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
        # Or a destination asks for the secret before, and refuses the
        # instance if that is gone. Not only if it was replaced just now:
        # Nova may not have answered when it was.
        self._note_secret(record.instance_uuid, record.secret_id)
        return record

    def configure_again(self, instance_uuid: str) -> None:
        """Tell a pair again what to serve: its certificate is a new one then.
        Sessions go on. Not if it is arriving, or something is being done.

        Called by :mod:`nova_dmore.virt.care.renewal` and
        :mod:`nova_dmore.virt.care.changed_options`.

        :raises nova_dmore.exception.DMoreError: it could not be told.
        """
        with self.locked(instance_uuid, wait_s=0) as locked:
            record = self.get(instance_uuid)
            if locked and record is not None and not record.incoming:
                self._parts.configure(record)

    def _is_lost(self, port_id: str) -> bool:
        """Whether somebody has deleted the port."""
        try:
            return self.addresses.is_lost(port_id)
        except exception.AddressError:
            return False    # Neutron is away: nobody can tell

    def _is_retired(self, record) -> bool:
        """Whether its keys cannot be had any more."""
        try:
            return self.secrets.is_retired(record.secret_id)
        except exception.ConfigurationError:
            return False    # nothing new could be made instead

    def _save(self, record) -> None:
        self._domain_r_uuids[domain_r.uuid_of(record.instance_uuid)] = (
            record.instance_uuid)
        try:
            self.records.save(record)
        except OSError as error:
            raise exception.ConfigurationError(
                f'[dmore] record_dir: {self._conf.dmore.record_dir}: '
                f'{error.strerror}') from error

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

    def _with_current_image(self, record, why: str
                            ) -> record_module.PairRecord:
        digest = self.images.current()
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

        :returns: the record; None: somebody is changing the pair.
        :raises nova_dmore.exception.DMoreError: it failed; try again later.
        """
        with self.locked(instance_uuid, wait_s=0) as locked:
            record = self.get(instance_uuid)
            if not locked or record is None or record.incoming:
                return None
            address = self.addresses.ensure(
                instance_uuid, self.host, record.address)
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
        self._parts.end(instance_uuid, self.get(instance_uuid))
        self.shadows.remove(instance_uuid)
        self.records.forget(instance_uuid)

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
