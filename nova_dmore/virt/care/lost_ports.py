# SPDX-License-Identifier: Apache-2.0
"""Gives a Domain R another port when somebody has deleted its own.

Called by :mod:`nova_dmore.virt.care.port_search`, which finds them. Its Domain
R is not touched if Neutron knows the port after all.
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

    def replace(self, lost: Iterable[record_module.PairRecord]) -> None:
        """Replace each port that is lost.

        :param lost: the records of their pairs.
        :raises nova_dmore.exception.ServiceAwayError: Neutron does not answer.
        :raises nova_dmore.exception.HostServiceError: nobody can tell which
            processes live.
        """
        for record in lost:
            self._replace(record)

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
