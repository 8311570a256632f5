# SPDX-License-Identifier: Apache-2.0
"""Makes the pairs of instances that had to start before them.

When Neutron, Glance or Keystone is away, at the start of a host say, no pair
can be made; an instance then starts with the consoles of one all the same, and
its shadow-device process alone. So it may be, too, where nova-compute has lost
its records. Called by :mod:`nova_dmore.virt.care.watch`.
"""

import libvirt
from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.care import shutdown
from nova_dmore.virt.pair import announcement
from nova_dmore.virt import where

LOG = logging.getLogger(__name__)


class LatePairs:
    """The pairs of one host that are missing.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param context: an admin ``RequestContext``.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param options: the ``[dmore]`` options.
    """

    def __init__(self, pairs, context, connect, options):
        self._pairs = pairs
        self._context = context
        self._connect = connect
        self._options = options

    def make(self) -> None:
        """Make each pair that is missing and can be had.

        :raises nova_dmore.exception.ServiceAwayError: not now.
        :raises nova_dmore.exception.DMoreError: libvirt does not answer.
        """
        missing = self._without_pair()
        if missing and shutdown.is_under_way():
            return
        for uuid in missing:
            try:
                self._make_one(uuid)
            except exception.ServiceAwayError:
                raise
            except (exception.DMoreError,
                    nova_exception.NovaException) as error:
                LOG.error('The pair of instance %(uuid)s is still missing: '
                          '%(error)s', {'uuid': uuid,
                                        'error': text.printable(error)})

    def _without_pair(self) -> list[str]:
        try:
            connection = self._connect()
            found = [domain.UUIDString() for domain in
                     connection.listAllDomains(
                         libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)]
        except (libvirt.libvirtError,
                nova_exception.HypervisorUnavailable) as error:
            raise exception.PairError(str(error)) from error
        return [uuid for uuid in found if not self._pairs.is_domain_r(uuid)
                and self._pairs.get(uuid) is None
                and where.has_shadow_devices(connection, uuid)]

    def _make_one(self, uuid: str) -> None:
        instance = objects.Instance.get_by_uuid(self._context, uuid)
        if (instance.host != self._pairs.host or
                instance.task_state is not None):
            return      # it is on its way, or Nova is about to end it
        connection = self._connect()
        display = where.has_display(connection, uuid)
        with self._pairs.locked(uuid):
            if where.find(connection, uuid) in (where.Here.ABSENT,
                                                where.Here.MOVING):
                return
            record = self._pairs.ensure(instance, display)
        announcement.announce(self._options, instance, record)
