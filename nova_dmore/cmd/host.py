# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage host``: what is done to a host without nova-compute.

Unlike the other commands it needs libvirt, the host service, and the right to
unplug a port, as nova-compute has it.
"""

import shlex
from collections.abc import Sequence

import libvirt
from nova import context as nova_context
from nova import objects
from nova import utils
from nova.virt.libvirt import vif
import nova.conf
import os_vif
from oslo_privsep import priv_context

from nova_dmore.cmd import hypervisor
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.care import leftovers
from nova_dmore.virt.pair import factory

CONF = nova.conf.CONF


def clean(files: Sequence[str]) -> str:
    """Remove the pairs that no instance on this host uses any more.

    :param files: the configuration files of nova-compute.
    :returns: a line for each pair, for people.
    :raises nova_dmore.exception.DMoreError: nothing was done.
    """
    dmore_conf.register(CONF)
    CONF([], project='nova', default_config_files=list(files))
    if (CONF.compute_driver or '').rpartition('.')[2] == 'DMoreDriver':
        raise exception.ConfigurationError(
            f'[DEFAULT] compute_driver is {CONF.compute_driver}: nova-compute '
            'removes the pairs of this host itself')
    try:
        connection = hypervisor.connect()
    except libvirt.libvirtError as error:
        raise exception.PairError(f'libvirt: {error}') from error
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    objects.register_all()
    os_vif.initialize()
    pairs = factory.make_pairs(
        CONF, lambda: connection, vif.LibvirtGenericVIFDriver(None),
        nova_context.get_admin_context())
    return '\n'.join(_clean(leftovers.Leftovers(pairs, connection)))


def _clean(left: leftovers.Leftovers) -> list[str]:
    lines = []
    for uuid in left.instances():
        try:
            if left.is_used(uuid):
                lines.append(f'{uuid} is used by its instance: migrate that, '
                             'or start it anew, and clean again')
                continue
            left.remove(uuid)
            lines.append(f'{uuid} removed')
        except exception.DMoreError as error:
            lines.append(f'{uuid} not removed: {error}')
    return lines
