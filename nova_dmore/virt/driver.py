# SPDX-License-Identifier: Apache-2.0
"""The compute driver: ``compute_driver = dmore.DMoreDriver``.

A subclass of Nova's LibvirtDriver whose methods only delegate. They stand in
the order of an instance's life; those that Nova calls for a live migration are
in :mod:`nova_dmore.virt.migration.driver`. The docstring of each says when
Nova calls it; ``tests/unit/virt/test_signatures.py`` compares each with the
method of Nova that it overrides.

Nothing of ours may make one of these methods fail, unless an operator asks for
that (``[dmore] required``): see :mod:`nova_dmore.virt.boundary`.
"""

import functools
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from nova import context as nova_context
from nova.virt.libvirt import driver as libvirt_driver
import nova.conf
from oslo_log import log as logging

from nova_dmore.virt import assembly
from nova_dmore.virt import boundary
from nova_dmore.virt.checks import start as start_checks
from nova_dmore.virt.checks import table as checks_table
from nova_dmore.virt import consoles
from nova_dmore.virt import inventory
from nova_dmore.virt.migration import driver as migration_driver
from nova_dmore.virt.migration import source_roles
from nova_dmore.virt.pair import instance_pair
from nova_dmore.virt.pair import large_pictures
from nova_dmore.virt.pair import saved as saved_module
from nova_dmore.virt.pair import starting
from nova_dmore.virt.rpc import server as rpc_server
from nova_dmore.virt import under_way
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova.compute import provider_tree as nova_tree
    from nova.console import type as console_type
    from nova import objects
    from nova.virt import event as virtevent
    from nova.virt.libvirt import guest as nova_guest
    from nova.virt import virtapi as nova_virtapi
    from oslo_config import cfg

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class DMoreDriver(migration_driver.MigratingDriver):
    """KVM/QEMU through libvirt, with consoles that outlive a migration."""

    def __init__(self, virtapi: 'nova_virtapi.VirtAPI', read_only: bool = False
                 ) -> None:
        """Called once by nova-compute; connects to nothing yet."""
        super().__init__(virtapi, read_only=read_only)
        start_checks.register_options(CONF)
        self._host = inventory.DMoreHost(
            self._uri(), read_only,
            lifecycle_event_handler=self.emit_event,
            conn_event_handler=self._handle_conn_event)
        self.vif_driver = libvirt_driver.libvirt_vif.LibvirtGenericVIFDriver(
            self._host)
        made = assembly.assemble(
            CONF, self._host, self.vif_driver, self._get_connection,
            self._uri(), self._uris_to, lambda: self._live_migration_flags)
        self._pairs = made.pairs
        self._host._is_domain_r = made.pairs.is_domain_r
        self._capacity = made.capacity
        self._watch = made.watch
        self._operator = made.operator
        self._destination = made.destination
        self._early_departures = made.early_departures
        self._rpc_server = None
        self._source_roles = source_roles.SourceRoles(
            made.pairs, made.early_departures)
        #: Instances that Nova reboots, and those with a pair that it resumes.
        self._reboots = under_way.UnderWay()
        self._resumes = under_way.UnderWay()

    # -- the service's life -------------------------------------------------

    def init_host(self, host: str) -> None:
        """Called at the start of nova-compute, before it takes requests.

        The pairs of an earlier nova-compute are found again, and only what
        died of them is started again. Migrations that were cut off, when this
        nova-compute or another one ended, come to a stated end
        (:mod:`nova_dmore.virt.care.reconcile`).
        """
        super().init_host(host)
        subject = checks_table.Subject(
            CONF, self._get_connection, self._pairs,
            nova_context.get_admin_context())
        self._pairs.impossible = start_checks.check(subject)
        start_checks.check_aside(subject)
        self._rpc_server = rpc_server.start(
            host, self._destination, self._early_departures, self._operator)
        self._watch.start()
        CONF.register_mutate_hook(self._options_changed)

    def _options_changed(self, conf: 'cfg.ConfigOpts', fresh: bool) -> None:
        """Called when nova-compute has read its options again (SIGHUP)."""
        self._pairs.addresses.forget_group()
        self._watch.options_changed()

    def cleanup_host(self, host: str) -> None:
        """Called when nova-compute ends, perhaps before it has begun; the
        pairs live on."""
        if self._rpc_server is not None:
            self._watch.stop()
            self._rpc_server.stop()
        super().cleanup_host(host)

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """Called when nova-compute tells Nova's database what this host has:
        at its start, and every minute."""
        return large_pictures.said(super().get_available_resource(nodename))

    def update_provider_tree(
            self, provider_tree: 'nova_tree.ProviderTree', nodename: str,
            allocations: dict[str, Any] | None = None) -> None:
        """Called when nova-compute tells Placement what this host has: at its
        start, every minute, and when an instance has come or gone."""
        super().update_provider_tree(
            provider_tree, nodename, allocations=allocations)
        with boundary.instance_first(None, 'Reserving what Domain Rs take'):
            self._capacity.update(provider_tree, nodename,
                                  self.virtapi.reportclient)

    def emit_event(self, event: 'virtevent.Event') -> None:
        """Called for each libvirt event; Nova is told none of a Domain R,
        and the watch sees whether something has to be done."""
        instance_uuid = self._pairs.instance_of(getattr(event, 'uuid', None))
        if instance_uuid is not None:
            self._watch.changed(instance_uuid)
            return
        super().emit_event(event)

    # -- an instance starts -------------------------------------------------

    def _create_guest(self, context: nova_context.RequestContext, xml: str,
                      instance: 'objects.Instance', power_on: bool = True,
                      pause: bool = False,
                      post_xml_callback: Callable[[], None] | None = None
                      ) -> 'nova_guest.Guest':
        """Called whenever Nova defines an instance's domain: spawn, hard
        reboot, power on, resume, rescue, finish of a resize.

        Not called by a soft reboot, nor at the destination of a live
        migration: there the domain is as it was.
        """
        create = functools.partial(
            super()._create_guest, context, power_on=power_on, pause=pause,
            post_xml_callback=post_xml_callback)
        return starting.create_guest(
            CONF.dmore, self._pairs, create, xml, instance,
            self._saved_xml(instance), lambda: where.definition(
                self._get_connection(), instance.uuid))

    # -- it is resumed ------------------------------------------------------

    def resume(self, context: nova_context.RequestContext,
               instance: 'objects.Instance', network_info: Any,
               block_device_info: Any = None, share_info: Any = None) -> None:
        """Called for an instance that is suspended. One that had a pair then
        and cannot be resumed now stays so: Nova would delete its memory."""
        with saved_module.kept(instance, self._resumes, self._saved_xml):
            super().resume(context, instance, network_info,
                           block_device_info, share_info)

    def _saved_xml(self, instance: 'objects.Instance') -> str | None:
        """See :func:`nova_dmore.virt.pair.saved.xml_of`."""
        with boundary.instance_first(instance, 'Reading its saved memory'):
            return saved_module.xml_of(
                self._get_connection(), instance.uuid)
        return None

    def _cleanup(self, context: nova_context.RequestContext,
                 instance: 'objects.Instance', network_info: Any,
                 block_device_info: Any = None, destroy_vifs: bool = True,
                 cleanup_instance_dir: bool = False,
                 cleanup_instance_disks: bool = False,
                 destroy_secrets: bool = True) -> None:
        """Called when an instance is destroyed, and when its start failed."""
        # Nova deletes one while another thread resumes it: then all of it has
        # to go.
        if self._resumes.is_on(instance.uuid):
            LOG.warning('The instance stays suspended: what it is resumed '
                        'from, and with, is kept', instance=instance)
            return
        super()._cleanup(
            context, instance, network_info,
            block_device_info=block_device_info, destroy_vifs=destroy_vifs,
            cleanup_instance_dir=cleanup_instance_dir,
            cleanup_instance_disks=cleanup_instance_disks,
            destroy_secrets=destroy_secrets)

    # -- its consoles -------------------------------------------------------

    def get_vnc_console(self, context: nova_context.RequestContext,
                        instance: 'objects.Instance'
                        ) -> 'console_type.ConsoleVNC':
        """Called for ``console url show --novnc``, and when
        nova-novncproxy checks a token (``validate_console_port``)."""
        return (consoles.vnc(CONF.dmore, self._pairs, self._host, instance)
                or super().get_vnc_console(context, instance))

    def get_serial_console(self, context: nova_context.RequestContext,
                           instance: 'objects.Instance'
                           ) -> 'console_type.ConsoleSerial':
        """Called for ``console url show --serial``, and when
        nova-serialproxy checks a token (``validate_console_port``)."""
        return (consoles.serial(CONF.dmore, self._pairs, self._host, instance)
                or super().get_serial_console(context, instance))

    def get_console_output(self, context: nova_context.RequestContext,
                           instance: 'objects.Instance') -> Any:
        """Called for ``console log show``.

        Nova finds the log by the type of the console device. It does not
        know the type that a pair has; the log is where it always is.
        """
        if not consoles.are_of_pair(self._pairs, self._host, instance):
            return super().get_console_output(context, instance)
        return self._read_console_log(instance)

    # -- it is destroyed ----------------------------------------------------

    def destroy(self, context: nova_context.RequestContext,
                instance: 'objects.Instance', network_info: Any,
                block_device_info: Any = None, destroy_disks: bool = True,
                destroy_secrets: bool = True) -> None:
        """Called when an instance is deleted or leaves this host (shelved,
        rebuilt, resized and reverted, evacuated), at the destination of a
        live migration that is rolled back, and by a hard reboot, which keeps
        the pair."""
        super().destroy(
            context, instance, network_info,
            block_device_info=block_device_info,
            destroy_disks=destroy_disks, destroy_secrets=destroy_secrets)
        # Nova deletes one while another thread starts it, too.
        if not self._reboots.is_on(instance.uuid):
            with boundary.instance_first(instance, 'The end of its Domain R'):
                instance_pair.destroyed(
                    CONF.dmore, self._pairs, self._destination, context,
                    instance)

    def _hard_reboot(self, context: nova_context.RequestContext,
                     instance: 'objects.Instance', network_info: Any,
                     share_info: Any, block_device_info: Any = None,
                     accel_info: Any = None) -> Any:
        """Called for a hard reboot, a power on, and when an instance starts
        with its host: Nova destroys the instance and makes it again at once.
        Sessions go on."""
        with self._reboots.on(instance.uuid):
            return super()._hard_reboot(
                context, instance, network_info, share_info,
                block_device_info=block_device_info, accel_info=accel_info)

    # -- it moves while it is off -------------------------------------------

    def migrate_disk_and_power_off(
            self, context: nova_context.RequestContext,
            instance: 'objects.Instance', dest: str, flavor: 'objects.Flavor',
            network_info: Any, block_device_info: Any = None, timeout: int = 0,
            retry_interval: int = 0) -> Any:
        """Called at the source of a resize or a cold migration.

        A new pair is made, with the same address, where the instance starts
        next: at the destination, or here if the resize is reverted.
        """
        disk_info = super().migrate_disk_and_power_off(
            context, instance, dest, flavor, network_info,
            block_device_info=block_device_info, timeout=timeout,
            retry_interval=retry_interval)
        if dest != self.get_host_ip_addr():
            instance_pair.left(CONF.dmore, self._pairs, instance)
        return disk_info

    def confirm_migration(self, context: nova_context.RequestContext,
                          migration: 'objects.Migration',
                          instance: 'objects.Instance', network_info: Any
                          ) -> None:
        """Called at the source when a resize is confirmed. What could not be
        removed of the pair when the instance left is removed now."""
        super().confirm_migration(context, migration, instance, network_info)
        with boundary.instance_first(instance, 'The end of its resize'):
            instance_pair.resize_confirmed(CONF.dmore, self._pairs, instance)
