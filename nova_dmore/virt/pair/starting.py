# SPDX-License-Identifier: Apache-2.0
"""Nova starts an instance: with a pair, before its pair, or without one.

Called by the driver in ``_create_guest``.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova.console import serial as serial_console
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt import boundary
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import instance_pair
from nova_dmore.virt.pair import xml as xml_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova import objects
    from nova.virt.libvirt import guest as nova_guest
    from oslo_config import cfg

    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)

#: Of a mediated device that is gone in a moment.
_DEVICE_ERROR = 'error getting device from group'


def create_guest(options: 'cfg.ConfigOpts.GroupAttr',
                 pairs: 'pairs_module.Pairs',
                 create: 'Callable[[str, objects.Instance], nova_guest.Guest]',
                 xml: str, instance: 'objects.Instance', saved: str | None,
                 definition: Callable[[], str | None]) -> 'nova_guest.Guest':
    """Start an instance, with a pair if it is to have one.

    :param options: the ``[dmore]`` options.
    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param create: Nova's own ``_create_guest``, of an XML and an instance.
    :param xml: the instance's domain, as Nova would start it.
    :param saved: the one with which a suspended instance is resumed.
    :param definition: see :func:`nova_dmore.virt.pair.serial_ports.kept`.
    :returns: Nova's Guest.
    :raises nova.exception.BuildAbortException: ``[dmore] required``.
    :raises Exception: what Nova's own start raised.
    """
    pair = None
    with boundary.instance_first(instance, 'Having a Domain R') as outcome:
        pair = instance_pair.ensure(
            options, pairs, xml, instance, saved, definition)
    try:
        if pair is not None:
            return _create_with_pair(options, pairs, create, pair, instance)
        if (isinstance(outcome.error, exception.ServiceAwayError)
                and (not options.required or _had_pair(instance, saved))):
            guest = _create_before_pair(
                pairs, create, xml, instance, definition)
            if guest is not None:
                return guest
    except libvirt_driver.libvirt.libvirtError as error:
        if saved is not None:
            raise       # it is resumed in no other form
        _must_not_be_required(options, instance, error, xml, saved)
        return _create_without_pair(pairs, create, xml, instance, error)
    if outcome.error is not None:
        _must_not_be_required(options, instance, outcome.error, xml, saved)
        LOG.warning('The instance runs with the stock consoles: %s',
                    text.printable(outcome.error), instance=instance)
        pairs.report_stock(instance.uuid, str(outcome.error))
    with boundary.instance_first(instance, 'Withdrawing the console'):
        instance_pair.withdraw(pairs, saved or xml, instance)
    return create(xml, instance)


def _had_pair(instance: 'objects.Instance', saved: str | None) -> bool:
    """Whether Nova starts an instance anew that ran with a pair.

    Where a host boots, say, Nova has destroyed it to start it. Refused, it
    would be left without a domain when the services answer again. One that is
    suspended stays so: nothing of it is lost.
    """
    return saved is None and announcement.NOTE in instance.system_metadata


def _must_not_be_required(options: 'cfg.ConfigOpts.GroupAttr',
                          instance: 'objects.Instance', error: Exception,
                          xml: str, saved: str | None) -> None:
    """Refuse to start an instance that can have no pair, if so wanted.

    Nova does not give back the TCP ports that it has reserved for the consoles
    of a domain that it has not, or has no more, when it destroys the instance;
    and it may try again and again. Those of one that is suspended it has
    still.
    """
    if options.required:
        if saved is None:
            _release_ports(instance, xml_module.tcp_ports(xml))
        raise nova_exception.BuildAbortException(
            instance_uuid=instance.uuid,
            reason=str(error) or repr(error)) from error


def _create_with_pair(
        options: 'cfg.ConfigOpts.GroupAttr', pairs: 'pairs_module.Pairs',
        create: 'Callable[[str, objects.Instance], nova_guest.Guest]',
        pair: instance_pair.StartingPair, instance: 'objects.Instance'
) -> 'nova_guest.Guest':
    with contextlib.ExitStack() as undo:
        if pair.is_new:
            undo.callback(instance_pair.remove, pairs, instance,
                          delete_address=where.will_be_nowhere(
                              instance, pairs.host))
        guest = _create_again(create, pair.instance.xml, instance)
        undo.pop_all()
    _release_ports(instance, pair.instance.released_ports)
    if instance.task_state is None:
        # Nova starts it with its host, and has read it when nova-compute
        # began: whoever has changed it since must not lose that.
        pairs.unnoted.add(instance.uuid)
        return guest
    with boundary.instance_first(instance, 'Announcing the console'):
        announcement.announce(options, instance, pair.record)
    return guest


def _create_again(
        create: 'Callable[[str, objects.Instance], nova_guest.Guest]',
        xml: str, instance: 'objects.Instance') -> 'nova_guest.Guest':
    """Start an instance, and once more where a mediated device was not to be
    had at once: that has nothing to do with its pair, and Nova starts it once
    more, too (its ``_hard_reboot`` says why)."""
    try:
        return create(xml, instance)
    except libvirt_driver.libvirt.libvirtError as error:
        if (error.get_error_code()
                != libvirt_driver.libvirt.VIR_ERR_INTERNAL_ERROR
                or _DEVICE_ERROR not in error.get_error_message()):
            raise
        LOG.info('The instance is started once more: %s',
                 text.printable(error), instance=instance)
    return create(xml, instance)


def _create_without_pair(
        pairs: 'pairs_module.Pairs',
        create: 'Callable[[str, objects.Instance], nova_guest.Guest]',
        xml: str, instance: 'objects.Instance', error: Exception
) -> 'nova_guest.Guest':
    """Start an instance that does not start with its pair.

    That may be no fault of the pair's; the disk may be away. Then it does not
    start in this form either, and keeps its pair.

    :param error: what its start with the pair raised.
    """
    guest = create(xml, instance)
    LOG.warning('The instance runs with the stock consoles, for it does not '
                'start with its pair: %s', text.printable(error),
                instance=instance)
    pairs.report_stock(instance.uuid, str(error))
    with boundary.instance_first(instance, 'Withdrawing the console'):
        instance_pair.withdraw(pairs, xml, instance)
    return guest


def _create_before_pair(
        pairs: 'pairs_module.Pairs',
        create: 'Callable[[str, objects.Instance], nova_guest.Guest]',
        xml: str, instance: 'objects.Instance',
        definition: Callable[[], str | None]) -> 'nova_guest.Guest | None':
    """Start an instance whose pair is made when that is possible again.

    :returns: None: nothing takes what it would print.
    :raises libvirt.libvirtError: it does not start so.
    """
    shadowed = None
    with boundary.instance_first(instance, 'Waiting for a Domain R'):
        shadowed = instance_pair.ensure_later(
            pairs, xml, instance, definition)
    if shadowed is None:
        return None
    guest = _create_again(create, shadowed.xml, instance)
    _release_ports(instance, shadowed.released_ports)
    return guest


def _release_ports(instance: 'objects.Instance',
                   ports: list[tuple[str, int]]) -> None:
    """Give back TCP ports that Nova has reserved for its consoles."""
    with boundary.instance_first(instance, 'Releasing its TCP ports'):
        for host, port in ports:
            serial_console.release_port(host=host, port=port)
