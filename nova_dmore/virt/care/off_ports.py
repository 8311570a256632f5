# SPDX-License-Identifier: Apache-2.0
"""Gives back the ports of Domain Rs whose instances are off, if so wanted
(``[dmore] release_ports_when_off``).

Their whole pairs are removed: a Domain R without a port is of no use. The next
start makes another one, as for a new instance.
"""

from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    import libvirt
    from nova import context as nova_context
    from oslo_config import cfg

    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)


class OffPorts:
    """The ports of those pairs of one host whose instances are off.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param context: an admin ``RequestContext``.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param options: the ``[dmore]`` options.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 context: 'nova_context.RequestContext',
                 connect: 'Callable[[], libvirt.virConnect]',
                 options: 'cfg.ConfigOpts.GroupAttr') -> None:
        self._pairs = pairs
        self._context = context
        self._connect = connect
        self._options = options

    def release(self, records: Iterable[record_module.PairRecord]) -> None:
        """Remove each pair whose instance is off. Called by
        :mod:`nova_dmore.virt.care.watch`.

        :param records: of the pairs that are not being moved.
        :raises nova_dmore.exception.ServiceAwayError: Neutron does not answer.
        :raises nova_dmore.exception.PairError: libvirt does not.
        """
        if not self._options.release_ports_when_off:
            return
        for record in records:
            uuid = record.instance_uuid
            if record.incoming or where.is_active(self._connect(), uuid):
                continue
            try:
                self._remove(uuid)
            except exception.ServiceAwayError:
                raise
            except nova_exception.UnexpectedTaskStateError:
                continue    # Nova has begun with it just now
            except (exception.DMoreError,
                    nova_exception.NovaException) as error:
                LOG.error('The port of the Domain R of instance %(uuid)s, '
                          'which is off, is not given back yet: %(error)s',
                          {'uuid': uuid, 'error': text.printable(error)})

    def _remove(self, uuid: str) -> None:
        with self._pairs.locked(uuid, wait_s=0) as locked:
            if not locked:
                return      # it starts, say
            instance = objects.Instance.get_by_uuid(
                self._context, uuid,
                expected_attrs=['metadata', 'system_metadata'])
            # One that Nova starts has a task, and waits for the pair here.
            if (instance.host != self._pairs.host
                    or instance.vm_state != vm_states.STOPPED
                    or instance.task_state is not None):
                return
            LOG.info('The port of its Domain R is given back: it is off',
                     instance=instance)
            # First: if nova-compute ends meanwhile the next one finds the
            # pair, but not what Nova was told of it.
            announcement.retract(instance, idle=True)
            self._pairs.remove(uuid, delete_address=True)
