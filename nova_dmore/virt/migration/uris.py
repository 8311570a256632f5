# SPDX-License-Identifier: Apache-2.0
"""The libvirt and QEMU URIs by which a host is reached in a live migration.

Used when Domain R leaves first, and the destination has told where it is
reached (:mod:`nova_dmore.virt.migration.early_departure`). Used also when the
instance stays at the source and its Domain R has to come back from the
destination: the source (:mod:`nova_dmore.virt.migration.rollback`) tells the
URIs of its own host, the destination
(:mod:`nova_dmore.virt.migration.send_back`) checks them.
"""

import dataclasses
import re

from nova_dmore.virt import received

#: Stands for any host in a :class:`MigrationURIs`.
ANY_HOST = 'anyhost'
#: What a host is: a name, or an address as Nova writes it into a URI.
_HOST = rf'(?:{received.HOST_NAME}|\[{received.IPV6}\])'


@dataclasses.dataclass(frozen=True)
class MigrationURIs:
    """How Nova would have a live migration reach one host."""

    #: Of the host's libvirt.
    uri: str
    #: Where QEMU's data goes; None: libvirt decides.
    migrate_uri: str | None = None

    def differs_in_host_alone(self, uri: str, migrate_uri: str | None) -> bool:
        """Whether URIs that another host sent are these, but for the host.

        A URI of libvirt can name a program that libvirt's daemon runs as root
        (``qemu+ext://host/system?command=...``), and QEMU's data could be
        sent to a socket of this host. Another host must not choose either.

        :param uri: of libvirt, as it was sent.
        :param migrate_uri: where QEMU's data is to go, as it was sent.
        """
        return _matches(self.uri, uri) and (
            migrate_uri is None or self.migrate_uri is not None
            and _matches(self.migrate_uri, migrate_uri))


def _matches(template: str, uri: str) -> bool:
    before, _, after = template.partition(ANY_HOST)
    return re.fullmatch(
        re.escape(before) + _HOST + re.escape(after), uri) is not None
