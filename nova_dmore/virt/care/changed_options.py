# SPDX-License-Identifier: Apache-2.0
"""Tells pairs that live what to serve, when the operator changed that.

Called by :mod:`nova_dmore.virt.care.watch`: when nova-compute starts, for it
does not know what those before it have told; when it has read its
configuration again (SIGHUP); and once a minute, for files of keys and
certificates. Sessions go on, but for those of a key that was removed.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)


class ChangedOptions:
    """Tells the pairs of one host; called by the watch, one call at a time.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs') -> None:
        self._pairs = pairs
        #: Instances of whose Domain R it was said that it is an earlier one.
        self._earlier: set[str] = set()
        #: What was logged.
        self._troubles: set[str] = set()

    def apply(self, records: Iterable[record_module.PairRecord]) -> None:
        """Tell each pair what it was not told; again each time, if it cannot
        be told.

        :param records: of the pairs that are not being moved.
        :raises nova_dmore.exception.HostServiceError: nobody can tell which
            processes live.
        """
        troubles, earlier = set(), set()
        made_from = self._pairs.sources()
        for record in records:
            if record.incoming or self._pairs.was_told(record, made_from):
                continue
            try:
                self._pairs.configure_again(record.instance_uuid)
                if self._is_earlier(record.instance_uuid):
                    earlier.add(record.instance_uuid)
            except exception.HostServiceError:
                raise
            except exception.DMoreError as error:
                troubles.add(text.printable(error))
        for trouble in sorted(troubles - self._troubles):
            LOG.warning('Consoles go on as they were, their options are not '
                        'taken over: %s', trouble)
        self._troubles = troubles
        if earlier - self._earlier:
            LOG.warning('The Domain Rs of these instances are of an earlier '
                        'release: sessions of a key that is taken away go on '
                        'there until they are built anew: %s',
                        ', '.join(sorted(earlier - self._earlier)))
        self._earlier |= earlier

    def _is_earlier(self, instance_uuid: str) -> bool:
        """Whether a Domain R serves that ends no sessions."""
        serving = self._pairs.client(instance_uuid).status().serving
        # As Domain R says.
        return (isinstance(serving, dict) and bool(serving)
                and not serving.get('ends_sessions'))
