# SPDX-License-Identifier: Apache-2.0
"""Makes the pairs of a host, and their watch, from Nova's configuration.

Called by :mod:`nova_dmore.virt.assembly`, once in each nova-compute;
:func:`make_pairs` also by ``nova-dmore-manage`` and ``nova-dmore-status``.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_dmore.virt.care import astray_ports
from nova_dmore.virt.care import changed_options
from nova_dmore.virt.care import domain_r_renewal
from nova_dmore.virt.care import late_notes
from nova_dmore.virt.care import late_pairs
from nova_dmore.virt.care import lost_ports
from nova_dmore.virt.care import off_ports
from nova_dmore.virt.care import operator
from nova_dmore.virt.care import orphans
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.care import port_search
from nova_dmore.virt.care import renewal
from nova_dmore.virt.care import reporter as reporter_module
from nova_dmore.virt.care import tokens
from nova_dmore.virt.care import watch
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.images import credentials
from nova_dmore.virt.images import image_store
from nova_dmore.virt.network import address_book
from nova_dmore.virt.network import plug
from nova_dmore.virt.network import port_security
from nova_dmore.virt.network import security_group
from nova_dmore.virt.pair import incoming
from nova_dmore.virt.rpc import operator as operator_rpc
from nova_dmore.virt import where
if TYPE_CHECKING:
    import libvirt
    from nova import context as nova_context
    from nova.virt.libvirt import vif as libvirt_vif
    from oslo_config import cfg


def make_pairs(conf: 'cfg.ConfigOpts',
               connect: 'Callable[[], libvirt.virConnect]',
               vif_driver: 'libvirt_vif.LibvirtGenericVIFDriver',
               context: 'nova_context.RequestContext'
               ) -> incoming.IncomingPairs:
    """The pairs of this host; connects to nothing yet.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param vif_driver: Nova's ``LibvirtGenericVIFDriver``.
    :param context: an admin ``RequestContext``.
    """
    return incoming.IncomingPairs(
        conf, connect, plug.Plug(vif_driver, conf.libvirt.virt_type),
        address_book.AddressBook(
            conf.dmore.management_network,
            port_security.PortSecurity(
                conf.dmore.security_groups,
                security_group.OwnGroup(functools.partial(
                    security_group.wanted, conf.dmore, conf.vnc.enabled))),
            context),
        image_store.ImageStore(
            conf.dmore.image, conf.dmore.image_digest,
            conf.dmore.image_cache_dir, credentials.service_context),
        functools.partial(tokens.forget, context),
        functools.partial(host_secrets.note_of, context))


def make_watch(conf: 'cfg.ConfigOpts', pairs: incoming.IncomingPairs,
               reporter: reporter_module.Reporter,
               connect: 'Callable[[], libvirt.virConnect]',
               context: 'nova_context.RequestContext') -> watch.Watch:
    """What watches the pairs; begins nothing yet.

    :param pairs: what :func:`make_pairs` returned. The other parameters are
        those of it.
    """
    notes = late_notes.LateNotes(pairs, context, conf.dmore)
    watched = watch.Watch(
        pairs, reporter, conf.dmore.watch_interval, context,
        reconcile.Reconciler(pairs, reporter, context, connect,
                             where.host_in_nova, where.is_live_migrating),
        renewal.Renewal(conf, pairs),
        late_pairs.LatePairs(pairs, context, connect, notes))
    options = changed_options.ChangedOptions(pairs)
    ports = port_search.PortSearch(
        pairs, lost_ports.LostPorts(pairs, reporter, context, notes),
        astray_ports.AstrayPorts(pairs, context, connect))
    off = off_ports.OffPorts(pairs, context, connect, conf.dmore)
    watched.also(lambda: options.apply(watched.not_moving()))
    watched.also(lambda: off.release(watched.not_moving()))
    watched.also(lambda: ports.run(watched.not_moving()),
                 min(conf.dmore.watch_interval, port_search.EVERY_S))
    watched.also(lambda: notes.retry(watched.not_moving),
                 min(conf.dmore.watch_interval, late_notes.EVERY_S))
    return watched


def make_operator(conf: 'cfg.ConfigOpts', pairs: incoming.IncomingPairs,
                  watched: watch.Watch, reporter: reporter_module.Reporter,
                  context: 'nova_context.RequestContext'
                  ) -> operator.OperatorRole:
    """What answers operators and other hosts; has the watch renew Domain Rs,
    and find what nobody uses.

    :param watched: what :func:`make_watch` returned, not started yet. The
        other parameters are those of it.
    """
    renewals = domain_r_renewal.Renewals(
        pairs, watched.check, reporter, context)
    watched.also(renewals.run)
    watched.also(renewals.prune, orphans.TURN_S)
    watched.also(orphans.Orphans(
        pairs.addresses, context, operator_rpc.pairs_among,
        operator_rpc.hosts_up, conf.host).sweep, orphans.TURN_S)
    return operator.OperatorRole(conf, pairs, renewals)
