# SPDX-License-Identifier: Apache-2.0
"""Tells pairs that live what to serve, when the operator changed that.

Called by :mod:`nova_dmore.virt.care.watch`: when nova-compute starts, for it
does not know what those before it have told; when it has read its
configuration again (SIGHUP); and once a minute, for files of keys and
certificates. Sessions go on, but for those of a key that was removed.
"""

from collections.abc import Iterable

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)


class ChangedOptions:
    """Of the pairs of one host; called by the watch, one call at a time.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    """

    def __init__(self, pairs):
        self._pairs = pairs
        #: What was logged.
        self._troubles: set[str] = set()

    def look(self, records: Iterable[record_module.PairRecord]) -> None:
        """Tell each pair what it was not told; again each time, if it cannot
        be told.

        :param records: of the pairs that are not being moved.
        :raises nova_dmore.exception.HostServiceError: nobody can tell which
            processes live.
        """
        troubles = set()
        for record in records:
            if record.incoming or self._pairs.was_told(record):
                continue
            try:
                self._pairs.configure_again(record.instance_uuid)
            except exception.HostServiceError:
                raise
            except exception.DMoreError as error:
                troubles.add(text.printable(error))
        for trouble in sorted(troubles - self._troubles):
            LOG.warning('Consoles go on as they were, their options are not '
                        'taken over: %s', trouble)
        self._troubles = troubles
