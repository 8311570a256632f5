# SPDX-License-Identifier: Apache-2.0
"""The serial ports that an instance is to have with its pair.

Nova makes none for a domain that has some over TCP, where it makes the XML
before it removes the domain: it takes that for a migration
(``_serial_ports_already_defined``). So it is in a rescue, and in a resize that
is reverted, of an instance that has several, or that had no pair until then.
Without the first one there is no console, and nobody would know its pair for
one.
"""

import copy
from collections.abc import Callable

from lxml import etree

from nova_dmore import exception
from nova_dmore.virt.pair import host_side


def kept(xml: str, definition: Callable[[], str | None]) -> str:
    """The XML with which an instance is started, with the serial ports that it
    has had if Nova makes none.

    Those but the first have the TCP ports of before, which Nova has released:
    so it is in an unrescue. Who looks for one finds that QEMU has it.

    :param xml: as Nova would start it.
    :param definition: returns that which libvirt has; None: it has none.
    :raises nova_dmore.exception.PairError: there is no first serial port in
        either.
    """
    root = etree.fromstring(xml)
    if _has_first(root):
        return xml
    defined = definition()
    if defined is not None:
        known = etree.fromstring(defined)
        # On some architectures the console is the serial port.
        root.find('devices').extend(copy.deepcopy(
            known.findall('./devices/serial')
            or known.findall('./devices/console')))
        for device in host_side.first_serial_ports(root):
            # Another instance may have its TCP port by now: nobody is to
            # release that.
            device.set('type', 'pty')
    if not _has_first(root):
        raise exception.PairError('the instance has no serial port')
    return str(etree.tostring(root, encoding='unicode'))


def _has_first(root: etree._Element) -> bool:
    return next(host_side.first_serial_ports(root), None) is not None
