# SPDX-License-Identifier: Apache-2.0
"""Where an instance is: on this host, says libvirt; anywhere, says Nova.

The two need not agree. libvirt knows what runs on this host now, and nothing
of other hosts. Nova's database says to which host an instance belongs; in a
live migration it says so late, and it stays wrong when the source's
nova-compute ended before it could write where the instance went.
"""

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import libvirt
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects

from nova_dmore import exception
from nova_dmore.virt.pair import xml
if TYPE_CHECKING:
    from nova import context as nova_context

_Answer = TypeVar('_Answer')


class Here(enum.Enum):
    """What this host's libvirt knows of an instance."""

    ABSENT = 'absent'
    #: It is being migrated to or from this host. Or it has left, and
    #: libvirt's daemon ended before it noticed that.
    MOVING = 'moving'
    #: It is shut off, or its user paused it. Or it has left, as above.
    AT_REST = 'at rest'
    RUNNING = 'running'


def find(connection: libvirt.virConnect, instance_uuid: str) -> Here:
    """What this host's libvirt knows of an instance now.

    :param connection: a ``libvirt.virConnect``.
    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    return _asked(connection, instance_uuid, _here, Here.ABSENT)


def _here(domain: libvirt.virDomain) -> Here:
    if has_job(domain):
        return Here.MOVING
    state = domain.info()[0]
    if (state == libvirt.VIR_DOMAIN_PAUSED and
            domain.state()[1] == libvirt.VIR_DOMAIN_PAUSED_MIGRATION):
        return Here.MOVING
    return (Here.RUNNING if state == libvirt.VIR_DOMAIN_RUNNING
            else Here.AT_REST)


def look_up(connection: libvirt.virConnect, instance_uuid: str
            ) -> libvirt.virDomain | None:
    """The instance's ``libvirt.virDomain``, None if libvirt has none.

    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    try:
        return connection.lookupByUUIDString(instance_uuid)
    except libvirt.libvirtError as error:
        _must_be_gone(instance_uuid, error)
        return None


def definition(connection: libvirt.virConnect, instance_uuid: str
               ) -> str | None:
    """The XML with which libvirt would start an instance; None: it has none.

    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    return _asked(connection, instance_uuid, lambda domain: str(
        domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)), None)


def has_display(connection: libvirt.virConnect, instance_uuid: str) -> bool:
    """Whether the instance has a display, and that is its pair's.

    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    return _asked(connection, instance_uuid, lambda domain: xml.has_display(
        domain.XMLDesc(0)), False)


def is_active(connection: libvirt.virConnect, instance_uuid: str) -> bool:
    """Whether the instance is up here, running or paused.

    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    return _asked(connection, instance_uuid,
                  lambda domain: bool(domain.isActive()), False)


def has_stock_consoles(connection: libvirt.virConnect, instance_uuid: str
                       ) -> bool:
    """Whether the instance is up here, and its consoles are none of a pair's:
    it was started while it could have none.

    One that is down may be about to be started with a pair.

    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    return _asked(connection, instance_uuid, lambda domain: (
        bool(domain.isActive()) and
        not xml.has_shadow_devices(domain.XMLDesc(0))), False)


def has_shadow_devices(connection: libvirt.virConnect, instance_uuid: str
                       ) -> bool:
    """Whether the instance's consoles are those of a pair.

    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    return _asked(
        connection, instance_uuid, lambda domain: xml.has_shadow_devices(
            domain.XMLDesc(0)), False)


def _asked(connection: libvirt.virConnect, instance_uuid: str,
           question: Callable[[libvirt.virDomain], _Answer], absent: _Answer
           ) -> _Answer:
    """The answer to a question about an instance's domain.

    :param absent: what it is if libvirt has none, or none any more.
    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    domain = look_up(connection, instance_uuid)
    if domain is None:
        return absent
    try:
        return question(domain)
    except libvirt.libvirtError as error:
        _must_be_gone(instance_uuid, error)
        return absent


def _must_be_gone(instance_uuid: str, error: libvirt.libvirtError) -> None:
    """Check that libvirt failed because it has no such domain.

    :raises nova_dmore.exception.PairError: it failed for another reason.
    """
    if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
        raise exception.PairError(
            f'instance {instance_uuid} cannot be looked up: {error}'
        ) from error


def has_job(domain: libvirt.virDomain) -> bool:
    """Whether a domain is being migrated, or has another job of libvirt.

    :raises libvirt.libvirtError: libvirt does not answer.
    """
    try:
        return bool(domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_OPERATION_INVALID,
                                      libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            # libvirt tells only the source about a migration; at the
            # destination it refuses the question.
            return bool(domain.isActive() == 1)
        raise


def host_in_nova(context: 'nova_context.RequestContext', instance_uuid: str
                 ) -> str | None:
    """The host on which an instance is, as Nova's database has it.

    Called when libvirt does not know the instance.

    :returns: an empty text when it is on no host (shelved, or not built yet),
        None when there is no such instance any more.
    """
    try:
        instance = objects.Instance.get_by_uuid(context, instance_uuid)
    except nova_exception.InstanceNotFound:
        return None
    return instance.host or ''


def is_live_migrating(context: 'nova_context.RequestContext',
                      instance_uuid: str) -> bool:
    """Whether a live migration of an instance is under way, as Nova's
    database has it.

    Called when a pair was prepared for an instance that does not arrive.
    """
    try:
        instance = objects.Instance.get_by_uuid(context, instance_uuid)
    except nova_exception.InstanceNotFound:
        return False
    return bool(instance.task_state == task_states.MIGRATING)


def is_reverted_here(context: 'nova_context.RequestContext',
                     instance: 'objects.Instance', this_host: str) -> bool:
    """Whether Nova destroys an instance on this host, where it was resized,
    to start it here again as it was."""
    if (instance.task_state != task_states.RESIZE_REVERTING
            or instance.migration_context is None):
        return False
    migration = objects.Migration.get_by_id(
        context, instance.migration_context.migration_id)
    return bool(migration.source_compute == this_host)


def is_evacuated_here(instance: 'objects.Instance') -> bool:
    """Whether Nova builds an instance anew on this host, for the one that it
    was on is lost. It rebuilds an instance on its own host without a move."""
    return (instance.task_state == task_states.REBUILD_SPAWNING
            and instance.migration_context is not None)


def will_be_nowhere(instance: 'objects.Instance', this_host: str) -> bool:
    """Whether an instance that Nova destroys on this host is then on none,
    and never will be again.

    Otherwise it starts again, here or on another host (after it was shelved,
    evacuated, resized or rebuilt), and its Domain R has the same address
    again.

    :param this_host: as Nova calls it.
    """
    if instance.deleted:
        return True
    if (instance.host not in (None, this_host)
            or instance.task_state == task_states.RESTORING):
        return False
    # Nova reclaims one that was deleted softly.
    return (instance.vm_state in (vm_states.BUILDING,
                                  vm_states.SOFT_DELETED) or
            instance.task_state in (task_states.DELETING,
                                    task_states.SOFT_DELETING))


def is_deleted(instance: 'objects.Instance', this_host: str) -> bool:
    """Whether Nova destroys an instance on this host because it is deleted, or
    was never built; see :func:`will_be_nowhere`.

    Nova confirms a resize before it deletes the instance, and from then on no
    longer says that it does. Whatever else it destroys an instance for, on the
    host that it belongs to, is a task of the instance.
    """
    return will_be_nowhere(instance, this_host) or (
        instance.host == this_host and instance.task_state is None
        and instance.vm_state in (vm_states.ACTIVE, vm_states.STOPPED))
