# SPDX-License-Identifier: Apache-2.0
"""The call to the source of a live migration: as the destination makes it,
and as the source receives it."""

from typing import Any, TYPE_CHECKING

from nova import rpc as nova_rpc
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt import received
from nova_dmore.virt.rpc import calls
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.migration import early_departure


class SourceAPI:
    """The call as the destination makes it."""

    @staticmethod
    def leave(context: 'nova_context.RequestContext', source: str,
              instance_uuid: str, host: str, address: str | None) -> None:
        """Tell a source that Domain R may leave for this host before its
        instance. No answer is waited for.

        :param source: the source, as Nova calls it.
        :param host: this host, as Nova calls it.
        :param address: its ``[libvirt] live_migration_inbound_addr``.
        :raises nova_dmore.exception.PairError: it could not be sent.
        """
        try:
            nova_rpc.get_client(messaging.Target(
                topic=calls.TOPIC, server=source, version='2.2')).cast(
                    context, 'leave', instance_uuid=instance_uuid, host=host,
                    address=address)
        except messaging.MessagingException as error:
            raise exception.PairError(
                f'nova-compute on {source} was not told: {error!r}'
            ) from error


class SourceServer:
    """The call as the source receives it.

    :param early_departures: an
        :class:`nova_dmore.virt.migration.early_departure.EarlyDepartures`.
    """

    target = messaging.Target(version=calls.VERSION)

    def __init__(self, early_departures: 'early_departure.EarlyDepartures'
                 ) -> None:
        self._early_departures = early_departures

    @calls.errors_to_caller
    def leave(self, context: 'nova_context.RequestContext', instance_uuid: Any,
              host: Any, address: Any) -> None:
        """See :meth:`SourceAPI.leave`."""
        with calls.arguments_of('leave'):
            received.uuid('instance_uuid', instance_uuid)
            received.host('host', host)
            if address is not None:
                received.host('address', address)
        self._early_departures.leave(context, instance_uuid, host, address)
