# SPDX-License-Identifier: Apache-2.0
"""Tokens of Nova's console proxies.

A token says which address and port its instance's console had when it was
made. Before a proxy connects it has Nova compare the port, and the port alone
(``validate_console_port``); that of a Domain R is the same for every instance.
So a token must not outlive the address that it names: were the address given
to the Domain R of another instance, the token would open the console of that
one.
"""

from typing import TYPE_CHECKING

from nova import exception as nova_exception
from nova import objects
import oslo_messaging as messaging

from nova_dmore import exception
if TYPE_CHECKING:
    from nova import context as nova_context


def forget(context: 'nova_context.RequestContext', instance_uuid: str) -> None:
    """Make every token of an instance invalid; open sessions go on.

    Called by :class:`nova_dmore.virt.pair.pairs.Pairs` when an instance comes
    to have its consoles in Domain R, and before the address is given back. The
    instance does not run then, so no new token is made meanwhile.

    :param context: an admin ``RequestContext``.
    :raises nova_dmore.exception.PairError: the conductor did not do it.
    """
    try:
        objects.ConsoleAuthToken.clean_console_auths_for_instance(
            context, instance_uuid)
    except (messaging.MessagingException,
            nova_exception.NovaException) as error:
        raise exception.PairError(
            f'the console tokens of instance {instance_uuid} cannot be '
            f'made invalid: {error}') from error
