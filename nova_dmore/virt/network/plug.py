# SPDX-License-Identifier: Apache-2.0
"""Connects Domain R's port to a host's network, through Nova's VIF driver and
os-vif.
"""

import contextlib
import pathlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nova import exception as nova_exception
from nova.network import model as network_model
from nova import objects
from nova.privsep import linux_net
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore.virt.network import address as address_module
if TYPE_CHECKING:
    from nova.virt.libvirt import vif as libvirt_vif

    from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)

#: How long a switch may take to notice a new tap, and how often that is asked,
#: in seconds.
_NOTICE_S = 1.0
_POLL_S = 0.01

_INTERFACES = pathlib.Path('/sys/class/net')
#: IFF_UP and IFF_PROMISC of linux/if.h.
_UP = 0x1
_PROMISCUOUS = 0x100


def to_vif(address: address_module.Address) -> network_model.VIF:
    """The port as Nova's VIF drivers want it.

    The tap is made at the plug, not by libvirt, so that at a destination
    the network is wired before Domain R arrives.
    """
    details = dict(address.vif_details)
    details[network_model.VIF_DETAILS_OVS_CREATE_TAP] = True
    network = network_model.Network(
        id=address.network_id,
        bridge=details.get(network_model.VIF_DETAILS_BRIDGE_NAME),
        label='dmore', mtu=address.mtu)
    return network_model.VIF(
        id=address.port_id, address=address.mac, network=network,
        type=address.vif_type, details=details,
        devname=('tap' + address.port_id)[:network_model.NIC_NAME_LEN],
        ovs_interfaceid=address.port_id, active=True, delegate_create=True)


def carrier(record: 'record_module.PairRecord') -> objects.Instance:
    """A stand-in for the instance, for Nova's VIF driver.

    The driver names the instance to os-vif, and asks its flavor and image
    for properties of the interface; Domain R's are not the instance's.
    """
    return objects.Instance(
        id=0, uuid=record.instance_uuid, project_id=record.project_id,
        display_name=record.instance_name, image_ref='',
        metadata={}, system_metadata={},
        flavor=objects.Flavor(vcpus=1, memory_mb=128, extra_specs={}))


@contextlib.contextmanager
def _nova_errors(what: str) -> Iterator[None]:
    """Turn errors of Nova's driver into AddressError."""
    try:
        yield
    except nova_exception.NovaException as error:
        raise exception.AddressError(f'{what}: {error}') from error


class Plug:
    """Plugs the ports of one host.

    :param vif_driver: Nova's ``LibvirtGenericVIFDriver``.
    :param virt_type: ``[libvirt] virt_type``.
    """

    #: What the VIF driver asks of an image and of a flavor: nothing special.
    _IMAGE_META = objects.ImageMeta.from_dict(
        {'properties': {'hw_vif_model': 'virtio'}})

    def __init__(self, vif_driver: 'libvirt_vif.LibvirtGenericVIFDriver',
                 virt_type: str) -> None:
        self._vif_driver = vif_driver
        self._virt_type = virt_type

    def plug(self, record: 'record_module.PairRecord') -> None:
        """Make the tap and connect it to this host's network.

        :raises nova_dmore.exception.AddressError: it cannot be plugged.
        """
        with _nova_errors(f'port {record.address.port_id} cannot be plugged'):
            vif = to_vif(record.address)
            self._vif_driver.plug(carrier(record), vif)
        _ensure_up(vif['devname'])

    def unplug(self, record: 'record_module.PairRecord') -> None:
        """Undo :meth:`plug`.

        :raises nova_dmore.exception.AddressError: it stays plugged.
        """
        with _nova_errors(
                f'port {record.address.port_id} cannot be unplugged'):
            self._vif_driver.unplug(carrier(record), to_vif(record.address))

    def interface_xml(self, record: 'record_module.PairRecord') -> str:
        """The ``<interface>`` element of Domain R's domain."""
        flavor = objects.Flavor(vcpus=1, memory_mb=128, extra_specs={})
        config = self._vif_driver.get_config(
            carrier(record), to_vif(record.address), self._IMAGE_META, flavor,
            self._virt_type)
        return str(config.to_xml())


def _ensure_up(tap: str) -> None:
    """Set a tap up that was set down when it was made.

    os-vif tells Open vSwitch of the tap, then makes it and sets it up. In its
    userspace datapath Open vSwitch reads the flags of a tap that it finds,
    adds "promiscuous", and writes them (netdev_turn_flags_on in
    lib/netdev.c): if os-vif sets it up in between, it is down again, and
    nothing would ever change that. Once the flag is there it is over.
    """
    deadline = time.monotonic() + _NOTICE_S
    flags = _flags(tap)
    while (flags is not None and not flags & _PROMISCUOUS and
           time.monotonic() < deadline):
        time.sleep(_POLL_S)
        flags = _flags(tap)
    if flags is not None and not flags & _UP:
        LOG.info('Setting %s up, which the switch has set down', tap)
        linux_net.set_device_enabled(tap)


def _flags(tap: str) -> int | None:
    """The flags of an interface of this host; None: there is no such one.

    sysfs shows "promiscuous" whoever has asked for it; ioctl(2) hides it
    where a switch in the kernel has (dev_get_flags in net/core/dev.c).
    """
    try:
        return int((_INTERFACES / tap / 'flags').read_text(), 16)
    except OSError:
        return None
