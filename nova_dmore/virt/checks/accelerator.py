# SPDX-License-Identifier: Apache-2.0
"""Checks whether a guest really runs with KVM.

That ``/dev/kvm`` is there, and makes virtual machines, does not tell: inside
of some clouds a guest does not come through its firmware. So one is run: it
has no disk, and its firmware starts it anew at once, which ends it.
"""

import os
import time

import libvirt

from nova_dmore.virt.checks import result
from nova_dmore.virt.pair import domain_r

#: With the prefix of the Domain Rs, so Nova does not take it for an instance.
NAME = f'{domain_r.NAME_PREFIX}accelerator-check'
#: It takes half a second; one that is emulated takes one, and one that was
#: seen where KVM does not work took fifteen.
_LONGEST_S = 8.0
_POLL_S = 0.1
_XML = f'''<domain type="{{}}">
<name>{NAME}</name>
<memory unit="MiB">32</memory>
<os><type>hvm</type><bios rebootTimeout="1"/></os>
<on_reboot>destroy</on_reboot>
<devices><controller type="usb" model="none"/><memballoon model="none"/>
</devices>
</domain>'''


def check(connection: libvirt.virConnect, virt_type: str) -> result.Result:
    """Whether a guest comes through its firmware.

    :param connection: a ``libvirt.virConnect``.
    :param virt_type: ``[libvirt] virt_type``.
    :raises libvirt.libvirtError: nobody can tell.
    """
    if virt_type != 'kvm' or os.uname().machine != 'x86_64':
        return result.GOOD
    if _is_there(connection):
        # Of another process, which ends it; or what one left that was ended.
        _wait(connection)
        _destroy(connection)
    try:
        connection.createXML(xml(virt_type), 0)
    except libvirt.libvirtError as error:
        return result.failure(
            'a guest does not start with KVM ([libvirt] virt_type is kvm): '
            f'no Domain R does, and no instance. libvirt says: {error}')
    if ends(connection):
        return result.GOOD
    return result.failure(
        '[libvirt] virt_type is kvm, but a guest without a disk did not come '
        f'through its firmware in {_LONGEST_S:.0f} s: KVM does not work on '
        'this host, whatever /dev/kvm says. Switch nested virtualisation on '
        'below it, or set virt_type to qemu')


def xml(virt_type: str) -> str:
    """The domain of the guest."""
    return _XML.format(virt_type)


def ends(connection: libvirt.virConnect) -> bool:
    """Whether a guest that was started ends, for it has come through its
    firmware; it is gone then, either way.

    :raises libvirt.libvirtError: nobody can tell.
    """
    try:
        return _wait(connection)
    finally:
        _destroy(connection)


def _wait(connection: libvirt.virConnect) -> bool:
    """Wait for its end; whether it came."""
    deadline = time.monotonic() + _LONGEST_S
    while _is_there(connection):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _is_there(connection: libvirt.virConnect) -> bool:
    try:
        connection.lookupByName(NAME)
        return True
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        return False


def _destroy(connection: libvirt.virConnect) -> None:
    try:
        connection.lookupByName(NAME).destroy()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN,
                                          libvirt.VIR_ERR_OPERATION_INVALID):
            raise
