# SPDX-License-Identifier: Apache-2.0
"""Searches for the ports of a host's pairs that are not where they should be.

Called by :mod:`nova_dmore.virt.care.watch` every :data:`EVERY_S`. Nothing
tells of them: Neutron sends Nova events for ports of instances alone, and the
tap of a Domain R stays where it is. A port that somebody has deleted is
replaced (:mod:`nova_dmore.virt.care.lost_ports`), and one that is bound to
another host is taken back (:mod:`nova_dmore.virt.care.astray_ports`).

Either is done when two searches in a row have found the same. A Neutron that
has just started takes an admin for anybody else for a moment, until it has
read its policies, and knows no port of his.
"""

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova_dmore.virt.care import astray_ports
    from nova_dmore.virt.care import lost_ports
    from nova_dmore.virt.pair import pairs as pairs_module

#: How often ports are searched for, in seconds: a lost one is replaced within
#: a minute.
EVERY_S = 40.0
#: When one was not found that the search before had found, they are searched
#: for again after so long, in seconds.
_AGAIN_S = 5.0


class _Found(enum.Enum):
    """What a search has found of a port that is not bound to this host."""

    LOST = 'lost'           # there is no such port
    ASTRAY = 'astray'       # it is bound to another host


class PortSearch:
    """The search of one host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 lost: 'lost_ports.LostPorts',
                 astray: 'astray_ports.AstrayPorts') -> None:
        self._pairs = pairs
        self._lost = lost
        self._astray = astray
        #: What the last search has found, by the id of the port.
        self._found: dict[str, _Found] = {}

    def run(self, records: Iterable[record_module.PairRecord]
            ) -> float | None:
        """Search once, and mend what was found before, too.

        :param records: of the pairs that are not being moved.
        :returns: when to search again, in seconds; None: as usual.
        :raises nova_dmore.exception.DMoreError: Neutron, libvirt or the host
            service does not answer; the next search goes on.
        """
        before, self._found = self._found, {}
        here = [record for record in records if not record.incoming]
        if not here:
            return None
        bound = self._pairs.addresses.ports_on(self._pairs.host)
        found = {}
        for record in here:
            port_id = record.address.port_id
            what = None if port_id in bound else self._look_up(port_id)
            if what is not None:
                found[port_id] = what
        self._found = found

        def twice(what: _Found) -> list[record_module.PairRecord]:
            return [record for record in here
                    if found.get(record.address.port_id) is what
                    is before.get(record.address.port_id)]
        try:
            self._astray.take_back(twice(_Found.ASTRAY))
        finally:
            # What keeps one port from being taken back keeps no other from
            # being replaced.
            self._lost.replace(twice(_Found.LOST))
        return _AGAIN_S if any(
            what is _Found.LOST is not before.get(port_id)
            for port_id, what in found.items()) else None

    def _look_up(self, port_id: str) -> _Found | None:
        host = self._pairs.addresses.host_of(port_id)
        if host is None:
            return _Found.LOST
        return None if host in ('', self._pairs.host) else _Found.ASTRAY
