# SPDX-License-Identifier: Apache-2.0
"""The pair of an instance that Nova starts, or removes, on this host.

Called by the driver: in ``_create_guest`` around Nova's own, and where an
instance is destroyed or leaves while it is off.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova.compute import task_states

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt import boundary
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import policy
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import serial_ports
from nova_dmore.virt.pair import xml as xml_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova import context as nova_context
    from nova import objects
    from oslo_config import cfg

    from nova_dmore.virt.migration import destination as destination_module
    from nova_dmore.virt.pair import pairs as pairs_module


@dataclasses.dataclass(frozen=True)
class StartingPair:
    """What :func:`ensure` returns."""

    record: record_module.PairRecord
    #: Whether it was made just now.
    is_new: bool
    instance: xml_module.ShadowedInstance


def ensure(conf: 'cfg.ConfigOpts.GroupAttr', pairs: 'pairs_module.Pairs',
           xml: str, instance: 'objects.Instance', saved: str | None = None,
           definition: Callable[[], str | None] = lambda: None
           ) -> StartingPair | None:
    """Have a living pair for an instance that is about to start.

    :param conf: the ``[dmore]`` options.
    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param xml: the instance's domain, as Nova would start it.
    :param saved: the one with which a suspended instance is resumed.
    :param definition: see :func:`nova_dmore.virt.pair.serial_ports.kept`.
    :returns: None when the instance has no Domain R, or this host can have
        none.
    :raises Exception: there is none, and nothing is left.
    """
    if saved is not None and not xml_module.has_shadow_devices(saved):
        return None     # it was suspended with the stock consoles
    known = pairs.get(instance.uuid) is not None
    if not policy.wants_domain_r(conf, instance, known):
        # A flavor that was changed may be changed back. Where it is, the
        # instance may have had a pair on another host.
        is_reverted = instance.task_state == task_states.RESIZE_REVERTING
        if known or (is_reverted
                     and announcement.NOTE in instance.system_metadata
                     and not policy.wants_domain_r(conf, instance, True)):
            remove(pairs, instance, delete_address=(
                is_reverted or instance.old_flavor is None))
            announcement.retract(instance)
        return None
    if pairs.impossible is not None:
        if conf.required:
            raise exception.ConfigurationError(pairs.impossible)
        # nova-compute has logged it when it started.
        pairs.report_stock(instance.uuid, pairs.impossible)
        return None
    shadowed = _shadowed(pairs, xml, instance, definition)
    record = pairs.ensure(instance, shadowed.display)
    return StartingPair(record, not known, shadowed)


def ensure_later(pairs: 'pairs_module.Pairs', xml: str,
                 instance: 'objects.Instance',
                 definition: Callable[[], str | None] = lambda: None
                 ) -> xml_module.ShadowedInstance:
    """Have an instance start whose pair cannot be made before Neutron, Glance
    or Keystone answers: what it prints is taken, and the pair is made then
    (:mod:`nova_dmore.virt.care.late_pairs`).

    :param xml: the instance's domain, as Nova would start it.
    :param definition: see :func:`nova_dmore.virt.pair.serial_ports.kept`.
    :raises nova_dmore.exception.DMoreError: it cannot start so.
    """
    shadowed = _shadowed(pairs, xml, instance, definition)
    pairs.shadows.start(instance.uuid)
    return shadowed


def _shadowed(pairs: 'pairs_module.Pairs', xml: str,
              instance: 'objects.Instance',
              definition: Callable[[], str | None]
              ) -> xml_module.ShadowedInstance:
    return xml_module.with_shadow_devices(
        serial_ports.kept(xml, definition),
        places.of_pair(pairs.records.directory(instance.uuid)))


def withdraw(pairs: 'pairs_module.Pairs', xml: str,
             instance: 'objects.Instance') -> None:
    """Leave nothing that leads to a Domain R: the instance starts with the
    stock consoles.

    :param xml: the instance's domain, as Nova starts it.
    """
    if xml_module.has_shadow_devices(xml):
        # It is resumed as it was suspended, and its QEMU opens the FIFOs.
        pairs.shadows.start(instance.uuid, arrives=True)
        return
    if pairs.get(instance.uuid) is not None:
        remove(pairs, instance, delete_address=False)
    announcement.retract(instance)


def destroyed(options: 'cfg.ConfigOpts.GroupAttr', pairs: 'pairs_module.Pairs',
              destination: 'destination_module.DestinationRole',
              context: 'nova_context.RequestContext',
              instance: 'objects.Instance') -> None:
    """Nova has destroyed an instance on this host, and does not start it here
    at once.

    :param options: the ``[dmore]`` options.
    :param destination: a
        :class:`nova_dmore.virt.migration.destination.DestinationRole`.
    """
    for_good = where.is_deleted(instance, pairs.host)
    record = pairs.get(instance.uuid)
    if record is not None and record.incoming and not for_good:
        with boundary.instance_first(instance, 'Rolling back its Domain R'):
            destination.rollback_live_migration_at_destination(instance.uuid)
        return
    if record is not None and not for_good:
        with boundary.instance_first(instance, 'Reverting its resize'):
            if where.is_reverted_here(context, instance, pairs.host):
                return      # sessions go on
    # Even if Nova's flavor asks for no Domain R now, the instance may have had
    # one before its flavor was changed; then its address is left.
    if record is not None or for_good and options.management_network:
        remove(pairs, instance, delete_address=for_good)


def left(options: 'cfg.ConfigOpts.GroupAttr', pairs: 'pairs_module.Pairs',
         instance: 'objects.Instance') -> None:
    """Nova has switched an instance off here that starts next elsewhere.

    :param options: the ``[dmore]`` options.
    """
    # A process may wait for a pair that is not made yet; without a network
    # there is neither, and an instance does not wait to have that confirmed.
    if options.management_network or pairs.get(instance.uuid) is not None:
        remove(pairs, instance, delete_address=False)


def resize_confirmed(options: 'cfg.ConfigOpts.GroupAttr',
                     pairs: 'pairs_module.Pairs', instance: 'objects.Instance'
                     ) -> None:
    """An instance that was resized stays where it is: if that is elsewhere,
    remove what could not be removed of its pair when it left; and its address
    if its flavor asks for no Domain R any more.

    :param options: the ``[dmore]`` options.
    """
    if (options.management_network and
            not policy.wants_domain_r(options, instance, has_one=True)):
        # One that never had a Domain R keeps the tokens of its consoles; those
        # go with the address. What Nova's database said of one that had was
        # taken back when it started with its new flavor.
        remove(pairs, instance,
               delete_address=_may_have_address(pairs, instance))
    elif (instance.host != pairs.host
            and pairs.get(instance.uuid) is not None):
        remove(pairs, instance, delete_address=False)


def _may_have_address(pairs: 'pairs_module.Pairs',
                      instance: 'objects.Instance') -> bool:
    try:
        return bool(pairs.addresses.exists(instance.uuid))
    except exception.AddressError:
        return True     # Neutron is away: nobody can tell


def remove(pairs: 'pairs_module.Pairs', instance: 'objects.Instance',
           delete_address: bool) -> None:
    """Remove the pair; what fails is logged, and the watch tries again."""
    with boundary.instance_first(instance, 'Removing the pair'):
        pairs.remove(instance.uuid, delete_address=delete_address)
