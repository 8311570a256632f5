# SPDX-License-Identifier: Apache-2.0
"""The domain XML of a pair: pure functions, text in and text out.

* :func:`domain_r` is the whole of a Domain R.
* :func:`with_shadow_devices` turns the XML that Nova made for an instance
  into that of an instance with shadow devices.
* :func:`for_destination` adapts an instance's XML to its destination, and
  :func:`domain_r_for_destination` that of a Domain R.
"""

import dataclasses
import os
import re

from lxml import etree

from nova_dmore import places
from nova_dmore.virt.pair import host_side
from nova_dmore import wire

_DMORE_NAMESPACE = 'https://nova-dmore.invalid/xmlns/pair/1'
_QEMU = host_side.QEMU
_DMORE = f'{{{_DMORE_NAMESPACE}}}'

#: QEMU 7.2 clears the dirty bits of a RAM block whose size is a multiple of
#: this (64 pages) without telling the emulated CPU's TLB, so that later writes
#: are not sent: a migration then corrupts the guest (fixed upstream for 9.0,
#: "physmem: Fix migration dirty bitmap coherency with TCG memory access";
#: softmmu/physmem.c and include/exec/ram_addr.h). Any other size takes the
#: page-wise path, which does tell it.
_FAST_SYNC_BYTES = 64 * 4096
#: QEMU rounds ``-m`` up to a multiple of this.
_RAM_GRANULE_BYTES = 8192

#: An emulated Domain R's buffer for translated code is at most so large: what
#: is filled once stays resident. Its start fills this a few times; what it
#: does afterwards fits.
_TB_CACHE_MIB_MAX = 32

#: Where its instance can go, Domain R can go. So it has a machine type that
#: every supported QEMU has ("pc" would be the newest of the host that it was
#: started on, which an older QEMU does not know), and under KVM a processor
#: that every x86-64 host can show it, whatever [libvirt] cpu_mode gives the
#: instances: "host-model" would keep it from an older processor.
_MACHINE = 'pc-i440fx-7.2'
_CPU_MODEL = 'kvm64'

#: Alias that libvirt gives the first shared memory device; the override that
#: makes it migratable names it.
_SHMEM_ALIAS = 'shmem0'


@dataclasses.dataclass(frozen=True)
class DomainR:
    """What the XML of a Domain R is made of."""

    name: str
    uuid: str
    instance_uuid: str
    #: libvirt's domain type: ``qemu`` or ``kvm``.
    virt_type: str
    memory_mib: int
    #: Directory of the unpacked image.
    image_dir: str
    #: The directories of the pair.
    where: places.Places
    kernel_arguments: str
    #: ``<interface>`` element as text, from Nova's VIF driver.
    interface: str
    #: File for the console of Domain R's kernel.
    log_file: str
    #: Size in MiB of the instances' TCG translation buffers, None for QEMU's
    #: default; Domain R's is smaller.
    tb_cache_mib: int | None = None
    #: What the pair's keeper knows.
    layout: places.Layout = places.NEWEST
    #: Whether its region is of wire.LARGE_REGION_SIZE.
    large_region: bool = False
    #: Processors of the host for all threads, as libvirt lists them; None:
    #: any.
    cpus: str | None = None


