# SPDX-License-Identifier: Apache-2.0
"""The calls to the destination of a live migration: as the source makes them,
and as the destination receives them."""

from typing import Any, TYPE_CHECKING

from nova import rpc as nova_rpc
import oslo_messaging as messaging

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import errors
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrival as arrival_module
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import received
from nova_dmore.virt.rpc import calls
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.migration import destination as destination_module

#: The version that every call requires, but ``arrival`` (2.4) and
#: ``send_back`` (2.1).
_BASE_VERSION = '2.0'
#: How much longer than the time that a call gives it a destination may take to
#: answer, in seconds.
_GRACE_S = 10.0
#: The longest time that a call may give a destination, in seconds.
_WITHIN_S_MAX = 600.0
#: Longest URI, and longest console log in base64, in characters: Nova shows
#: the last 100 KiB.
_URI_MAX = 1024
_LOG_MAX = 1 << 18


class DestinationAPI:
    """The calls as the source makes them.

    Each raises :class:`nova_dmore.exception.PairError` if the destination
    does not answer in time, or could not do what it was called for.

    :param timeout: seconds that a call may take.
    """

    def __init__(self, timeout: int) -> None:
        self._client = nova_rpc.get_client(
            messaging.Target(topic=calls.TOPIC, version=_BASE_VERSION))
        self._timeout = timeout

    def prepare(self, context: 'nova_context.RequestContext', host: str,
                migration_id: str, record: str) -> int:
        """Have the destination prepare for a pair.

        :param record: the pair's record as text.
        :returns: the newest nova_dmore.places.Layout that it knows. From
            FIFOS on, a Domain R that arrives paused is let run there: so said
            version 2.1, which answers True; those before answer nothing.
            STOCK: it can have no pair now.
        :raises nova_dmore.exception.NobodyThereError: that host does not have
            the plug-in.
        :raises nova_dmore.exception.NoAnswerError: perhaps it does not.
        :raises nova_dmore.exception.PairError: it has, and cannot prepare.
        """
        client = self._client.prepare(
            server=host, timeout=self._timeout,
            call_monitor_timeout=calls.SIGN_OF_LIFE_S,
            transport_options=messaging.TransportOptions(at_least_once=True))
        answer = calls.send(
            client, context, host, 'prepare', migration_id=migration_id,
            record=record)
        return (max(places.Layout.STOCK, int(answer))
                if isinstance(answer, int) else places.Layout.SOCKETS)

    def arrival(self, context: 'nova_context.RequestContext', host: str,
                migration_id: str, instance_uuid: str
                ) -> arrival_module.Arrival:
        """Ask how Domain R is to arrive, and whether its port is wired.

        :raises nova_dmore.exception.PairError: the destination does not say;
            before version 2.4 none did.
        """
        client = self._client.prepare(
            server=host, timeout=self._timeout,
            call_monitor_timeout=calls.SIGN_OF_LIFE_S, version='2.4')
        answer = calls.send(
            client, context, host, 'arrival', migration_id=migration_id,
            instance_uuid=instance_uuid)
        try:
            return arrival_module.from_wire(answer)
        except ValueError as error:
            raise exception.PairError(f'host {host}: {error}') from error

    def carry_over(self, context: 'nova_context.RequestContext', host: str,
                   migration_id: str, instance_uuid: str,
                   carry_over: dict[str, Any]) -> None:
        """Send what the source's shadow-device process had.

        :param carry_over: a
            :class:`nova_dmore.channel.carry_over.CarryOver` as JSON has it.
        """
        try:
            carry_over = carry_over_module.without_secrets(carry_over)
        except errors.CarryOverError as error:
            raise exception.PairError(
                f'what the shadow-device process of instance {instance_uuid} '
                f'carries over cannot be used: {error}') from error
        self._call(context, host, 'carry_over', migration_id=migration_id,
                   instance_uuid=instance_uuid, carry_over=carry_over)

    def finish(self, context: 'nova_context.RequestContext', host: str,
               migration_id: str, record: str, domain_r_moved: bool,
               console_log: str | None) -> None:
        """The instance is at the destination: its pair belongs there now.

        :param record: the pair's record as the source had it.
        :param domain_r_moved: False: build a new Domain R.
        :param console_log: base64 of the source's console log, where the
            hosts share no storage.
        """
        self._call(context, host, 'finish', migration_id=migration_id,
                   record=record, domain_r_moved=domain_r_moved,
                   console_log=console_log)

    def abort(self, context: 'nova_context.RequestContext', host: str,
              migration_id: str, instance_uuid: str) -> bool:
        """The instance stays at the source: remove what was prepared.

        :returns: whether it runs at the destination all the same.
        """
        return bool(self._call(
            context, host, 'abort', migration_id=migration_id,
            instance_uuid=instance_uuid))

    def send_back(self, context: 'nova_context.RequestContext', host: str,
                  migration_id: str, instance_uuid: str, uri: str,
                  migrate_uri: str | None, flags: int, within_s: float
                  ) -> None:
        """The instance stays at the source: migrate its Domain R back, which
        waits at the destination.

        :param uri: libvirt URI of the source.
        :param migrate_uri: where QEMU's data goes, None: libvirt decides.
        :param flags: of libvirt's migration.
        :param within_s: seconds after which the migration is cancelled.
        """
        client = self._client.prepare(
            server=host, timeout=max(self._timeout, within_s + _GRACE_S),
            version='2.1')
        calls.send(
            client, context, host, 'send_back', migration_id=migration_id,
            instance_uuid=instance_uuid, uri=uri, migrate_uri=migrate_uri,
            flags=flags, within_s=within_s)

    def _call(self, context: 'nova_context.RequestContext', host: str,
              method: str, **arguments: Any) -> Any:
        return calls.send(
            self._client.prepare(server=host, timeout=self._timeout),
            context, host, method, **arguments)


