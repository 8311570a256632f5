# SPDX-License-Identifier: Apache-2.0
"""The compute driver: ``compute_driver = dmore.DMoreDriver``.

A subclass of Nova's LibvirtDriver whose overrides only delegate. They stand
in the order of an instance's life. Which path of Nova reaches each of them is
said where it is overridden; ``tests/unit/virt/test_signatures.py`` compares
each with the method it overrides. It is one file, however long the list, since
Nova takes one class.
"""

import base64
import contextlib
import dataclasses
import functools

from nova.compute import task_states
from nova.compute import vm_states
from nova import context as nova_context
from nova import exception as nova_exception
from nova.console import serial as serial_console
from nova.console import type as console_type
from nova.virt.libvirt import driver as libvirt_driver
import nova.conf
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt import boundary
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.care import renewal
from nova_dmore.virt.care import reporter
from nova_dmore.virt.care import tokens
from nova_dmore.virt.care import watch
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.config import precondition
from nova_dmore.virt.images import credentials
from nova_dmore.virt.images import image_store
from nova_dmore.virt import inventory
from nova_dmore.virt.migration import destination
from nova_dmore.virt.migration import guest as guest_module
from nova_dmore.virt.migration import rollback
from nova_dmore.virt.migration import source
from nova_dmore.virt.network import address
from nova_dmore.virt.network import plug
from nova_dmore.virt.network import port_security
from nova_dmore.virt.network import security_group
from nova_dmore.virt.pair import pairs
from nova_dmore.virt.pair import policy
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import xml as xml_module
from nova_dmore.virt import rpc

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: The server property in which a user finds the SSH console.
SSH_PROPERTY = 'dmore:console_ssh'


@dataclasses.dataclass(frozen=True)
class _Pair:
    """The pair of an instance that is to start."""

    record: record_module.PairRecord
    #: Whether it was made just now.
    is_new: bool
    instance: xml_module.ShadowedInstance


