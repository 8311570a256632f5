# SPDX-License-Identifier: Apache-2.0
"""The calls between the source's nova-compute and the destination's.

In a live migration the source's role (:mod:`nova_dmore.virt.migration.source`,
and ``completion`` or ``rollback`` at its end) calls them on
:class:`DestinationAPI`; the destination's role
(:mod:`nova_dmore.virt.migration.destination`) answers. Order: ``prepare``,
``arrival``, again and again, ``carry_over``, ``finish``; or, if the instance
stays, ``send_back`` and ``abort``. Before all of them the destination may call
``leave`` on :class:`SourceAPI`, which
:mod:`nova_dmore.virt.migration.early_departure` answers.

Wire format: the names of the calls and of their arguments are sent to hosts of
earlier and later releases, so they do not change. What is added gets a new
:data:`VERSION`, and a caller has to manage without it.

The calls have a topic of their own beside Nova's, since what passes through
Nova's conductor (``migrate_data``) can have no field that the conductor does
not know. Every call carries the migration's id, and does no harm when it is
repeated or comes late. None carries a secret: who reads the message queue
learns no key or password of a console.

An operator's commands ask a host on the same topic.

Whoever may send on the message bus may make these calls. So the server's side
refuses every argument that a host of no version would send; what a call may
do is checked by who answers it.
"""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any, TYPE_CHECKING, TypeVar

from nova import rpc
import oslo_messaging as messaging

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import errors
from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrival as arrival_module
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import received
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.migration import destination as destination_module
    from nova_dmore.virt.migration import early_departure
    from nova_dmore.virt import operator_rpc

_Method = TypeVar('_Method', bound=Callable[..., Any])

TOPIC = 'nova-dmore'
VERSION = '2.4'
#: The version that every call requires, but ``send_back`` (2.1), ``leave``
#: (2.2), what an operator asks (2.3, :mod:`nova_dmore.virt.operator_rpc`), and
#: ``arrival`` (2.4).
_BASE_VERSION = '2.0'
#: How much longer than the time that a call gives it a destination may take to
#: answer, in seconds.
_GRACE_S = 10.0
#: A destination that is at work says so twice in this time, in seconds: one
#: that does not is not there. The queue of a nova-compute that has ended, or
#: has the plug-in no more, takes calls until RabbitMQ is started again.
SIGN_OF_LIFE_S = 10
#: The longest time that a call may give a destination, in seconds.
_WITHIN_S_MAX = 600.0
#: Longest URI, and longest console log in base64, in characters: Nova shows
#: the last 100 KiB.
_URI_MAX = 1024
_LOG_MAX = 1 << 18
#: Of the name of another host's error that is shown, in characters.
_KIND_MAX = 80

#: Errors that are sent to the caller, and leave no stack in the log here.
errors_to_caller: Callable[[_Method], _Method] = (
    messaging.expected_exceptions(exception.DMoreError))


def send(client: 'messaging.RPCClient', context: 'nova_context.RequestContext',
         host: str, method: str, **arguments: Any) -> Any:
    """Make a call -> its answer.

    :param client: prepared for the call.
    :param host: whom it is for, for the error.
    :raises nova_dmore.exception.NobodyThereError: that host does not have the
        plug-in.
    :raises nova_dmore.exception.NoAnswerError: perhaps it does not.
    :raises nova_dmore.exception.PairError: it did not do it.
    """
    try:
        return client.call(context, method, **arguments)
    except messaging.RemoteError as error:
        # As text the error would contain the stack of the other side.
        raise _not_done(host, method, error.exc_type, error.value) from error
    except messaging.MessageUndeliverable as error:
        raise exception.NobodyThereError(
            f'nova-compute on {host} does not have the plug-in'
        ) from error
    except (messaging.MessagingTimeout,
            messaging.MessageDeliveryFailure) as error:
        raise exception.NoAnswerError(
            f'nova-compute on {host} did not {method}: {error!r}'
        ) from error
    except messaging.MessagingException as error:
        raise exception.PairError(
            f'nova-compute on {host} did not {method}: {error!r}'
        ) from error
    except Exception as error:
        # Those of the other side whose classes are Python's or Nova's are
        # raised here, too; the stack follows their first line.
        raise _not_done(host, method, type(error).__name__,
                        str(error).partition('\n')[0]) from error


def _not_done(host: str, method: str, kind: object, why: object
              ) -> exception.PairError:
    """The error that says what the other side says."""
    return exception.PairError(
        f'nova-compute on {host} did not {method}: '
        f'{text.printable(kind, _KIND_MAX)}: {text.printable(why)}')


