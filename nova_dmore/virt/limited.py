# SPDX-License-Identifier: Apache-2.0
"""How long other services are waited for.

Nova's own options for Neutron, Glance and Placement have no limit by default,
and a service whose message broker or store was away was seen to leave a
request unanswered for minutes. So each wait for them has a limit here,
whatever those options are, and so has a command's first call over Nova's
message bus.
"""

import copy
import threading
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from nova.network import neutron

from nova_dmore import exception
if TYPE_CHECKING:
    from nova import context as nova_context

#: How long Neutron, Glance, Placement and Keystone may take for an answer, in
#: seconds.
ANSWER_S = 60.0
#: How long a command may take to log in to the message broker, in seconds:
#: longer than rpc/operator.py then waits for Nova's conductor.
BUS_S = 75.0
#: How long Glance may take for an image of Domain R, in seconds.
IMAGE_S = 600.0


def neutron_client(client: neutron.ClientWrapper) -> neutron.ClientWrapper:
    """Have a client of Neutron wait no longer for an answer.

    The session is Nova's, for all its requests: theirs stay as they are. And
    nothing is asked again: keystoneauth takes an answer that does not come for
    a connection that was not made, so a port would be asked for four times
    (``[neutron] http_retries``), each time for as long.

    :param client: what Nova's ``get_client`` returned.
    :returns: the same.
    """
    http = client.httpclient
    http.connect_retries = 0
    if http.session.timeout is None or http.session.timeout > ANSWER_S:
        http.session = copy.copy(http.session)
        http.session.timeout = ANSWER_S
    return client


def neutron_of(context: 'nova_context.RequestContext'
               ) -> neutron.ClientWrapper:
    """An administrator's client of Neutron.

    :param context: an admin ``RequestContext``.
    """
    return neutron_client(neutron.get_client(context, admin=True))


def glance(seconds: float, what: str, function: Callable[..., Any],
           *arguments: Any, **keywords: Any) -> Any:
    """Call one of Nova's functions that ask Glance, which have no time-out.

    One that does not return goes on in its own thread, and nobody waits for
    it.

    :param what: names, in the error, what could not be had.
    :raises nova_dmore.exception.GlanceAwayError: it did not return in time.
    :raises Exception: what it raised.
    """
    return _within(seconds, exception.GlanceAwayError(
        f'{what}: Glance has not answered for {seconds:.0f} s'),
        function, *arguments, **keywords)


def placement(what: str, function: Callable[..., Any], *arguments: Any,
              **keywords: Any) -> Any:
    """As :func:`glance`, of functions that ask Placement.

    :raises nova_dmore.exception.PlacementAwayError: it did not return in
        time.
    """
    return _within(ANSWER_S, exception.PlacementAwayError(
        f'{what}: Placement has not answered for {ANSWER_S:.0f} s'),
        function, *arguments, **keywords)


def message_bus(what: str, function: Callable[..., Any], *arguments: Any,
                **keywords: Any) -> Any:
    """As :func:`glance`, for the first call that a command makes over Nova's
    message bus: oslo.messaging tries for ever to log in to a broker, whatever
    the time-out of the call is.

    :raises nova_dmore.exception.PairError: it did not return in time.
    """
    return _within(BUS_S, exception.PairError(
        f"{what}: Nova's message bus has let nobody in for {BUS_S:.0f} s; "
        'does it take the user and the password of [DEFAULT] transport_url?'),
        function, *arguments, **keywords)


def _within(seconds: float, late: Exception, function: Callable[..., Any],
            *arguments: Any, **keywords: Any) -> Any:
    """:param late: raised if the function does not return in time."""
    results: list[Any] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function(*arguments, **keywords))
        except BaseException as error:  # noqa: H201
            # It is the caller's.
            errors.append(error)

    thread = threading.Thread(target=call, name='dmore-limited', daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise late
    return results[0]
