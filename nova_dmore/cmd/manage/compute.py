# SPDX-License-Identifier: Apache-2.0
"""What nova-compute of this host uses, for a command that needs it, too.

To be imported when the command is known: it loads Nova.
"""

import functools
import shlex
from collections.abc import Callable
from collections.abc import Sequence

import libvirt
import nova.conf
from nova import context as nova_context
from nova import objects
from nova import utils
from nova.virt.libvirt import vif
from oslo_config import cfg
from oslo_privsep import priv_context
import os_vif

from nova_dmore.cmd import hypervisor
from nova_dmore.cmd import settings
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.pair import factory
from nova_dmore.virt.pair import incoming

CONF = nova.conf.CONF


class Compute:
    """One host, as a command sees it; libvirt is asked by those that need
    it.

    :param connect: to libvirt.
    """

    def __init__(self, conf: cfg.ConfigOpts,
                 connect: Callable[[], libvirt.virConnect]) -> None:
        objects.register_all()
        self.conf = conf
        self._connect = connect
        self.pairs: incoming.IncomingPairs = factory.make_pairs(
            conf, lambda: self.connection, vif.LibvirtGenericVIFDriver(None),
            nova_context.get_admin_context())

    @functools.cached_property
    def connection(self) -> libvirt.virConnect:
        """To libvirt.

        :raises nova_dmore.exception.PairError: it does not answer.
        """
        try:
            return self._connect()
        except libvirt.libvirtError as error:
            raise exception.PairError(
                f'libvirt: {error}. Is it running, and may this user connect '
                'to it?') from error


def read(files: Sequence[str] | None) -> cfg.ConfigOpts:
    """Nova's configuration.

    :param files: ``--config-file``.
    :raises nova_dmore.exception.ConfigurationError: it cannot be read, or
        another user than nova-compute's asks.
    """
    dmore_conf.register(CONF)
    settings.read(CONF, files)
    settings.check_user(CONF.dmore)
    return CONF


def read_only(files: Sequence[str] | None) -> Compute:
    """This host, to be read and not changed: libvirt is asked read-only.

    :param files: ``--config-file``.
    :raises nova_dmore.exception.DMoreError: it cannot be.
    """
    return Compute(read(files), hypervisor.connect_read_only)


def change(files: Sequence[str] | None) -> Compute:
    """This host, for a command that plugs or ends something.

    :param files: ``--config-file``.
    :raises nova_dmore.exception.DMoreError: it cannot be.
    """
    compute = Compute(read(files), hypervisor.connect)
    priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
    os_vif.initialize()
    return compute
