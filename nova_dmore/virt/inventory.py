# SPDX-License-Identifier: Apache-2.0
"""Keeps the companions out of Nova's sight.

Nova takes every domain of its libvirt for an instance: an unknown one makes
nova-compute refuse to start, warns in each cycle, and counts as disk and
memory in the resource tracker.
"""

from collections.abc import Callable

from nova.compute import task_states
from nova import exception as nova_exception
from nova import objects
from nova.virt.libvirt import host

from nova_dmore.virt.pair import domain_r


class DMoreHost(host.Host):
    """Nova's libvirt host, without the Domain R companions."""

    #: Whether a libvirt uuid is a companion's; set by the driver.
    _is_companion: Callable[[str], bool] = staticmethod(lambda uuid: False)

    def list_instance_domains(self, only_running=True):
        """As Nova's, less the companions.

        Called by everything in Nova that lists or counts domains
        (``list_guests``, ``list_instances``, ``list_instance_uuids``, the
        resource tracker, the start-up checks). A look-up by uuid does not
        come here, and needs no filter: Nova knows no companion's uuid.
        """
        return [domain for domain
                in super().list_instance_domains(only_running=only_running)
                if not domain_r.is_domain_r_name(domain.name())]

    def _event_emit_delayed(self, event):
        """Called with each event, in the thread that libvirt's come in.

        Nova keeps back for 15 seconds that a domain has stopped: it may be a
        reboot. The end of a companion is wanted at once; like all events it
        goes to the driver's ``emit_event``.
        """
        if self._is_companion(getattr(event, 'uuid', None)):
            self._event_emit(event)
        else:
            super()._event_emit_delayed(event)


def host_of(context, instance_uuid: str) -> str | None:
    """The host on which an instance is, as Nova's database has it.

    Called when libvirt does not know the instance.

    :returns: empty when it is on none (shelved, or not built yet), None when
        there is no such instance any more.
    """
    try:
        instance = objects.Instance.get_by_uuid(context, instance_uuid)
    except nova_exception.InstanceNotFound:
        return None
    return instance.host or ''


def is_live_migrating(context, instance_uuid: str) -> bool:
    """Whether a live migration of an instance is under way, says Nova.

    Called when a pair was prepared for an instance that does not arrive.
    """
    try:
        instance = objects.Instance.get_by_uuid(context, instance_uuid)
    except nova_exception.InstanceNotFound:
        return False
    return instance.task_state == task_states.MIGRATING
