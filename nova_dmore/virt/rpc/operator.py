# SPDX-License-Identifier: Apache-2.0
"""What an operator's commands, and the sweep of other hosts, ask a
nova-compute.

By the rules of the other calls (:mod:`nova_dmore.virt.rpc`). Why over the
message bus, and not a socket of this host: who may connect is decided already
(whoever has Nova's configuration), one command reaches every host, a
nova-compute that is not there is told from one that is busy, and nothing new
listens anywhere. Whoever may send there can delete instances, so that he can
rebuild their consoles gives him nothing.

:class:`nova_dmore.virt.care.operator.OperatorRole` answers.
"""

import contextlib
import socket
from typing import Any, TYPE_CHECKING

from nova import baserpc
from nova.conductor import rpcapi as conductor_rpcapi
from nova import context as nova_context
from nova import objects
from nova.objects import base as objects_base
from nova import rpc as nova_rpc
from nova import servicegroup
import oslo_messaging as messaging
from oslo_utils import netutils

from nova_dmore import exception
from nova_dmore.virt import limited
from nova_dmore.virt import received
from nova_dmore.virt.rpc import calls
if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_dmore.virt.care import operator as operator_module

_VERSION = '2.3'
#: Of all of Nova's services on the message bus, unless the configuration names
#: another ([DEFAULT] control_exchange).
_EXCHANGE = 'nova'
#: Longest time for an answer that needs no work, and for one that has a new
#: Domain R made, in seconds.
_TIMEOUT_S = 30
_REBUILD_S = 300
#: Of RabbitMQ, if the configuration names none, and how long a broker may
#: take to accept a connection, in seconds.
_PORT = 5672
_CONNECT_S = 3.0
#: So many instances may be named in a call.
_INSTANCES_MAX = 1000
#: Why a pair was not renewed, in characters.
_ERROR_MAX = 2000


def connect(conf: 'cfg.ConfigOpts') -> None:
    """Have this process reach Nova's message bus, and its database through
    the conductor as nova-compute does; called once by a command.

    :param conf: Nova's configuration, which was read.
    :raises nova_dmore.exception.PairError: no broker is there, or it does not
        let this process in. oslo.messaging would wait for one for ever.
    """
    _find_broker(_brokers(messaging.TransportURL.parse(conf)))
    objects.register_all()
    # As Nova's own programs do before they read their configuration. On
    # another exchange nobody listens: what is asked there is lost.
    nova_rpc.set_defaults(control_exchange=_EXCHANGE)
    nova_rpc.init(conf)
    objects_base.NovaObject.indirection_api = conductor_rpcapi.ConductorAPI()
    limited.message_bus('nobody can be asked', _log_in)


def _log_in() -> None:
    """The first call does, whoever answers it."""
    with contextlib.suppress(messaging.MessagingException):
        baserpc.BaseAPI(conductor_rpcapi.RPC_TOPIC).ping(
            nova_context.get_admin_context(), 'nova-dmore', timeout=_TIMEOUT_S)


def _brokers(url: messaging.TransportURL) -> list[tuple[str, int]]:
    """Where there may be one; a transport in memory has none.

    Where no host is named, oslo.messaging looks for RabbitMQ on this one.
    """
    if not url.hosts and url.transport == 'rabbit':
        return [('localhost', _PORT)]
    return [(each.hostname or 'localhost', each.port or _PORT)
            for each in url.hosts]


def _find_broker(places: list[tuple[str, int]]) -> None:
    errors = []
    for host, port in places:
        try:
            socket.create_connection((host, port), _CONNECT_S).close()
            return
        except OSError as error:
            errors.append(f'{netutils.escape_ipv6(host)}:{port}: {error}')
    if errors:
        raise exception.PairError(
            'the message bus of Nova ([DEFAULT] transport_url) does not '
            f'answer: {"; ".join(errors)}. Start it, or name the files that '
            'nova-compute reads with --config-file')


def hosts_up(context: nova_context.RequestContext) -> list[str]:
    """The compute hosts, of this cell, whose nova-compute lives.

    :raises nova_dmore.exception.PairError: the conductor does not answer.
    """
    group = servicegroup.API()
    try:
        return sorted(
            service.host for service in objects.ServiceList.get_by_binary(
                context, 'nova-compute', include_disabled=True)
            if group.service_is_up(service))
    except messaging.MessagingException as error:
        raise exception.PairError(
            f'the compute services cannot be listed: {error!r}') from error


def pairs_among(context: nova_context.RequestContext, host: str,
                instance_uuids: list[str]) -> list[str]:
    """See :meth:`OperatorAPI.pairs_among`; however many they are."""
    api = OperatorAPI()
    return [uuid for first in range(0, len(instance_uuids), _INSTANCES_MAX)
            for uuid in api.pairs_among(
                context, host, instance_uuids[first:first + _INSTANCES_MAX])]


def describe_all(context: nova_context.RequestContext, this_host: str
                 ) -> dict[str, dict[str, Any] | None]:
    """What the other hosts that have the plug-in say of themselves.

    :returns: by host; None: it does not say.
    """
    api = OperatorAPI()
    found: dict[str, dict[str, Any] | None] = {}
    for host in hosts_up(context):
        if host == this_host:
            continue
        try:
            found[host] = api.describe(context, host)
        except exception.NobodyThereError:
            continue        # it has Nova's own driver
        except exception.PairError:
            found[host] = None
    return found


