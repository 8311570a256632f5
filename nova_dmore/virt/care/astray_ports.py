# SPDX-License-Identifier: Apache-2.0
"""Has a Domain R's port here again that another host was given in vain.

In a live migration the port's binding is activated at the destination. If the
instance stays all the same, the source takes the port back; but Neutron may
not have answered then, or nova-compute have ended. Nobody else would ever do
that: a pair that lives is left alone, also by a hard reboot.

Called by :mod:`nova_dmore.virt.care.port_search`, which finds them. A port is
astray when the instance runs here, and Nova says so, too: an instance that was
evacuated may run on its old host for a while.
"""

from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    import libvirt
    from nova import context as nova_context

    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)


class AstrayPorts:
    """The ports of the pairs of one host that are bound to another.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param context: an admin ``RequestContext``.
    :param connect: returns Nova's ``libvirt.virConnect``.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 context: 'nova_context.RequestContext',
                 connect: 'Callable[[], libvirt.virConnect]') -> None:
        self._pairs = pairs
        self._context = context
        self._connect = connect

    def take_back(self, elsewhere: Iterable[record_module.PairRecord]) -> None:
        """Take each back that is astray.

        :param elsewhere: the records of those whose port is bound to another
            host.
        :raises nova_dmore.exception.ServiceAwayError: Neutron does not answer.
        :raises nova_dmore.exception.PairError: libvirt does not.
        """
        for record in elsewhere:
            self._take_back(record)

    def _take_back(self, astray: record_module.PairRecord) -> None:
        uuid, port_id = astray.instance_uuid, astray.address.port_id
        if not self._is_here(uuid) or where.host_in_nova(
                self._context, uuid) != self._pairs.host:
            return
        with self._pairs.locked(uuid, wait_s=0) as locked:
            record = self._pairs.get(uuid)
            # It may have begun to move.
            if (not locked or record is None or record.incoming
                    or not self._is_here(uuid)):
                return
            try:
                self._pairs.addresses.activate_binding(
                    port_id, self._pairs.host)
                self._pairs.plug_again(uuid)
            except exception.ServiceAwayError:
                raise
            except exception.AddressError as error:
                LOG.error('Port %(port)s of the Domain R of instance %(uuid)s '
                          'is bound to another host still: %(error)s',
                          {'port': port_id, 'uuid': uuid,
                           'error': text.printable(error)})
                return
        LOG.warning('Port %(port)s of the Domain R of instance %(uuid)s was '
                    'bound to another host; it is here again',
                    {'port': port_id, 'uuid': uuid})

    def _is_here(self, uuid: str) -> bool:
        return where.find(self._connect(), uuid) is where.Here.RUNNING
