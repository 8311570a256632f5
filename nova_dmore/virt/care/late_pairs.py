# SPDX-License-Identifier: Apache-2.0
"""Makes the pairs of instances that had to start before them, and finds those
of which there is no record.

When Neutron, Glance or Keystone is away, at the start of a host say, no pair
can be made; an instance then starts with the consoles of one all the same, and
its shadow-device process alone.

Where nova-compute has lost its records, or cannot read one, what lives of a
pair is adopted, sessions and all, if its instance is here, and removed if that
is elsewhere or no more. Called by :mod:`nova_dmore.virt.care.watch`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import libvirt
from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging
import oslo_messaging as messaging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.care import shutdown
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import late_notes
    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)


class LatePairs:
    """The pairs of one host that are missing.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param context: an admin ``RequestContext``.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param notes: a :class:`nova_dmore.virt.care.late_notes.LateNotes`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 context: 'nova_context.RequestContext',
                 connect: Callable[[], libvirt.virConnect],
                 notes: 'late_notes.LateNotes') -> None:
        self._pairs = pairs
        self._context = context
        self._connect = connect
        self._notes = notes

    def make(self) -> None:
        """Make each pair that is missing and can be had.

        :raises nova_dmore.exception.ServiceAwayError: not now.
        :raises oslo_messaging.MessagingException: likewise.
        :raises nova_dmore.exception.DMoreError: libvirt does not answer.
        """
        missing = self._without_record()
        if missing and shutdown.is_under_way():
            return
        for uuid in missing:
            try:
                self._make_or_remove(uuid)
            except (exception.ServiceAwayError,
                    messaging.MessagingException):
                raise
            except Exception as error:  # noqa: H201
                # Whatever is wrong with one, the others are made.
                LOG.error('The pair of instance %(uuid)s is still missing: '
                          '%(error)s', {'uuid': uuid,
                                        'error': text.printable(error)},
                          exc_info=not isinstance(error, (
                              exception.DMoreError,
                              nova_exception.NovaException)))

    def _without_record(self) -> list[str]:
        """Uuids of instances that have a part of a pair, and no record."""
        try:
            connection = self._connect()
            domains = {domain.name(): domain.UUIDString() for domain in
                       connection.listAllDomains(
                           libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
        except (libvirt.libvirtError,
                nova_exception.HypervisorUnavailable) as error:
            raise exception.PairError(str(error)) from error
        of_domain_r = {name: domain_r.instance_of_name(name)
                       for name in domains}
        found = {uuid: None for uuid in filter(None, of_domain_r.values())}
        found |= dict.fromkeys(self._pairs.shadows.instances())
        found |= {uuid: None for name, uuid in domains.items()
                  if of_domain_r[name] is None and uuid not in found
                  and where.has_shadow_devices(connection, uuid)}
        return [uuid for uuid in found if self._pairs.get(uuid) is None]

    def _make_or_remove(self, uuid: str) -> None:
        try:
            instance = objects.Instance.get_by_uuid(
                self._context, uuid,
                expected_attrs=['metadata', 'system_metadata', 'flavor'])
        except nova_exception.InstanceNotFound:
            self._remove(uuid)
            return
        if instance.task_state is not None:
            return      # it is on its way, or Nova is about to end it
        if instance.host == self._pairs.host:
            self._make_one(instance)
        else:
            self._remove(uuid)

    def _remove(self, uuid: str) -> None:
        """Remove what is left of a pair whose instance is not here."""
        with self._pairs.locked(uuid):
            if (self._pairs.get(uuid) is None and where.find(
                    self._connect(), uuid) is where.Here.ABSENT):
                LOG.warning('Removing what is left of the pair of instance '
                            '%s, which is not on this host', uuid)
                self._pairs.remove_stray(uuid)

    def _make_one(self, instance: 'objects.Instance') -> None:
        uuid = instance.uuid
        connection = self._connect()
        display = where.has_display(connection, uuid)
        with self._pairs.locked(uuid):
            if where.find(connection, uuid) in (where.Here.ABSENT,
                                                where.Here.MOVING):
                return
            if where.has_stock_consoles(connection, uuid):
                self._pairs.remove_stray(uuid)
                return
            record = self._pairs.ensure(instance, display)
        # Read anew: that may have taken long, and Nova may have begun with it.
        self._notes.tell(record)