class DMoreDriver(libvirt_driver.LibvirtDriver):
    """KVM/QEMU through libvirt, with consoles that outlive a migration."""

    def __init__(self, virtapi, read_only=False):
        """Called once by nova-compute; connects to nothing yet."""
        super().__init__(virtapi, read_only=read_only)
        dmore_conf.register(CONF)
        dmore_conf.warn_of_ignored(CONF)
        self._host = inventory.DMoreHost(
            self._uri(), read_only,
            lifecycle_event_handler=self.emit_event,
            conn_event_handler=self._handle_conn_event)
        self.vif_driver = libvirt_driver.libvirt_vif.LibvirtGenericVIFDriver(
            self._host)
        admin = nova_context.get_admin_context()
        self._pairs = pairs.Pairs(
            CONF, self._get_connection,
            plug.Plug(self.vif_driver, CONF.libvirt.virt_type),
            address.AddressBook(
                CONF.dmore.management_network,
                port_security.PortSecurity(
                    CONF.dmore.security_groups,
                    security_group.OwnGroup(functools.partial(
                        security_group.wanted, CONF.dmore,
                        CONF.vnc.enabled))),
                admin),
            image_store.ImageStore(
                CONF.dmore.image, CONF.dmore.image_digest,
                CONF.dmore.image_cache_dir, credentials.service_context),
            functools.partial(tokens.forget, admin),
            functools.partial(host_secrets.note_of, admin))
        self._host._is_companion = self._pairs.is_domain_r
        self._reporter = reporter.Reporter(CONF.host)
        self._watch = watch.Watch(
            self._pairs, self._reporter, CONF.dmore.watch_interval, admin,
            reconcile.Reconciler(
                self._pairs, self._reporter, admin, self._get_connection,
                inventory.host_of, inventory.is_live_migrating),
            renewal.Renewal(CONF, self._pairs))
        self._destination = destination.DestinationRole(
            self._pairs, self._reporter, self._get_connection, self._uri(),
            CONF.instances_path,
            functools.partial(self._way_to, rollback.ANY_HOST),
            CONF.libvirt.live_migration_with_native_tls)
        self._rpc_server = None
        #: The co-migrations whose source this host is, by instance uuid.
        self._comigrations: dict[str, source.SourceRole] = {}
        #: Uuids of instances that are being rebooted.
        self._rebooting: set[str] = set()

    # -- the service's life -------------------------------------------------

    def init_host(self, host):
        """Called at the start of nova-compute, before it takes requests.

        Pairs are found again here; nothing of them is restarted unless it
        died. What migrations left that were cut off by the end of this or
        another nova-compute is put in order
        (:mod:`nova_dmore.virt.care.reconcile`).
        """
        super().init_host(host)
        in_clear = precondition.migration_in_clear(CONF)
        if in_clear is not None:
            LOG.warning('Domain R: %s', in_clear)
        self._warn_of_the_authority()
        self._rpc_server = rpc.start_server(host, self._destination)
        self._watch.start()

    @staticmethod
    def _warn_of_the_authority():
        try:
            ends = precondition.authority_ends(CONF)
        except exception.ConfigurationError as error:
            # Instances may run, and start with the stock consoles.
            ends = error
        if ends is not None:
            LOG.warning('Domain R: %s', ends)

    def cleanup_host(self, host):
        """Called at the end of nova-compute; the pairs live on."""
        self._watch.stop()
        if self._rpc_server is not None:
            self._rpc_server.stop()
        super().cleanup_host(host)

    def emit_event(self, event):
        """Called for each libvirt event; those of companions end here, and
        the watch sees whether something has to be done."""
        companion_of = self._pairs.instance_of(getattr(event, 'uuid', None))
        if companion_of is not None:
            self._watch.changed(companion_of)
            return
        super().emit_event(event)

    # -- an instance starts -------------------------------------------------

    def _create_guest(self, context, xml, instance, power_on=True,
                      pause=False, post_xml_callback=None):
        """Called whenever Nova defines an instance's domain: spawn, hard
        reboot, power on, resume, rescue, finish of a resize.

        Not by a soft reboot nor at the arrival of a live migration: there
        the domain is as it was.
        """
        create = functools.partial(
            super()._create_guest, context, power_on=power_on, pause=pause,
            post_xml_callback=post_xml_callback)
        pair = None
        with boundary.instance_first(instance, 'Having a Domain R') as outcome:
            pair = self._have_pair(xml, instance)
        if outcome.error is not None:
            if CONF.dmore.required:
                raise nova_exception.BuildAbortException(
                    instance_uuid=instance.uuid,
                    reason=str(outcome.error) or repr(outcome.error))
            LOG.warning('The instance runs with the stock consoles: %s',
                        text.printable(outcome.error), instance=instance)
        if pair is None:
            with boundary.instance_first(instance, 'Withdrawing the console'):
                self._withdraw(xml, instance)
            return create(xml, instance)
        with contextlib.ExitStack() as undo:
            if pair.is_new:
                undo.callback(self._remove_pair, instance,
                              delete_address=self._goes_for_good(instance))
            guest = create(pair.instance.xml, instance)
            undo.pop_all()
        with boundary.instance_first(instance, 'Announcing the console'):
            for host, port in pair.instance.released_ports:
                serial_console.release_port(host=host, port=port)
            self._announce(instance, pair.record)
        return guest

    def _have_pair(self, xml, instance):
        """Have a pair for an instance that is to start.

        :returns: a :class:`_Pair`, None for a plain stock instance.
        :raises Exception: and nothing is left.
        """
        known = self._pairs.get(instance.uuid) is not None
        if not policy.wants_domain_r(CONF.dmore, instance, known):
            if known:   # its flavor was changed
                self._remove_pair(instance, delete_address=True)
            return None
        shadowed = xml_module.with_shadow_devices(
            xml, self._pairs.records.directory(instance.uuid),
            relabel=CONF.dmore.qemu_group is None)
        record = self._pairs.ensure(instance, shadowed.display)
        return _Pair(record, not known, shadowed)

    def _withdraw(self, xml, instance):
        """Leave nothing that leads to a Domain R: the instance starts with
        the stock consoles."""
        if xml_module.has_shadow_devices(xml):
            # It is resumed as it was suspended.
            self._pairs.shadows.make_directory(instance.uuid)
            return
        if self._pairs.get(instance.uuid) is not None:
            self._remove_pair(instance, delete_address=False)
        if instance.metadata.pop(SSH_PROPERTY, None) is not None:
            instance.save()

    @staticmethod
    def _announce(instance, record):
        """Tell the user the SSH address, in the server's properties; and
        Nova the secret that its keys are derived from."""
        url = f'ssh://console@{record.address.ip}:{CONF.dmore.ssh_port}'
        if instance.metadata.get(SSH_PROPERTY) != url:
            instance.metadata[SSH_PROPERTY] = url
            instance.save()
        host_secrets.note(instance, record.secret_id)

    # -- its consoles -------------------------------------------------------

    def get_vnc_console(self, context, instance):
        """Called for ``console url show --novnc``, and when
        nova-novncproxy checks a token (``validate_console_port``).

        An instance that was last started without a display of the pair (by
        an earlier version, or while ``[vnc] enabled`` was false) has Nova's
        own.
        """
        record = self._pair_with_guest(instance)
        if record is None or not record.display:
            return super().get_vnc_console(context, instance)
        return console_type.ConsoleVNC(
            host=record.address.ip, port=CONF.dmore.vnc_port)

    def get_serial_console(self, context, instance):
        """Called for ``console url show --serial``, and when
        nova-serialproxy checks a token (``validate_console_port``)."""
        record = self._pair_with_guest(instance)
        if record is None:
            return super().get_serial_console(context, instance)
        return console_type.ConsoleSerial(
            host=record.address.ip, port=CONF.dmore.serial_port)

    def _pair_with_guest(self, instance):
        """The record of a pair whose instance libvirt knows.

        :returns: None without a pair.
        :raises nova.exception.InstanceNotFound: as Nova's own methods. It
            keeps a token from being made while the instance is started
            anew, when older ones are forgotten.
        """
        record = self._pairs.get(instance.uuid)
        if record is not None:
            self._host.get_guest(instance)
        return record

    def get_console_output(self, context, instance):
        """Called for ``console log show``.

        Nova finds the log by the type of the console device, which it does
        not know; the log is where it always is.
        """
        if self._pairs.get(instance.uuid) is None:
            return super().get_console_output(context, instance)
        return self._get_console_output_file(
            instance, self._get_console_log_path(instance))

    # -- it is destroyed ----------------------------------------------------

    def destroy(self, context, instance, network_info, block_device_info=None,
                destroy_disks=True, destroy_secrets=True):
        """Called when an instance is deleted or leaves this host: shelved,
        rebuilt, resized and reverted, evacuated, a live migration rolled
        back; and by a hard reboot, which keeps the pair."""
        super().destroy(
            context, instance, network_info,
            block_device_info=block_device_info,
            destroy_disks=destroy_disks, destroy_secrets=destroy_secrets)
        if instance.uuid in self._rebooting:
            return
        for_good = self._goes_for_good(instance)
        record = self._pairs.get(instance.uuid)
        if record is not None and record.incoming and not for_good:
            with boundary.instance_first(instance, 'Expecting it no more'):
                self._destination.give_up(instance.uuid)
            return
        # Whatever Nova says of the instance's Domain R now, it may have had
        # one before its flavor was changed, and has its address then.
        if (record is not None or
                for_good and CONF.dmore.management_network):
            self._remove_pair(instance, delete_address=for_good)

    def _hard_reboot(self, context, instance, network_info, share_info,
                     block_device_info=None, accel_info=None):
        """Called for a hard reboot, power on, and a start with the host: the
        instance is destroyed, and made again at once. Sessions go on."""
        self._rebooting.add(instance.uuid)
        try:
            return super()._hard_reboot(
                context, instance, network_info, share_info,
                block_device_info=block_device_info, accel_info=accel_info)
        finally:
            self._rebooting.discard(instance.uuid)

    def _goes_for_good(self, instance):
        """Whether an instance that is destroyed here is no more then.

        Otherwise it comes back, here or elsewhere (shelved, evacuated,
        resized, rebuilt), and has the same address again.
        """
        if instance.deleted:
            return True
        if instance.host not in (None, self._pairs.host):
            return False
        return (instance.vm_state == vm_states.BUILDING or
                instance.task_state in (task_states.DELETING,
                                        task_states.SOFT_DELETING))

    def _remove_pair(self, instance, delete_address):
        with boundary.instance_first(instance, 'Removing the pair'):
            self._pairs.remove(instance.uuid, delete_address=delete_address)

    # -- it moves while it is off -------------------------------------------

    def migrate_disk_and_power_off(self, context, instance, dest, flavor,
                                   network_info, block_device_info=None,
                                   timeout=0, retry_interval=0):
        """Called at the source of a resize or a cold migration.

        A new pair is made where the instance starts next, with the same
        address: at the destination, or here if it is reverted.
        """
        disk_info = super().migrate_disk_and_power_off(
            context, instance, dest, flavor, network_info,
            block_device_info=block_device_info, timeout=timeout,
            retry_interval=retry_interval)
        if dest != self.get_host_ip_addr():
            self._remove_pair(instance, delete_address=False)
        return disk_info

    def confirm_migration(self, context, migration, instance, network_info):
        """Called at the source when a resize is confirmed: nothing is left
        of what could not be removed when the instance left."""
        super().confirm_migration(context, migration, instance, network_info)
        if (instance.host != self._pairs.host and
                self._pairs.get(instance.uuid) is not None):
            self._remove_pair(instance, delete_address=False)

    # -- it moves: destination ----------------------------------------------

    def check_can_live_migrate_destination(
            self, context, instance, src_compute_info, dst_compute_info,
            block_migration=False, disk_over_commit=False):
        """Called at a possible destination of a live migration, long before
        anything is made for it there."""
        if SSH_PROPERTY in instance.metadata:
            with boundary.instance_first(
                    instance, 'Looking up its Domain R') as outcome:
                self._destination.look_up(instance)
            if (CONF.dmore.required and isinstance(
                    outcome.error, exception.ConfigurationError)):
                # Nova tries another host, if it was not told this one.
                raise nova_exception.MigrationPreCheckError(
                    reason=str(outcome.error))
        return super().check_can_live_migrate_destination(
            context, instance, src_compute_info, dst_compute_info,
            block_migration, disk_over_commit)

    def pre_live_migration(self, context, instance, block_device_info,
                           network_info, disk_info, migrate_data):
        """Called at the destination of a live migration, before the source
        begins with it: what the pair needs here is made meanwhile."""
        if SSH_PROPERTY in instance.metadata:
            with boundary.instance_first(instance, 'Expecting its Domain R'):
                self._destination.expect(instance)
        return super().pre_live_migration(
            context, instance, block_device_info, network_info, disk_info,
            migrate_data)

    # -- it moves: source ---------------------------------------------------

    def live_migration(self, context, instance, dest, post_method,
                       recover_method, block_migration=False,
                       migrate_data=None):
        """Called at the source when a live migration begins."""
        if self._pairs.get(instance.uuid) is None:
            return super().live_migration(
                context, instance, dest, post_method, recover_method,
                block_migration, migrate_data)
        with boundary.instance_first(instance, 'Taking Domain R along'):
            shared = migrate_data.is_shared_instance_path
            self._comigrations[instance.uuid] = source.SourceRole(
                self._source_services(), context, instance, dest,
                functools.partial(self._console_log_to_carry, instance,
                                  shared))
        try:
            return super().live_migration(
                context, instance, dest, post_method, recover_method,
                block_migration, migrate_data)
        finally:
            self._comigrations.pop(instance.uuid, None)

    def _live_migration_operation(self, context, instance, dest,
                                  block_migration, migrate_data, guest,
                                  device_names):
        """Called in Nova's thread that carries the migration."""
        role = self._comigrations.get(instance.uuid)
        if role is not None:
            guest = guest_module.CoMigratingGuest(guest, role)
        try:
            super()._live_migration_operation(
                context, instance, dest, block_migration, migrate_data, guest,
                device_names)
        finally:
            if role is not None:
                role.set_over()

    def _live_migration_monitor(self, context, instance, guest, dest,
                                post_method, recover_method,
                                block_migration, migrate_data, future,
                                disk_paths):
        """Called in the thread that watches over the migration."""
        role = self._comigrations.get(instance.uuid)
        if role is not None:
            guest = guest_module.CoMigratingGuest(guest, role)
        try:
            super()._live_migration_monitor(
                context, instance, guest, dest, post_method, recover_method,
                block_migration, migrate_data, future, disk_paths)
        finally:
            if role is not None:
                role.set_nova_done()

    def live_migration_abort(self, instance):
        """Called at the source when a user aborts a live migration.

        Domain R's migration begins before its instance's, which Nova can
        only abort once libvirt has it.
        """
        role = self._comigrations.get(instance.uuid)
        if role is not None:
            role.wait_for_the_instances_job()
        super().live_migration_abort(instance)

    def _source_services(self):
        return source.Services(
            pairs=self._pairs, watch=self._watch, reporter=self._reporter,
            destination=rpc.DestinationAPI(CONF.dmore.rpc_timeout),
            libvirt_uri=self._uri(),
            precopy_timeout_s=CONF.dmore.precopy_timeout,
            hold_bandwidth_mib=CONF.dmore.hold_bandwidth_mib,
            relabel=CONF.dmore.qemu_group is None,
            way_here=self._way_here(), hold=CONF.dmore.hold,
            synchronise=CONF.dmore.synchronise)

    def _way_here(self):
        """How a Domain R comes back whose instance stays: as Nova has a live
        migration come to this host."""
        address = CONF.libvirt.live_migration_inbound_addr
        return rollback.WayHere(
            self._live_migration_uri(address or self._pairs.host),
            self._migrate_uri(address) if address else None)

    def _way_to(self, address):
        """How Nova would have a live migration go to a host."""
        return rollback.WayHere(self._live_migration_uri(address),
                                self._migrate_uri(address))

    def _console_log_to_carry(self, instance, shared):
        """The console log in base64, nothing where the destination has it.
        """
        if shared:
            return None
        return base64.b64encode(self._get_console_output_file(
            instance, self._get_console_log_path(instance))).decode()
