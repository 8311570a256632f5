# SPDX-License-Identifier: Apache-2.0
"""Gives a Domain R another port when somebody has deleted its own.

Called by :mod:`nova_dmore.virt.care.watch` every :data:`EVERY_S`. Nothing
tells of it: Neutron sends Nova events for ports of instances alone, and the
tap of a Domain R stays where it is.

A Neutron that has just started takes an admin for anybody else for a moment,
until it has read its policies, and knows no port of his. So a port is lost
when two searches in a row have not found it, and its Domain R is not touched
if a third one does.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import late_notes
    from nova_dmore.virt.care import reporter as reporter_module
    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)

#: How often ports are searched for, in seconds: a lost one is replaced within
#: a minute.
EVERY_S = 40.0
#: When one was not found that the search before had found, they are searched
#: for again after so long, in seconds.
_AGAIN_S = 5.0


class LostPorts:
    """The lost ports of the pairs of one host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param context: an admin ``RequestContext``.
    :param notes: a :class:`nova_dmore.virt.care.late_notes.LateNotes`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 reporter: 'reporter_module.Reporter',
                 context: 'nova_context.RequestContext',
                 notes: 'late_notes.LateNotes') -> None:
        self._pairs = pairs
        self._reporter = reporter
        self._context = context
        self._notes = notes
        #: Ids of the ports that the last search did not find.
        self._missing: frozenset[str] = frozenset()

    def replace_lost(self, records: Iterable[record_module.PairRecord]
                     ) -> float | None:
        """Replace each port that is lost.

        :param records: of the pairs that are not being moved.
        :returns: when to search again, in seconds; None: as usual.
        :raises nova_dmore.exception.AddressError: Neutron does not answer.
        :raises nova_dmore.exception.HostServiceError: nobody can tell which
            processes live.
        """
        before, self._missing = self._missing, frozenset()
        here = [record for record in records if not record.incoming]
        if not here:
            return None
        addresses = self._pairs.addresses
        bound = addresses.ports_on(self._pairs.host)
        missing = [
            record for record in here
            # One that is bound elsewhere is no lost one.
            if record.address.port_id not in bound
            and addresses.is_lost(record.address.port_id)]
        self._missing = frozenset(
            record.address.port_id for record in missing)
        for record in missing:
            if record.address.port_id in before:
                self._replace(record)
        return _AGAIN_S if self._missing - before else None

    def _replace(self, lost: record_module.PairRecord) -> None:
        uuid = lost.instance_uuid
        try:
            record = self._pairs.replace_port(uuid)
        except (exception.ServiceAwayError, exception.HostServiceError):
            raise
        except exception.DMoreError as error:
            LOG.error('Port %(port)s of the Domain R of instance %(uuid)s was '
                      'deleted, and it gets no other one yet: %(error)s',
                      {'port': lost.address.port_id, 'uuid': uuid,
                       'error': text.printable(error)})
            return
        if record is None:
            return
        self._reporter.rebuilt(
            self._context, uuid, f'its port {lost.address.port_id} was '
            f'deleted; it is at {record.address.ip} now')
        self._notes.tell(record)