def domain_r(config: DomainR) -> str:
    """The XML of a Domain R, to be started as a transient domain."""
    root = etree.Element(
        'domain', type=config.virt_type,
        nsmap={'qemu': host_side.QEMU_NAMESPACE})
    _add(root, 'name', config.name)
    _add(root, 'uuid', config.uuid)
    metadata = _add(root, 'metadata')
    pair = etree.SubElement(
        metadata, _DMORE + 'pair', nsmap={'dmore': _DMORE_NAMESPACE})
    pair.set('instance', config.instance_uuid)
    _add(root, 'memory', str(config.memory_mib), unit='MiB')
    # Also of QEMU's other threads, which have no set of their own.
    _add(root, 'vcpu', '1', **({'cpuset': config.cpus} if config.cpus else {}))
    system = _add(root, 'os')
    _add(system, 'type', 'hvm', machine=_MACHINE)
    _add(system, 'kernel', os.path.join(config.image_dir, 'vmlinuz'))
    _add(system, 'initrd', os.path.join(config.image_dir, 'initrd'))
    _add(system, 'cmdline', config.kernel_arguments)
    features = _add(root, 'features')
    _add(features, 'acpi')
    _add(features, 'apic')
    if config.virt_type == 'kvm':
        cpu = _add(root, 'cpu', mode='custom', match='exact', check='none')
        _add(cpu, 'model', _CPU_MODEL, fallback='forbid')
    else:
        tcg = _add(features, 'tcg')
        _add(tcg, 'tb-cache', str(min(
            config.tb_cache_mib or _TB_CACHE_MIB_MAX, _TB_CACHE_MIB_MAX)),
            unit='MiB')
    # libvirt gives kernel, initrd and disk, also a read-only one, to QEMU's
    # user where [qemu.conf] dynamic_ownership is on, as it is by default
    # (virSecurityDACSetAllLabel in src/security/security_dac.c), and the
    # owner of a file may write it: one broken QEMU could then change what
    # every later Domain R of the host starts from. Kernel and initrd have no
    # label of their own, so it is the domain that has none. QEMU's user is
    # that of qemu.conf all the same (virSecurityDACGetIds), on each host, and
    # SELinux' and AppArmor's labels are not touched.
    _add(root, 'seclabel', type='none', model='dac')
    _add(root, 'on_poweroff', 'destroy')
    # A Domain R that crashed or rebooted has lost its state: it is rebuilt
    # from outside, with a new epoch.
    _add(root, 'on_reboot', 'destroy')
    _add(root, 'on_crash', 'destroy')
    devices = _add(root, 'devices')
    disk = _add(devices, 'disk', type='file', device='disk')
    _add(disk, 'driver', name='qemu', type='raw')
    _add(disk, 'source', file=os.path.join(
        config.image_dir, 'root.squashfs'))
    _add(disk, 'target', dev='vda', bus='virtio')
    _add(disk, 'readonly')
    _add(devices, 'controller', type='usb', model='none')
    interface = etree.fromstring(config.interface)
    devices.append(_plain(interface))
    # Without it the SSH server waits for entropy.
    rng = _add(devices, 'rng', model='virtio')
    _add(rng, 'backend', '/dev/urandom', model='random')
    serial = _add(devices, 'serial', type='file')
    _add(serial, 'source', path=config.log_file, append='on')
    _add(serial, 'target', port='0')
    _add(devices, 'memballoon', model='none')
    shmem = _add(devices, 'shmem', name='dmore', role='master')
    _add(shmem, 'model', type='ivshmem-doorbell')
    server = _add(shmem, 'server')
    if config.large_region:
        server.set('path', wire.LARGE_IVSHMEM_SOCKET)   # led somewhere below
    _add(shmem, 'msi', vectors=str(len(wire.Vector)), ioeventfd='on')
    host_side.lead_domain_r(root, config.where, config.layout)
    if config.virt_type == 'qemu':
        _make_ram_odd(root, config.memory_mib)
    # libvirt 9.0 passes role='master' on to ivshmem-plain only, and QEMU
    # refuses to migrate a doorbell device that is a peer.
    override = etree.SubElement(root, _QEMU + 'override')
    device = etree.SubElement(override, _QEMU + 'device', alias=_SHMEM_ALIAS)
    frontend = etree.SubElement(device, _QEMU + 'frontend')
    etree.SubElement(
        frontend, _QEMU + 'property', name='master', type='string',
        value='on')
    return str(etree.tostring(root, encoding='unicode'))


