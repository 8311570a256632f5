# SPDX-License-Identifier: Apache-2.0
"""What all calls between nova-computes have in common: topic, version, errors.
"""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any, TYPE_CHECKING, TypeVar

import oslo_messaging as messaging

from nova_dmore.channel import text
from nova_dmore import exception
if TYPE_CHECKING:
    from nova import context as nova_context

_Method = TypeVar('_Method', bound=Callable[..., Any])

TOPIC = 'nova-dmore'
VERSION = '2.4'
#: A destination that is at work says so twice in this time, in seconds: one
#: that does not is not there. The queue of a nova-compute that has ended, or
#: has the plug-in no more, takes calls until RabbitMQ is started again.
SIGN_OF_LIFE_S = 10
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


@contextlib.contextmanager
def arguments_of(method: str) -> Iterator[None]:
    """Turn a wrong argument into an error that the caller is sent."""
    try:
        yield
    except ValueError as error:
        raise exception.PairError(
            f'{method} cannot have been called by a nova-compute: {error}'
        ) from error
