# SPDX-License-Identifier: Apache-2.0
"""How the XML of a domain leads to its pair's keeper, in each layout.

Nothing of it is seen by the guest, so a domain can be started, or sent to
another host, in any of them (:class:`nova_dmore.places.Layout`).
"""

import dataclasses
import os
from collections.abc import Iterator

from lxml import etree

from nova_dmore import places
from nova_dmore import wire

Layout = places.Layout

QEMU_NAMESPACE = 'http://libvirt.org/schemas/domain/qemu/1.0'
QEMU = f'{{{QEMU_NAMESPACE}}}'

#: What QEMU's chardev for our monitor is called.
_MONITOR = 'dmore-qmp'
_MONITOR_USE = ('-mon', f'chardev={_MONITOR},mode=control')


@dataclasses.dataclass(frozen=True)
class StockConsoles:
    """Where an instance without a pair has its consoles, on one host."""

    #: The address that its VNC server listens at, None: it has none.
    vnc_address: str | None = None
    #: Address and TCP port of its first serial port, None: that is a pty.
    serial: tuple[str, int] | None = None


def first_serial_ports(root: etree._Element) -> Iterator[etree._Element]:
    """The first serial port, and the console that is its alias."""
    for path in ('./devices/serial', './devices/console'):
        for device in root.findall(path):
            target = device.find('target')
            if target is None or target.get('port', '0') == '0':
                yield device
                break


def places_of(device: etree._Element) -> places.Places | None:
    """Where a serial port leads to, if that is a keeper."""
    source = device.find('source')
    path = source.get('path', '') if source is not None else ''
    name = wire.SERIAL0_PIPE if device.get('type') == 'pipe' else (
        wire.SERIAL0_SOCKET)    # of an instance started by 0.1
    if os.path.basename(path) != name:
        return None
    return places.of_instance_path(path)


def lead_serial_port(device: etree._Element, where: places.Places,
                     layout: Layout, stock: StockConsoles = StockConsoles()
                     ) -> None:
    """Have a serial port, or its console, lead to the keeper.

    :param stock: where it leads in the layout STOCK; its log file stays.
    """
    for name in ('source', 'protocol', 'alias'):
        for element in device.findall(name):
            device.remove(element)
    device.attrib.pop('tty', None)
    if layout is Layout.STOCK and stock.serial is None:
        device.set('type', 'pty')
        return
    source = etree.Element('source')
    device.insert(0, source)
    if stock.serial is not None and layout is Layout.STOCK:
        host, port = stock.serial
        device.set('type', 'tcp')
        source.set('mode', 'bind')
        source.set('host', host)
        source.set('service', str(port))
        device.insert(1, etree.Element('protocol', type='raw'))
        return
    if layout is Layout.SOCKETS:
        device.set('type', 'unix')
        source.set('mode', 'connect')
        source.set('path', os.path.join(where.own, wire.SERIAL0_SOCKET))
        etree.SubElement(source, 'reconnect', enabled='yes', timeout='1')
        return
    device.set('type', 'pipe')
    source.set('path', os.path.join(
        where.own if layout is Layout.FIFOS else where.instance,
        wire.SERIAL0_PIPE))
    # If libvirt gave them to QEMU's user, the next keeper could not open them;
    # a group of that user lets it in.
    etree.SubElement(source, 'seclabel', model='dac', relabel='no')


def lead_instance(root: etree._Element, where: places.Places, layout: Layout,
                  display: bool, stock: StockConsoles = StockConsoles()
                  ) -> None:
    """Have an instance's monitor and display, and nothing else, lead there.

    :param display: whether it has a VNC server.
    :param stock: where that listens in the layout STOCK.
    """
    new = _monitor(where.instance)
    earlier = _earlier_monitor(where, wire.INSTANCE_QMP_SOCKET)
    earlier_display = ('-vnc', 'unix:' + os.path.join(
        where.own, wire.DISPLAY_SOCKET))
    _remove_arguments(root, new[:2], _MONITOR_USE, _NO_LISTENER, earlier,
                      earlier_display)
    is_new = layout >= Layout.DOMAIN_DIRECTORIES
    if layout is not Layout.STOCK:
        add_arguments(root, *(new if is_new else earlier))
    if display and layout is Layout.STOCK:
        _add_stock_display(root, stock)
    elif display:
        add_arguments(root, *(_NO_LISTENER if is_new else earlier_display))


