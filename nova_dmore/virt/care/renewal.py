# SPDX-License-Identifier: Apache-2.0
"""Renews what Domain R's servers show and ask for.

A certificate comes with CONFIG, which the host issues it for. After its start
nova-compute does not know how old those are that were issued before, nor
whether the passwords were made by a release that gave all instances the same
ones. So it renews those of all pairs then, one after the other. And a host key
that takes a while to make comes with a second CONFIG. Called by
:mod:`nova_dmore.virt.care.watch` in a thread of its own, once at a time.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import config_message
if TYPE_CHECKING:
    from oslo_config import cfg

    from nova_dmore.virt.pair import pairs as pairs_module
    from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)

#: After this it is tried again, in seconds.
_RETRY_S = 3600.0


class Renewal:
    """Renews what the pairs of one host show and ask for; called by the watch,
    one call at a time.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    """

    def __init__(self, conf: 'cfg.ConfigOpts', pairs: 'pairs_module.Pairs'
                 ) -> None:
        self._conf = conf
        self._pairs = pairs
        #: When a pair is tried again that could not be told, by uuid.
        self._retry: dict[str, float] = {}

    def renew_one(self, records: 'Iterable[record_module.PairRecord]') -> bool:
        """Tell one pair again what to serve, if one needs it.

        :param records: of the pairs that are not being moved.
        :returns: whether one needed it: another one may, too.
        :raises nova_dmore.exception.HostServiceError: nobody can tell which
            processes live.
        """
        now = time.monotonic()
        for record in records:
            if not record.incoming and self._is_due(record, now):
                self._renew(record.instance_uuid, now)
                return True
        return False

    def _is_due(self, record: 'record_module.PairRecord', now: float) -> bool:
        uuid = record.instance_uuid
        configured = self._pairs.configured.get(uuid)
        if now < self._retry.get(uuid, 0.0):
            return False
        if configured is not None and self._is_outdated(record, configured):
            return True
        options = self._conf.dmore
        if not self._conf.vnc.enabled or not (
                options.vnc_tls_dir or options.vnc_direct_networks):
            return False
        return configured is None or (
            options.vnc_tls_dir is not None and
            now - configured >= certificate.RENEWED_AFTER.total_seconds())

    def _is_outdated(self, record: 'record_module.PairRecord',
                     configured: float) -> bool:
        try:
            return config_message.is_outdated(
                self._conf.dmore, record, configured)
        except exception.ConfigurationError:
            return False    # nothing could be told, and others say why

    def _renew(self, instance_uuid: str, now: float) -> None:
        self._retry = {uuid: due for uuid, due in self._retry.items()
                       if due > now}
        # Also if somebody is at the pair, who may tell it the same.
        self._retry[instance_uuid] = now + _RETRY_S
        try:
            self._pairs.configure_again(instance_uuid)
        except exception.HostServiceError:
            # That is wrong with none of the pairs, or with all of them.
            raise
        except exception.DMoreError as error:
            LOG.warning('What the consoles of instance %(uuid)s show and ask '
                        'for is not renewed yet: %(error)s',
                        {'uuid': instance_uuid,
                         'error': text.printable(error)})