class DestinationServer:
    """The calls as the destination receives them, one in each nova-compute.

    Checks the arguments, then calls the method of the same name.

    :param destination: a
        :class:`nova_dmore.virt.migration.destination.DestinationRole`.
    """

    target = messaging.Target(version=calls.VERSION)

    def __init__(self, destination: 'destination_module.DestinationRole'
                 ) -> None:
        self._destination = destination

    @calls.errors_to_caller
    def prepare(self, context: 'nova_context.RequestContext',
                migration_id: Any, record: Any) -> int:
        """See :meth:`DestinationAPI.prepare`."""
        with calls.arguments_of('prepare'):
            received.identifier('migration_id', migration_id)
            received.text('record', record, record_module.TEXT_MAX)
        return self._destination.prepare(context, migration_id, record)

    @calls.errors_to_caller
    def arrival(self, context: 'nova_context.RequestContext',
                migration_id: Any, instance_uuid: Any) -> dict[str, Any]:
        """See :meth:`DestinationAPI.arrival`."""
        with calls.arguments_of('arrival'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
        return arrival_module.to_wire(
            self._destination.arrival(migration_id, instance_uuid))

    @calls.errors_to_caller
    def carry_over(self, context: 'nova_context.RequestContext',
                   migration_id: Any, instance_uuid: Any, carry_over: Any
                   ) -> None:
        """See :meth:`DestinationAPI.carry_over`."""
        with calls.arguments_of('carry_over'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
            # The shadow-device process checks what is in it.
            if not isinstance(carry_over, dict):
                raise received.wrong('carry_over', carry_over)
        self._destination.carry_over(migration_id, instance_uuid, carry_over)

    @calls.errors_to_caller
    def finish(self, context: 'nova_context.RequestContext', migration_id: Any,
               record: Any, domain_r_moved: Any, console_log: Any) -> None:
        """See :meth:`DestinationAPI.finish`."""
        with calls.arguments_of('finish'):
            received.identifier('migration_id', migration_id)
            received.text('record', record, record_module.TEXT_MAX)
            received.boolean('domain_r_moved', domain_r_moved)
            if console_log is not None:
                received.text('console_log', console_log, _LOG_MAX)
        self._destination.finish(
            context, migration_id, record, domain_r_moved, console_log)

    @calls.errors_to_caller
    def abort(self, context: 'nova_context.RequestContext', migration_id: Any,
              instance_uuid: Any) -> bool:
        """See :meth:`DestinationAPI.abort`."""
        with calls.arguments_of('abort'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
        return self._destination.abort(migration_id, instance_uuid)

    @calls.errors_to_caller
    def send_back(self, context: 'nova_context.RequestContext',
                  migration_id: Any, instance_uuid: Any, uri: Any,
                  migrate_uri: Any, flags: Any, within_s: Any) -> None:
        """See :meth:`DestinationAPI.send_back`."""
        with calls.arguments_of('send_back'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
            received.text('uri', uri, _URI_MAX)
            if migrate_uri is not None:
                received.text('migrate_uri', migrate_uri, _URI_MAX)
            received.integer('flags', flags, 0, (1 << 31) - 1)
            received.number('within_s', within_s, 0, _WITHIN_S_MAX)
        self._destination.send_back(
            migration_id, instance_uuid, uri, migrate_uri, flags, within_s)
