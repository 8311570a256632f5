# SPDX-License-Identifier: Apache-2.0
"""Where an instance runs, as this host's libvirt knows it."""

import enum

import libvirt

from nova_dmore import exception
from nova_dmore.virt.pair import xml


class Here(enum.Enum):
    """What this host's libvirt knows of an instance."""

    ABSENT = 'absent'
    #: It arrives, or leaves; or it has left, and libvirt's daemon ended
    #: before it saw that.
    MOVING = 'moving'
    #: It is shut off, or paused by its user; or it has left, as above.
    AT_REST = 'at rest'
    RUNNING = 'running'


def find(connection, instance_uuid: str) -> Here:
    """Look for an instance's domain.

    :param connection: a ``libvirt.virConnect``.
    :raises nova_dmore.exception.PairError: libvirt does not say.
    """
    domain = look_up(connection, instance_uuid)
    if domain is None:
        return Here.ABSENT
    try:
        if has_job(domain):
            return Here.MOVING
        state = domain.info()[0]
        if (state == libvirt.VIR_DOMAIN_PAUSED and
                domain.state()[1] == libvirt.VIR_DOMAIN_PAUSED_MIGRATION):
            return Here.MOVING
    except libvirt.libvirtError as error:
        _must_be_gone(instance_uuid, error)
        return Here.ABSENT
    return (Here.RUNNING if state == libvirt.VIR_DOMAIN_RUNNING
            else Here.AT_REST)


def look_up(connection, instance_uuid: str):
    """The instance's ``libvirt.virDomain``, or None.

    :raises nova_dmore.exception.PairError: libvirt does not say.
    """
    try:
        return connection.lookupByUUIDString(instance_uuid)
    except libvirt.libvirtError as error:
        _must_be_gone(instance_uuid, error)
        return None


def has_display(connection, instance_uuid: str) -> bool:
    """Whether the instance has a display, and that is its pair's.

    :raises nova_dmore.exception.PairError: libvirt does not say.
    """
    domain = look_up(connection, instance_uuid)
    try:
        return domain is not None and xml.has_display(domain.XMLDesc(0))
    except libvirt.libvirtError as error:
        _must_be_gone(instance_uuid, error)
        return False


def _must_be_gone(instance_uuid: str, error: libvirt.libvirtError) -> None:
    if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
        raise exception.PairError(
            f'instance {instance_uuid} cannot be looked up: {error}'
        ) from error


def has_job(domain) -> bool:
    """Whether it is migrated, or libvirt is at something else with it.

    :raises libvirt.libvirtError: libvirt does not say.
    """
    try:
        return domain.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_OPERATION_INVALID,
                                      libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            # Of a migration to this host libvirt tells only the source.
            return domain.isActive() == 1
        raise
