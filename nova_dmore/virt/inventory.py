# SPDX-License-Identifier: Apache-2.0
"""Hides the Domain Rs of this host from Nova.

Nova takes every domain of its libvirt for an instance. A domain that is not
one of its instances makes nova-compute refuse to start, is warned of in each
periodic task, and counts as disk and memory in the resource tracker.
"""

from collections.abc import Callable

from nova.virt.libvirt import host

from nova_dmore.virt.pair import domain_r


class DMoreHost(host.Host):
    """Nova's libvirt host, without the Domain Rs."""

    #: Whether a libvirt uuid is a Domain R's; set by the driver.
    _is_domain_r: Callable[[str], bool] = staticmethod(lambda uuid: False)

    def list_instance_domains(self, only_running=True):
        """As Nova's, without the Domain Rs.

        Called by everything in Nova that lists or counts domains
        (``list_guests``, ``list_instances``, ``list_instance_uuids``, the
        resource tracker, the start-up checks). Looking a domain up by its
        uuid does not come here, and needs no filter: Nova knows the uuid of
        no Domain R.
        """
        return [domain for domain
                in super().list_instance_domains(only_running=only_running)
                if not domain_r.is_domain_r_name(domain.name())]

    def _event_emit_delayed(self, event):
        """Called with each event, in the thread that libvirt's come in.

        Nova keeps back for 15 seconds that a domain has stopped: it may be a
        reboot. The end of a Domain R is wanted at once; like all events it
        goes to the driver's ``emit_event``.
        """
        if self._is_domain_r(getattr(event, 'uuid', None)):
            self._event_emit(event)
        else:
            super()._event_emit_delayed(event)