class DestinationAPI:
    """The calls as the source makes them.

    Each raises :class:`nova_dmore.exception.PairError` if the destination
    does not answer in time, or could not do what it was called for.

    :param timeout: seconds that a call may take.
    """

    def __init__(self, timeout: int) -> None:
        self._client = rpc.get_client(
            messaging.Target(topic=TOPIC, version=_BASE_VERSION))
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
            call_monitor_timeout=SIGN_OF_LIFE_S,
            transport_options=messaging.TransportOptions(at_least_once=True))
        answer = send(
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
            call_monitor_timeout=SIGN_OF_LIFE_S, version='2.4')
        answer = send(client, context, host, 'arrival',
                      migration_id=migration_id, instance_uuid=instance_uuid)
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
        send(client, context, host, 'send_back',
                   migration_id=migration_id, instance_uuid=instance_uuid,
                   uri=uri, migrate_uri=migrate_uri, flags=flags,
                   within_s=within_s)

    def _call(self, context: 'nova_context.RequestContext', host: str,
              method: str, **arguments: Any) -> Any:
        return send(
            self._client.prepare(server=host, timeout=self._timeout),
            context, host, method, **arguments)


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
            rpc.get_client(messaging.Target(
                topic=TOPIC, server=source, version='2.2')).cast(
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

    target = messaging.Target(version=VERSION)

    def __init__(self, early_departures: 'early_departure.EarlyDepartures'
                 ) -> None:
        self._early_departures = early_departures

    @errors_to_caller
    def leave(self, context: 'nova_context.RequestContext', instance_uuid: Any,
              host: Any, address: Any) -> None:
        """See :meth:`SourceAPI.leave`."""
        with arguments_of('leave'):
            received.uuid('instance_uuid', instance_uuid)
            received.host('host', host)
            if address is not None:
                received.host('address', address)
        self._early_departures.leave(context, instance_uuid, host, address)


class DestinationServer:
    """The calls as the destination receives them, one in each nova-compute.

    Checks the arguments, then calls the method of the same name.

    :param destination: a
        :class:`nova_dmore.virt.migration.destination.DestinationRole`.
    """

    target = messaging.Target(version=VERSION)

    def __init__(self, destination: 'destination_module.DestinationRole'
                 ) -> None:
        self._destination = destination

    @errors_to_caller
    def prepare(self, context: 'nova_context.RequestContext',
                migration_id: Any, record: Any) -> int:
        """See :meth:`DestinationAPI.prepare`."""
        with arguments_of('prepare'):
            received.identifier('migration_id', migration_id)
            received.text('record', record, record_module.TEXT_MAX)
        return self._destination.prepare(context, migration_id, record)

    @errors_to_caller
    def arrival(self, context: 'nova_context.RequestContext',
                migration_id: Any, instance_uuid: Any) -> dict[str, Any]:
        """See :meth:`DestinationAPI.arrival`."""
        with arguments_of('arrival'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
        return arrival_module.to_wire(
            self._destination.arrival(migration_id, instance_uuid))

    @errors_to_caller
    def carry_over(self, context: 'nova_context.RequestContext',
                   migration_id: Any, instance_uuid: Any, carry_over: Any
                   ) -> None:
        """See :meth:`DestinationAPI.carry_over`."""
        with arguments_of('carry_over'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
            # The shadow-device process checks what is in it.
            if not isinstance(carry_over, dict):
                raise received.wrong('carry_over', carry_over)
        self._destination.carry_over(migration_id, instance_uuid, carry_over)

    @errors_to_caller
    def finish(self, context: 'nova_context.RequestContext', migration_id: Any,
               record: Any, domain_r_moved: Any, console_log: Any) -> None:
        """See :meth:`DestinationAPI.finish`."""
        with arguments_of('finish'):
            received.identifier('migration_id', migration_id)
            received.text('record', record, record_module.TEXT_MAX)
            received.boolean('domain_r_moved', domain_r_moved)
            if console_log is not None:
                received.text('console_log', console_log, _LOG_MAX)
        self._destination.finish(
            context, migration_id, record, domain_r_moved, console_log)

    @errors_to_caller
    def abort(self, context: 'nova_context.RequestContext', migration_id: Any,
              instance_uuid: Any) -> bool:
        """See :meth:`DestinationAPI.abort`."""
        with arguments_of('abort'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
        return self._destination.abort(migration_id, instance_uuid)

    @errors_to_caller
    def send_back(self, context: 'nova_context.RequestContext',
                  migration_id: Any, instance_uuid: Any, uri: Any,
                  migrate_uri: Any, flags: Any, within_s: Any) -> None:
        """See :meth:`DestinationAPI.send_back`."""
        with arguments_of('send_back'):
            received.identifier('migration_id', migration_id)
            received.uuid('instance_uuid', instance_uuid)
            received.text('uri', uri, _URI_MAX)
            if migrate_uri is not None:
                received.text('migrate_uri', migrate_uri, _URI_MAX)
            received.integer('flags', flags, 0, (1 << 31) - 1)
            received.number('within_s', within_s, 0, _WITHIN_S_MAX)
        self._destination.send_back(
            migration_id, instance_uuid, uri, migrate_uri, flags, within_s)


@contextlib.contextmanager
def arguments_of(method: str) -> Iterator[None]:
    """Turn a wrong argument into an error that the caller is sent."""
    try:
        yield
    except ValueError as error:
        raise exception.PairError(
            f'{method} cannot have been called by a nova-compute: {error}'
        ) from error


def start_server(host: str, destination: 'destination_module.DestinationRole',
                 early_departures: 'early_departure.EarlyDepartures',
                 operator: 'operator_rpc.OperatorServer'
                 ) -> 'messaging.MessageHandlingServer':
    """Receive the calls to this host.

    :param host: as Nova calls it.
    :param destination: see :class:`DestinationServer`.
    :param early_departures: see :class:`SourceServer`.
    :param operator: a :class:`nova_dmore.virt.operator_rpc.OperatorServer`.
    :returns: the server, which the caller has to stop.
    """
    server = rpc.get_server(
        messaging.Target(topic=TOPIC, server=host),
        [DestinationServer(destination), SourceServer(early_departures),
         operator])
    server.start()
    return server
