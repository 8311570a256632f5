# SPDX-License-Identifier: Apache-2.0
"""Tells in figures how many ports are left for Domain Rs.

Each needs one of the quota of the project of ``[neutron]``, and an instance
that gets none starts with the stock consoles.
"""

from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.metrics import figures as figures_module
from nova_dmore.virt.network import ports
if TYPE_CHECKING:
    from nova import context as nova_context
    from oslo_config import cfg

LOG = logging.getLogger(__name__)

#: How often Neutron is asked, in seconds: each host does so.
EVERY_S = 300.0


class PortQuota:
    """As one host sees it.

    :param options: the ``[dmore]`` options.
    :param context: an admin ``RequestContext``.
    :param figures: those of this host.
    """

    def __init__(self, options: 'cfg.ConfigOpts.GroupAttr',
                 context: 'nova_context.RequestContext',
                 figures: figures_module.Figures) -> None:
        self._options = options
        self._context = context
        self._figures = figures

    def refresh(self) -> None:
        """Called by :mod:`nova_dmore.virt.care.watch`. What Neutron does not
        tell is in no figure."""
        used: int | None = None
        allowed: int | None = None
        if self._options.management_network:
            try:
                found = ports.quota_of_project(self._context)
            except exception.AddressError as error:
                LOG.info('How many ports are left for Domain Rs is not known: '
                         '%s', text.printable(error))
            else:
                if found is not None:
                    used, allowed = found.used, found.limit
        self._figures.set('ports_used', used)
        self._figures.set('ports_allowed', allowed)