def image_digest(xml: str) -> str | None:
    """Digest of the image that a Domain R was started from: its directory is
    named so. None: it is in no such directory."""
    kernel = etree.fromstring(xml).findtext('os/kernel') or ''
    name = os.path.basename(os.path.dirname(kernel))
    return name if re.fullmatch('[0-9a-f]{64}', name) else None


@dataclasses.dataclass(frozen=True)
class ShadowedInstance:
    """An instance whose consoles are those of its shadow devices."""

    xml: str
    #: Host and port of the TCP consoles that it no longer has, which Nova
    #: had reserved.
    released_ports: list[tuple[str, int]]
    #: Whether it has a display.
    display: bool


def with_shadow_devices(xml: str, where: places.Places,
                        layout: places.Layout = places.NEWEST
                        ) -> ShadowedInstance:
    """Connect an instance's console devices to its shadow devices.

    The first serial port becomes a pair of FIFOs of the shadow-device process
    (its log file stays), and QEMU connects a second monitor to it. If the
    instance has a VNC server, that one listens at nothing, and the
    shadow-device process gives it connections. The guest sees no difference.

    :param xml: the domain as Nova would start it, or as libvirt has kept it.
    :param where: the directories of the pair.
    :param layout: what the pair's keeper knows.
    """
    # qemu:commandline is ignored unless its prefix is declared on the root.
    old_root = etree.fromstring(xml)
    root = etree.Element(
        old_root.tag, old_root.attrib,
        nsmap={**old_root.nsmap, 'qemu': host_side.QEMU_NAMESPACE})
    root.text = old_root.text
    root.extend(list(old_root))
    display = host_side.has_display(root)
    serial_ports = list(host_side.first_serial_ports(root))
    released = _tcp_ports(serial_ports)
    for device in serial_ports:
        host_side.lead_serial_port(device, where, layout)
    # libvirt's own <listen type='socket'> would do, but asks for the
    # password, TLS and SASL of qemu.conf there too: those of a cloud whose
    # proxies speak VeNCrypt. A migration finds no address to rewrite.
    for graphics in root.findall("./devices/graphics[@type='vnc']"):
        graphics.getparent().remove(graphics)
        display = True
    host_side.lead_instance(root, where, layout, display)
    return ShadowedInstance(
        etree.tostring(root, encoding='unicode'), released, display)


def tcp_ports(xml: str) -> list[tuple[str, int]]:
    """Host and port of each TCP console of an instance as Nova would start
    it."""
    root = etree.fromstring(xml)
    return _tcp_ports(root.findall('./devices/serial')
                      + root.findall('./devices/console'))


def _tcp_ports(devices: list[etree._Element]) -> list[tuple[str, int]]:
    """Host and port of each of these that is one over TCP, once each: a
    console may be the alias of a serial port."""
    sources = [device.find('source') for device in devices
               if device.get('type') == 'tcp']
    return list(dict.fromkeys(
        (source.get('host'), int(source.get('service')))
        for source in sources if source is not None))


def has_shadow_devices(xml: str) -> bool:
    """Whether an instance was started with shadow devices."""
    return _places_of(etree.fromstring(xml)) is not None


def _places_of(root: etree._Element) -> places.Places | None:
    """Where an instance's shadow devices are, if it has some."""
    return next(filter(None, map(
        host_side.places_of, host_side.first_serial_ports(root))), None)


def has_display(xml: str) -> bool:
    """Whether an instance was started with a display of its shadow devices.
    """
    return host_side.has_display(etree.fromstring(xml))


