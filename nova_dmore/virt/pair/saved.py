# SPDX-License-Identifier: Apache-2.0
"""An instance that was suspended: libvirt resumes it as it was saved.

Whatever its definition says by then: its consoles are those that it had.
Called by the driver where Nova resumes an instance.
"""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import TYPE_CHECKING

import libvirt
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.virt.pair import xml as xml_module
from nova_dmore.virt import under_way
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova import objects


def xml_of(connection: libvirt.virConnect, instance_uuid: str) -> str | None:
    """The XML with which an instance is resumed, None: it is not suspended.

    :param connection: a ``libvirt.virConnect``.
    :raises nova_dmore.exception.PairError: libvirt does not answer.
    """
    domain = where.look_up(connection, instance_uuid)
    try:
        if domain is None or not domain.hasManagedSaveImage(0):
            return None
        xml: str = domain.managedSaveGetXMLDesc(0)
        return xml
    except libvirt.libvirtError as error:
        raise exception.PairError(
            f'the saved memory of instance {instance_uuid} cannot be '
            f'read: {error}') from error


@contextlib.contextmanager
def kept(instance: 'objects.Instance', resumes: under_way.UnderWay,
         get_xml: Callable[[object], str | None]) -> Iterator[None]:
    """Have an instance that had a pair stay suspended if it cannot be resumed.

    Nova would remove what is left of it, and with its domain the memory.

    :param resumes: has such instances meanwhile: the thread that resumes one
        is to remove nothing of it.
    :param get_xml: :func:`xml_of` of Nova's instance.
    :raises nova.exception.InstanceFaultRollback: it stays as it was.
    """
    saved = get_xml(instance)
    if saved is None or not xml_module.has_shadow_devices(saved):
        yield
        return
    with resumes.on(instance.uuid):
        try:
            yield
        except Exception as error:  # noqa: H201 - Nova gets it
            if get_xml(instance) is None:
                raise
            raise nova_exception.InstanceFaultRollback(error) from error
