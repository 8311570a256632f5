# SPDX-License-Identifier: Apache-2.0
"""Removes what the plug-in left on a host where it was switched off.

Called by ``nova-dmore-manage host clean``. No nova-compute watches these
pairs any more. One whose instance still uses it is left: its process takes
what the instance prints, and its Domain R goes on to serve.
"""

import libvirt
from oslo_utils import uuidutils

from nova_dmore import exception
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import pairs as pairs_module
from nova_dmore.virt.pair import saved as saved_module
from nova_dmore.virt.pair import xml
from nova_dmore.virt import where


class Leftovers:
    """What is left on one host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param connection: a ``libvirt.virConnect``.
    """

    def __init__(self, pairs: pairs_module.Pairs,
                 connection: libvirt.virConnect) -> None:
        self._pairs = pairs
        self._connection = connection

    def instances(self) -> list[str]:
        """Uuids of the instances of which there is a pair, or a part of one.

        :raises nova_dmore.exception.DMoreError: nobody can tell.
        """
        try:
            names = [domain.name() for domain in
                     self._connection.listAllDomains(0)]
        except libvirt.libvirtError as error:
            raise exception.PairError(str(error)) from error
        found = {record.instance_uuid for record in self._pairs.records.all()}
        found.update(self._pairs.shadows.instances())
        found.update(filter(None, map(domain_r.instance_of_name, names)))
        # That of a check is of no instance.
        return sorted(filter(uuidutils.is_uuid_like, found))

    def is_used(self, instance_uuid: str) -> bool:
        """Whether the instance is here, and its QEMU needs the pair, or will
        need it when it is resumed.

        :raises nova_dmore.exception.DMoreError: libvirt does not answer.
        """
        saved = saved_module.xml_of(self._connection, instance_uuid)
        if saved is not None:
            return xml.has_shadow_devices(saved)
        return (where.is_active(self._connection, instance_uuid) and
                where.has_shadow_devices(self._connection, instance_uuid))

    def remove(self, instance_uuid: str) -> None:
        """Remove a pair; its port stays in Neutron, for the instance.

        :raises nova_dmore.exception.DMoreError: something is left over.
        """
        self._pairs.remove(instance_uuid, delete_address=False)