def for_destination(xml: str, layout: int = places.NEWEST,
                    stock: host_side.StockConsoles = host_side.StockConsoles()
                    ) -> str:
    """Adapt an instance's XML, as Nova made it, to its destination.

    The console log goes on: the destination's QEMU must append to it. What the
    consoles lead to is no matter of the guest's.

    :param layout: the newest that the destination knows.
    :param stock: where the consoles are there, if that is STOCK.
    """
    root = etree.fromstring(xml)
    where = _places_of(root)
    if where is not None:
        layout = _known(layout)
        display = host_side.has_display(root)
        for device in host_side.first_serial_ports(root):
            host_side.lead_serial_port(device, where, layout, stock)
        host_side.lead_instance(root, where, layout, display, stock)
    for device in host_side.first_serial_ports(root):
        for log in device.findall('log'):
            log.set('append', 'on')
    return str(etree.tostring(root, encoding='unicode'))


@dataclasses.dataclass(frozen=True)
class DomainRThere:
    """A Domain R that is to leave, for its destination."""

    #: Whether it can only be where the layout LARGE_REGIONS is known.
    large_region: bool
    #: Its XML there, None: that of here.
    xml: str | None


def domain_r_for_destination(xml: str, where: places.Places, layout: int,
                             cpus: str | None = None) -> DomainRThere:
    """Adapt a Domain R's XML to its destination.

    :param layout: the newest that the destination knows.
    :param cpus: see :func:`with_processors`.
    """
    root = etree.fromstring(xml)
    changed = host_side.lead_domain_r(root, where, _known(layout))
    changed = _set_processors(root, cpus) or changed
    return DomainRThere(
        host_side.has_large_region(root),
        etree.tostring(root, encoding='unicode') if changed else None)


def with_processors(xml: str, cpus: str | None) -> str | None:
    """Give a Domain R the processors of another host; None: it has no others.

    :param cpus: as libvirt lists them. All threads of its QEMU are on these
        before QEMU begins, for the domain has no set of another kind. None:
        any. Where that host has an opinion, it says so again when Domain R
        has arrived (:meth:`nova_dmore.virt.pair.domain_r.DomainR.bind`).
    """
    root = etree.fromstring(xml)
    return (str(etree.tostring(root, encoding='unicode'))
            if _set_processors(root, cpus) else None)


def _set_processors(root: etree._Element, cpus: str | None) -> bool:
    """Whether something had to be changed."""
    vcpu = root.find('vcpu')
    before = vcpu.attrib.pop('cpuset', None)
    if cpus is not None:
        vcpu.set('cpuset', cpus)
    tunes = root.findall('cputune')
    for tune in tunes:
        root.remove(tune)
    return bool(tunes) or before != cpus


def _known(layout: int) -> places.Layout:
    """A destination may know more than this host does."""
    return places.Layout(min(layout, places.NEWEST))


def _plain(interface: etree._Element) -> etree._Element:
    """Take from an interface what a console does not need.

    Offloads leave checksums to a later hop, and a userspace datapath has
    none that fills them in. A boot ROM costs a second of an emulated boot.
    """
    driver = interface.find('driver')
    if driver is None:
        driver = _add(interface, 'driver', name='qemu')
    off = {name: 'off' for name in ('csum', 'tso4', 'tso6', 'ecn', 'ufo')}
    _add(driver, 'host', gso='off', **off)
    _add(driver, 'guest', **off)
    _add(interface, 'rom', enabled='no')
    return interface


def _make_ram_odd(root: etree._Element, memory_mib: int) -> None:
    """Give an emulated Domain R a RAM size that migrates whole.

    libvirt rounds memory to MiB, so QEMU is told again: what comes last on
    its command line stands. An idle Domain R is one process whose TLB is
    hardly ever flushed, so without this most of its migrations end in a
    panic; an instance switches between processes all the time.
    """
    size = memory_mib * 1024 * 1024 + _RAM_GRANULE_BYTES
    assert size % _FAST_SYNC_BYTES
    host_side.add_arguments(
        root, '-object', f'memory-backend-ram,id=dmore.ram,size={size}',
        '-machine', 'memory-backend=dmore.ram', '-m', f'{size // 1024}k')


def _add(parent: etree._Element, tag: str, text: str | None = None,
         **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, tag, attributes)
    element.text = text
    return element
