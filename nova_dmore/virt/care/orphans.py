# SPDX-License-Identifier: Apache-2.0
"""Ports of Domain Rs whose instances are no more, wherever these were.

The host that an instance was on deletes its port. None does where Nova asked
no driver: an instance that was deleted while it was shelved, or while its host
was away, or is away for good. So every host with the plug-in checks the
ports of all of them now and then, one host at a time.

A port is an orphan only if all of this is so, and else it is left:

- Nova's database *has* the instance, and says that it was deleted, so long ago
  that its own host has had time. That a conductor does not know an instance
  tells nothing: it may be one of another cell, whose hosts know it.
- The host that the port is bound to, asked over the message bus, has no part
  of its pair; or has no nova-compute with the plug-in, or none that answers.
  Then the address may be given away, as Nova has given away those of the
  instance itself.
"""

import dataclasses
import datetime
import enum
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nova import exception as nova_exception
from nova import objects
import oslo_messaging as messaging
from oslo_log import log as logging
from oslo_utils import timeutils

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.network import address_book
from nova_dmore.virt.network import ports as ports_module
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova import context as nova_context

LOG = logging.getLogger(__name__)

#: A host sweeps its own ports twice in this time after the instance was
#: deleted, in seconds.
_SURE = datetime.timedelta(hours=1)
#: One host after the other sweeps for so long, in seconds: as often as each
#: of them checks whether it is its turn.
TURN_S = 1800.0
#: So many instances are asked for in one call.
_AT_ONCE = 200


class State(enum.StrEnum):
    """What is known of a port whose instance does not live."""

    #: It can be deleted.
    ORPHAN = 'orphan'
    #: Its instance was deleted just now: its host may be at it.
    DELETED = 'just deleted'
    #: Its instance was deleted, and its host still has a part of the pair, or
    #: is of a release that does not tell.
    ON_HOST = 'on its host'
    #: The database of this cell has no such instance: it is of another cell,
    #: or its row was archived.
    UNKNOWN = 'unknown'


@dataclasses.dataclass(frozen=True)
class Port(ports_module.BoundPort):
    """A port of a Domain R whose instance does not live."""

    state: State


class Orphans:
    """The orphans of the whole cloud, as one host sees them.

    :param addresses: an
        :class:`nova_dmore.virt.network.address_book.AddressBook`.
    :param context: an admin ``RequestContext``.
    :param pairs_among: :meth:`nova_dmore.virt.rpc.operator.OperatorAPI.
        pairs_among` of a context, a host and instances.
    :param hosts_up: :func:`nova_dmore.virt.rpc.operator.hosts_up`.
    :param host: this one.
    """

    def __init__(self, addresses: address_book.AddressBook,
                 context: 'nova_context.RequestContext',
                 pairs_among: Callable[..., list[str]],
                 hosts_up: Callable[..., list[str]], host: str) -> None:
        self._addresses = addresses
        self._context = context
        self._pairs_among = pairs_among
        self._hosts_up = hosts_up
        self._host = host

    def sweep(self) -> None:
        """Delete the orphans, if it is this host's turn.

        :raises nova_dmore.exception.DMoreError: try again later.
        """
        hosts = self._hosts_up(self._context)
        if not hosts or self._host != hosts[
                int(time.time() // TURN_S) % len(hosts)]:
            return
        for port in self.find():
            if port.state is State.ORPHAN:
                LOG.info('Deleting port %(port)s of the Domain R of instance '
                         '%(uuid)s, which is no more; it was on host '
                         '%(host)s', {'port': port.port_id, 'host': port.host,
                                      'uuid': port.instance_uuid})
                with service_errors.one_of_many():
                    self.remove(port)

    def remove(self, port: Port) -> None:
        """Delete one.

        :raises nova_dmore.exception.DMoreError: it may still be there.
        """
        self._addresses.delete(port.instance_uuid)

    def find(self) -> list[Port]:
        """The ports whose instances do not live, by instance.

        :raises nova_dmore.exception.DMoreError: nobody can tell.
        """
        ports: dict[str, list[ports_module.BoundPort]] = {}
        for port in ports_module.of_all_hosts(self._context):
            ports.setdefault(port.instance_uuid, []).append(port)
        states = dict(self._states(list(ports)))
        on_hosts: dict[str, list[str]] = {}
        for uuid, state in states.items():
            if state is State.ORPHAN:
                for host in {port.host for port in ports[uuid]} - {''}:
                    on_hosts.setdefault(host, []).append(uuid)
        for host, uuids in on_hosts.items():
            for uuid in self._kept_by(host, uuids):
                states[uuid] = State.ON_HOST
        return [Port(**vars(port), state=state)
                for uuid, state in sorted(states.items())
                for port in ports[uuid]]

    def _states(self, uuids: list[str]) -> Iterator[tuple[str, State]]:
        """States of the instances that do not live, as far as Nova's database
        tells."""
        now = timeutils.utcnow(with_timezone=True)
        for first in range(0, len(uuids), _AT_ONCE):
            some = uuids[first:first + _AT_ONCE]
            try:
                rows = {instance.uuid: instance for instance in
                        objects.InstanceList.get_by_filters(
                            self._context.elevated(read_deleted='yes'),
                            {'uuid': some}, expected_attrs=[])}
            except (messaging.MessagingException,
                    nova_exception.NovaException) as error:
                raise exception.PairError(
                    'Nova does not tell which instances there are: '
                    f'{text.printable(error)}') from error
            for uuid in some:
                row = rows.get(uuid)
                if row is None:
                    yield uuid, State.UNKNOWN
                elif row.deleted:
                    yield uuid, (State.ORPHAN if now - row.deleted_at >= _SURE
                                 else State.DELETED)

    def _kept_by(self, host: str, uuids: list[str]) -> set[str]:
        """The instances among these of which a host may have a pair."""
        try:
            return {*self._pairs_among(self._context, host, uuids)}
        except (exception.NobodyThereError, exception.NoAnswerError):
            return set()
        except exception.PairError as error:
            LOG.info('Ports that are bound to host %(host)s are left: '
                     '%(why)s', {'host': host, 'why': text.printable(error)})
            return set(uuids)