def _add_stock_display(root: etree._Element, stock: StockConsoles) -> None:
    """Add a VNC server, as Nova does. libvirt has a domain keep most devices
    in a migration, and not these: the guest does not see them
    (virDomainDefCheckABIStabilityFlags in src/conf/domain_conf.c)."""
    if stock.vnc_address is None:
        add_arguments(root, *_NO_LISTENER)      # the guest keeps its display
        return
    graphics = etree.SubElement(
        root.find('devices'), 'graphics', type='vnc', port='-1',
        autoport='yes', listen=stock.vnc_address)
    etree.SubElement(graphics, 'listen', type='address',
                     address=stock.vnc_address)


def has_display(root: etree._Element) -> bool:
    """Whether an instance that leads to a keeper has a VNC server."""
    found = _pairs(root)
    return _NO_LISTENER in found and _MONITOR_USE in found or any(
        option == '-vnc' and os.path.basename(value) == wire.DISPLAY_SOCKET
        for option, value in found)


def has_large_region(root: etree._Element) -> bool:
    """Whether a Domain R has a region of wire.LARGE_REGION_SIZE: the socket
    that its device connects to says so, here and wherever it goes."""
    server = root.find('./devices/shmem/server')
    return server is not None and os.path.basename(
        server.get('path', '')) == wire.LARGE_IVSHMEM_SOCKET


def lead_domain_r(root: etree._Element, where: places.Places, layout: Layout
                  ) -> bool:
    """Have a Domain R's device and monitor lead to the keeper; one with a
    large region is for the layout LARGE_REGIONS alone.

    :returns: whether the XML was changed: False if they do so already.
    """
    is_new = layout >= Layout.DOMAIN_DIRECTORIES
    server = root.find('./devices/shmem/server')
    path = os.path.join(
        where.domain_r if is_new else where.own,
        wire.LARGE_IVSHMEM_SOCKET if has_large_region(root)
        else wire.IVSHMEM_SOCKET)
    if server is None or server.get('path') == path:
        return False
    server.set('path', path)
    new = _monitor(where.domain_r)
    earlier = _earlier_monitor(where, wire.DOMAIN_R_QMP_SOCKET)
    _remove_arguments(root, new[:2], _MONITOR_USE, earlier)
    add_arguments(root, *(new if is_new else earlier))
    return True


# -- QEMU's arguments

#: A VNC server that does not listen; the keeper hands it each connection by
#: QMP. libvirt's XML has no word for one: with ``<listen type='none'/>``
#: libvirt makes the connections itself.
_NO_LISTENER = ('-vnc', 'none')


def _monitor(directory: str) -> tuple[str, ...]:
    """A monitor that QEMU connects to the keeper, beside libvirt's.

    ``reconnect`` is deprecated from QEMU 9.2 on for ``reconnect-ms``, which
    those before do not know.
    """
    path = os.path.join(directory, wire.QMP_SOCKET)
    return ('-chardev', f'socket,id={_MONITOR},path={path},reconnect=1',
            *_MONITOR_USE)


def _earlier_monitor(where: places.Places, name: str) -> tuple[str, str]:
    return '-qmp', (f'unix:{os.path.join(where.own, name)},'
                    'server=on,wait=off')


def add_arguments(root: etree._Element, *arguments: str) -> None:
    """Give QEMU arguments beside libvirt's own."""
    commandline = root.find(QEMU + 'commandline')
    if commandline is None:
        commandline = etree.SubElement(root, QEMU + 'commandline')
    for argument in arguments:
        etree.SubElement(commandline, QEMU + 'arg', value=argument)


def _elements(root: etree._Element) -> list[etree._Element]:
    return list(root.findall(f'{QEMU}commandline/{QEMU}arg'))


def _pairs(root: etree._Element) -> set[tuple[str, ...]]:
    """Each argument with the one after it, in any order."""
    values = [each.get('value') for each in _elements(root)]
    return set(zip(values, values[1:]))


def _remove_arguments(root: etree._Element, *unwanted: tuple[str, ...]
                      ) -> None:
    elements = _elements(root)
    while elements:
        first, *elements = elements
        if elements and (first.get('value'),
                         elements[0].get('value')) in unwanted:
            second, *elements = elements
            for each in (first, second):
                each.getparent().remove(each)
