# SPDX-License-Identifier: Apache-2.0
"""The libvirt of this host, as commands of the operator reach it.

To be called when Nova's configuration is read.
"""

import libvirt
from nova.virt.libvirt import driver as libvirt_driver


def connect() -> libvirt.virConnect:
    """A connection to the libvirt that nova-compute uses.

    :raises libvirt.libvirtError: it does not answer.
    """
    _say_nothing()
    return libvirt.open(libvirt_driver.LibvirtDriver._uri())


def connect_read_only() -> libvirt.virConnect:
    """As :func:`connect`; it changes nothing, and needs no right to do so.

    :raises libvirt.libvirtError: it does not answer.
    """
    _say_nothing()
    return libvirt.openReadOnly(libvirt_driver.LibvirtDriver._uri())


def _say_nothing() -> None:
    """libvirt would print each error besides raising it."""
    libvirt.registerErrorHandler(lambda context, error: None, None)
