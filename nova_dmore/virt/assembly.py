# SPDX-License-Identifier: Apache-2.0
"""Puts together what the driver delegates to.

Called by the driver's constructor, once in each nova-compute.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova import context as nova_context

from nova_dmore.metrics import figures
from nova_dmore.virt import capacity as capacity_module
from nova_dmore.virt.care import operator as operator_module
from nova_dmore.virt.care import port_quota
from nova_dmore.virt.care import reporter as reporter_module
from nova_dmore.virt.care import watch as watch_module
from nova_dmore.virt import inventory
from nova_dmore.virt.migration import destination as destination_module
from nova_dmore.virt.migration import early_departure
from nova_dmore.virt.migration import send_back
from nova_dmore.virt.migration import services
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import factory
from nova_dmore.virt.pair import incoming
from nova_dmore.virt.pair import large_pictures
from nova_dmore.virt.rpc import destination as destination_rpc
from nova_dmore.virt.rpc import source as source_rpc
if TYPE_CHECKING:
    import libvirt
    from nova.virt.libvirt import vif as libvirt_vif
    from oslo_config import cfg


@dataclasses.dataclass(frozen=True)
class Assembly:
    """The parts that one host has."""

    pairs: incoming.IncomingPairs
    capacity: capacity_module.Capacity
    watch: watch_module.Watch
    operator: operator_module.OperatorRole
    destination: destination_module.DestinationRole
    early_departures: early_departure.EarlyDepartures


def assemble(conf: 'cfg.ConfigOpts', host: inventory.DMoreHost,
             vif_driver: 'libvirt_vif.LibvirtGenericVIFDriver',
             connect: 'Callable[[], libvirt.virConnect]', libvirt_uri: str,
             uris_to: Callable[[str | None, str | None], uris.MigrationURIs],
             flags: Callable[[], int]) -> Assembly:
    """Make all of it; connects to nothing yet.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param vif_driver: Nova's ``LibvirtGenericVIFDriver``.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param libvirt_uri: of this host's libvirt.
    :param uris_to: how Nova has a live migration go to a host, of whose name
        and ``[libvirt] live_migration_inbound_addr`` one may be None.
    :param flags: returns those of Nova's live migrations.
    """
    admin = nova_context.get_admin_context()
    pairs = factory.make_pairs(conf, connect, vif_driver, admin)
    capacity = capacity_module.Capacity(
        conf, pairs, admin, host._memory_mib, host._small_memory_mib)
    pairs.claim = capacity.claim
    pairs.end_claim = capacity.end_claim
    pictures = large_pictures.LargePictures(conf.dmore, admin)
    pairs.large_regions = pictures.are_shown
    counted = figures.Figures(figures.path_in(conf.dmore.record_dir))
    reporter = reporter_module.Reporter(conf.host, counted)
    pairs.report_stock = functools.partial(reporter.started_as_stock, admin)
    watch = factory.make_watch(conf, pairs, reporter, connect, admin)
    watch.also(pictures.refresh, large_pictures.EVERY_S)
    watch.also(port_quota.PortQuota(conf.dmore, admin, counted).refresh,
               port_quota.EVERY_S)
    operator = factory.make_operator(conf, pairs, watch, reporter, admin)
    destination = destination_module.DestinationRole(
        pairs, reporter, connect, conf.instances_path, send_back.SendBack(
            pairs, connect, libvirt_uri,
            functools.partial(uris_to, None, uris.ANY_HOST),
            conf.libvirt.live_migration_with_native_tls,
            conf.libvirt.live_migration_parallel_connections),
        source_rpc.SourceAPI(), conf.libvirt.live_migration_inbound_addr)

    def source_services() -> services.Services:
        return services.Services(
            pairs=pairs, watch=watch, reporter=reporter,
            destination=destination_rpc.DestinationAPI(conf.dmore.rpc_timeout),
            libvirt_uri=libvirt_uri,
            precopy_timeout_s=conf.dmore.precopy_timeout,
            hold_bandwidth_mib=conf.dmore.hold_bandwidth_mib,
            # Domain R comes back, if its instance stays, as a live migration
            # that Nova has come to this host.
            uris_of_this_host=uris_to(
                pairs.host, conf.libvirt.live_migration_inbound_addr),
            hold=conf.dmore.hold, synchronise=conf.dmore.synchronise)

    return Assembly(
        pairs, capacity, watch, operator, destination,
        early_departure.EarlyDepartures(source_services, uris_to, flags))
