# SPDX-License-Identifier: Apache-2.0
"""The libvirt of this host, as commands of the operator reach it."""

import libvirt
from nova.virt.libvirt import driver as libvirt_driver


def connect() -> libvirt.virConnect:
    """A connection to the libvirt that nova-compute uses, to be called when
    Nova's configuration is read.

    :raises libvirt.libvirtError: it does not answer.
    """
    return libvirt.open(libvirt_driver.LibvirtDriver._uri())
