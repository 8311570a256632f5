# SPDX-License-Identifier: Apache-2.0
"""Hides the Domain Rs of this host from Nova.

Nova takes every domain of its libvirt for an instance. A domain that is not
one of its instances makes nova-compute refuse to start, is warned of in each
periodic task, and counts as disk and memory in the resource tracker.
"""

import resource
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova.virt.libvirt import host

from nova_dmore.virt.pair import domain_r
if TYPE_CHECKING:
    import libvirt
    from nova.virt import event as virtevent

#: Size of the pages that memory comes from unless it is asked for otherwise.
_PAGE_KIB = resource.getpagesize() >> 10


class DMoreHost(host.Host):
    """Nova's libvirt host, without the Domain Rs."""

    #: Whether a libvirt uuid is a Domain R's; set by the driver.
    _is_domain_r: Callable[[str | None], bool] = staticmethod(
        lambda uuid: False)

    def list_instance_domains(self, only_running: bool = True
                              ) -> 'list[libvirt.virDomain]':
        """As Nova's, without the Domain Rs.

        Called by everything in Nova that lists or counts domains
        (``list_guests``, ``list_instances``, ``list_instance_uuids``, the
        resource tracker, the start-up checks). Looking up a domain by its
        uuid does not come here, and needs no filter: Nova knows the uuid of
        no Domain R.
        """
        return [domain for domain
                in super().list_instance_domains(only_running=only_running)
                if not domain_r.is_domain_r_name(domain.name())]

    def _memory_mib(self) -> int:
        """How much memory the host has, also where instances have files."""
        return int(self._get_hardware_info()[1])

    def _small_memory_mib(self) -> int | None:
        """How much of it is not set aside for huge pages; None: all of it,
        as far as libvirt tells.
        """
        topology = self.get_capabilities().host.topology
        huge_kib = sum(
            pages.size * pages.total
            for cell in (topology.cells if topology is not None else [])
            for pages in cell.mempages if pages.size > _PAGE_KIB)
        return self._memory_mib() - (huge_kib >> 10) if huge_kib else None

    def _event_emit_delayed(self, event: 'virtevent.Event') -> None:
        """Called with each event, in the thread that libvirt's come in.

        Nova keeps back for 15 seconds that a domain has stopped: it may be a
        reboot. The end of a Domain R is wanted at once; like all events it
        goes to the driver's ``emit_event``.
        """
        if self._is_domain_r(getattr(event, 'uuid', None)):
            self._event_emit(event)
        else:
            super()._event_emit_delayed(event)