class OperatorAPI:
    """The calls as they are made.

    Each raises :class:`nova_dmore.exception.NobodyThereError` if that host
    does not have the plug-in, :class:`nova_dmore.exception.NoAnswerError` if
    nobody can tell, and else :class:`nova_dmore.exception.PairError`.
    """

    def __init__(self) -> None:
        self._client = nova_rpc.get_client(
            messaging.Target(topic=calls.TOPIC, version=_VERSION))

    def describe(self, context: nova_context.RequestContext, host: str
                 ) -> dict[str, Any]:
        """See :func:`nova_dmore.virt.checks.other_hosts.describe`."""
        answer = self._call(context, host, 'describe')
        if not isinstance(answer, dict):
            raise _mistaken(host, received.wrong('the answer', answer))
        return answer

    def pairs_among(self, context: nova_context.RequestContext, host: str,
                    instance_uuids: list[str]) -> list[str]:
        """The instances among these of which a host has a pair, or a part of
        one."""
        answer = self._call(context, host, 'pairs_among',
                            instance_uuids=instance_uuids)
        if not isinstance(answer, list):
            raise _mistaken(host, received.wrong('the answer', answer))
        return sorted({*instance_uuids} & {
            each for each in answer if isinstance(each, str)})

    def rebuild(self, context: nova_context.RequestContext, host: str,
                instance_uuid: str) -> None:
        """Have a new Domain R made for an instance, with the image that it
        has. Its sessions end."""
        self._call(context, host, 'rebuild', _REBUILD_S,
                   instance_uuid=instance_uuid)

    def renew(self, context: nova_context.RequestContext, host: str,
              instance_uuids: list[str] | None, when: str | None
              ) -> list[dict[str, Any]]:
        """Ask for new Domain Rs with the newest image.

        :param instance_uuids: whose; None: of all pairs of the host that have
            another image.
        :param when: a :class:`nova_dmore.virt.pair.renewable.When`;
            None: not any more.
        :returns: as :meth:`renewals`.
        """
        return _rows(host, self._call(
            context, host, 'renew', _REBUILD_S,
            instance_uuids=instance_uuids, when=when))

    def renewals(self, context: nova_context.RequestContext, host: str
                 ) -> list[dict[str, Any]]:
        """How far a host has come with that, a row for each pair."""
        return _rows(host, self._call(context, host, 'renewals'))

    def _call(self, context: nova_context.RequestContext, host: str,
              method: str, timeout: int = _TIMEOUT_S, **arguments: Any) -> Any:
        return calls.send(
            self._client.prepare(
                server=host, timeout=timeout,
                call_monitor_timeout=calls.SIGN_OF_LIFE_S,
                transport_options=messaging.TransportOptions(
                    at_least_once=True)),
            context, host, method, **arguments)


class OperatorServer:
    """The calls as a host receives them; checks the arguments.

    :param operator: a :class:`nova_dmore.virt.care.operator.OperatorRole`.
    """

    target = messaging.Target(version=calls.VERSION)

    def __init__(self, operator: 'operator_module.OperatorRole') -> None:
        self._operator = operator

    @calls.errors_to_caller
    def describe(self, context: nova_context.RequestContext
                 ) -> dict[str, Any]:
        """See :meth:`OperatorAPI.describe`."""
        return self._operator.describe()

    @calls.errors_to_caller
    def pairs_among(self, context: nova_context.RequestContext,
                    instance_uuids: Any) -> list[str]:
        """See :meth:`OperatorAPI.pairs_among`."""
        with calls.arguments_of('pairs_among'):
            _check_uuids(instance_uuids)
        return self._operator.pairs_among(instance_uuids)

    @calls.errors_to_caller
    def rebuild(self, context: nova_context.RequestContext,
                instance_uuid: Any) -> None:
        """See :meth:`OperatorAPI.rebuild`."""
        with calls.arguments_of('rebuild'):
            received.uuid('instance_uuid', instance_uuid)
        self._operator.rebuild(instance_uuid)

    @calls.errors_to_caller
    def renew(self, context: nova_context.RequestContext,
              instance_uuids: Any, when: Any) -> list[dict[str, Any]]:
        """See :meth:`OperatorAPI.renew`."""
        with calls.arguments_of('renew'):
            if instance_uuids is not None:
                _check_uuids(instance_uuids)
            if when is not None:
                received.identifier('when', when)
        return self._operator.renew(instance_uuids, when)

    @calls.errors_to_caller
    def renewals(self, context: nova_context.RequestContext
                 ) -> list[dict[str, Any]]:
        """See :meth:`OperatorAPI.renewals`."""
        return self._operator.renewals()


def _rows(host: str, answer: object) -> list[dict[str, Any]]:
    """How far a host has come, as it says; an operator is shown that.

    :raises nova_dmore.exception.PairError: no release says so.
    """
    try:
        if not isinstance(answer, list):
            raise received.wrong('the answer', answer)
        return [_row(each) for each in answer]
    except ValueError as error:
        raise _mistaken(host, error) from error


def _mistaken(host: str, error: ValueError) -> exception.PairError:
    """The error that says what a host has answered."""
    return exception.PairError(
        f'nova-compute on {host} is mistaken: {error}')


def _row(said: Any) -> dict[str, Any]:
    """One row; what this release does not know in it is left out."""
    if not isinstance(said, dict):
        raise received.wrong('a row', said)
    when, error = said.get('when'), said.get('error')
    return {
        'instance_uuid': received.uuid(
            'instance_uuid', said.get('instance_uuid')),
        'state': received.identifier('state', said.get('state')),
        'when': None if when is None else received.identifier('when', when),
        'image': received.digest('image', said.get('image')),
        'newest': received.digest('newest', said.get('newest')),
        'error': None if error is None else received.text(
            'error', error, _ERROR_MAX)}


def _check_uuids(uuids: Any) -> None:
    if not isinstance(uuids, list) or len(uuids) > _INSTANCES_MAX:
        raise received.wrong('instance_uuids', uuids)
    for uuid in uuids:
        received.uuid('instance_uuids', uuid)
