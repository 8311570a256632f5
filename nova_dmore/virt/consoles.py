# SPDX-License-Identifier: Apache-2.0
"""Where an instance's consoles are: with its Domain R, or where Nova has them.

Called by the driver when a user asks for a console, and when a proxy checks a
token (``validate_console_port``). Both may be a moment after the instance has
become ACTIVE, when QEMU's own consoles would answer and its Domain R still
boots, so both wait for that.
"""

import threading
import time
from typing import TYPE_CHECKING

from nova.console import type as console_type
from nova import exception

from nova_dmore import exception as dmore_exception
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova import objects
    from nova.virt.libvirt import host as nova_host
    from oslo_config import cfg

    from nova_dmore.virt.pair import pairs as pairs_module
    from nova_dmore.virt.pair import record as record_module

#: So long is waited for a Domain R that boots, in seconds. Nova's API and the
#: proxies wait for nova-compute, for ``[DEFAULT] rpc_response_timeout``, 60 s.
_SERVES_S = 20.0
_POLL_S = 0.2
#: So many wait at a time; who comes then does not. nova-compute answers 64
#: calls at a time (``[DEFAULT] executor_thread_pool_size``), and those of
#: users who ask again and again are not to take all of them.
_WAITERS = threading.BoundedSemaphore(8)


def vnc(options: 'cfg.ConfigOpts.GroupAttr', pairs: 'pairs_module.Pairs',
        host: 'nova_host.Host', instance: 'objects.Instance'
        ) -> console_type.ConsoleVNC | None:
    """The VNC console of an instance; None: it is the stock one.

    That is so, too, where its display is not the pair's, since an earlier
    version started it, or ``[vnc] enabled`` was false then.

    :param options: the ``[dmore]`` options.
    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param host: Nova's ``nova.virt.libvirt.host.Host``.
    :raises nova.exception.InstanceNotFound: libvirt does not know it.
    :raises nova.exception.ConsoleTypeUnavailable: its Domain R cannot be had.
    :raises nova.exception.InstanceNotReady: its Domain R does not serve yet.
    """
    record = _pair_with_guest(pairs, host, instance)
    if record is None or not record.display:
        return None
    _check(pairs, instance, 'VNC')
    _wait_until_it_serves(pairs, instance.uuid)
    return console_type.ConsoleVNC(
        host=record.address.ip, port=options.vnc_port)


def serial(options: 'cfg.ConfigOpts.GroupAttr', pairs: 'pairs_module.Pairs',
           host: 'nova_host.Host', instance: 'objects.Instance'
           ) -> console_type.ConsoleSerial | None:
    """The serial console of an instance; as :func:`vnc`."""
    record = _pair_with_guest(pairs, host, instance)
    if record is None:
        return None
    _check(pairs, instance, 'serial')
    _wait_until_it_serves(pairs, instance.uuid)
    return console_type.ConsoleSerial(
        host=record.address.ip, port=options.serial_port)


def _check(pairs: 'pairs_module.Pairs', instance: 'objects.Instance', kind: str
           ) -> None:
    """Tell a user why there is no console, instead of where none is."""
    trouble = pairs.trouble.get(instance.uuid)
    if trouble is not None:
        # Names of hosts and ports are the operator's.
        raise exception.ConsoleTypeUnavailable(
            console_type=f'{kind} ({trouble}; it is tried again)')


def _wait_until_it_serves(pairs: 'pairs_module.Pairs', instance_uuid: str
                          ) -> None:
    """:raises nova.exception.InstanceNotReady: it does not in time"""
    if _serves(pairs, instance_uuid):
        return
    deadline = time.monotonic() + _SERVES_S
    if _WAITERS.acquire(blocking=False):
        try:
            while time.monotonic() < deadline:
                time.sleep(_POLL_S)
                if _serves(pairs, instance_uuid):
                    return
        finally:
            _WAITERS.release()
    raise exception.InstanceNotReady(instance_id=instance_uuid)


def _serves(pairs: 'pairs_module.Pairs', instance_uuid: str) -> bool:
    """Whether a Domain R serves; it may also not be known."""
    try:
        return pairs.client(instance_uuid).status().serving is not None
    except dmore_exception.DMoreError:
        # Its worker is another one in a moment, or it is being removed; a
        # console that is there is not kept from anybody for that.
        return True


def why(error: Exception) -> str:
    """What a user is told of an error that keeps his consoles away."""
    if isinstance(error, dmore_exception.AddressError):
        return 'its console server has no network now'
    return 'its console server cannot be started now'


def _pair_with_guest(pairs: 'pairs_module.Pairs', host: 'nova_host.Host',
                     instance: 'objects.Instance'
                     ) -> 'record_module.PairRecord | None':
    """The record of a pair whose instance libvirt knows.

    :returns: None without a pair, and where the instance was started with
        the stock consoles: its pair could not be had, nor removed.
    :raises nova.exception.InstanceNotFound: as Nova's own methods do.
        While the instance is started again, its older tokens are
        forgotten; this keeps a new one from being made just then.
    """
    record = pairs.get(instance.uuid)
    if record is not None:
        host.get_guest(instance)
        if where.has_stock_consoles(host.get_connection(), instance.uuid):
            return None
    return record


def are_of_pair(pairs: 'pairs_module.Pairs', host: 'nova_host.Host',
                instance: 'objects.Instance') -> bool:
    """Whether an instance has a pair, or was started with one."""
    return (pairs.get(instance.uuid) is not None
            or where.has_shadow_devices(host.get_connection(), instance.uuid))
