# SPDX-License-Identifier: Apache-2.0
"""Renews what Domain R's VNC server shows and asks for.

A certificate comes with CONFIG, which the host issues it for. After its start
nova-compute does not know how old those are that were issued before, nor
whether the passwords were made by a release that gave all instances the same
ones. So it renews those of all pairs then, one after the other. Called by
:mod:`nova_dmore.virt.care.watch` in a thread of its own, once at a time.
"""

import time

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.config import certificate

LOG = logging.getLogger(__name__)

#: After this it is tried again, in seconds.
_RETRY_S = 3600.0


class Renewal:
    """Of the pairs of one host; called by the watch, one call at a time.

    :param conf: Nova's configuration, with the ``[dmore]`` options.
    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    """

    def __init__(self, conf, pairs):
        self._conf = conf
        self._pairs = pairs
        #: When a pair is tried again that could not be told, by uuid.
        self._retry: dict[str, float] = {}

    def renew_one(self, records) -> bool:
        """Tell one pair again what to serve, if one needs it.

        :param records: of the pairs that are not being moved.
        :returns: whether one needed it: another one may, too.
        :raises nova_dmore.exception.HostServiceError: nobody can tell which
            processes live.
        """
        options = self._conf.dmore
        if not self._conf.vnc.enabled or not (
                options.vnc_tls_dir or options.vnc_direct_networks):
            return False
        now = time.monotonic()
        for record in records:
            if not record.incoming and self._is_due(record, now):
                self._renew(record.instance_uuid, now)
                return True
        return False

    def _is_due(self, record, now: float) -> bool:
        uuid = record.instance_uuid
        configured = self._pairs.configured.get(uuid)
        return now >= self._retry.get(uuid, 0.0) and (
            configured is None or
            self._conf.dmore.vnc_tls_dir is not None and
            now - configured >= certificate.RENEWED_AFTER.total_seconds())

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
            LOG.warning('The certificate and passwords of the VNC console '
                        'of instance %(uuid)s are not renewed yet: %(error)s',
                        {'uuid': instance_uuid,
                         'error': text.printable(error)})
