# SPDX-License-Identifier: Apache-2.0
"""Whether Domain Rs that start are to show pictures above 2560x1600 pixels.

Such a Domain R has a large region (wire.LARGE_REGION_SIZE), which it keeps for
its life, and which a host of the release before cannot take in. So by default
none is started before every compute host can: each says so beside what it has,
in what Nova keeps of it in its database.
"""

import threading
from typing import Any, TYPE_CHECKING

from nova import objects
from oslo_log import log as logging

from nova_dmore.channel import text
if TYPE_CHECKING:
    from nova import context as nova_context
    from oslo_config import cfg

LOG = logging.getLogger(__name__)

#: In the ``stats`` of a compute node; they are texts.
_STAT = {'dmore_large_pictures': '1'}
#: How often the database is asked, in seconds. No Domain R that starts waits
#: for that but the first one: when nova-compute starts, a new host is not in
#: the database yet.
EVERY_S = 300.0


def said(resources: dict[str, Any]) -> dict[str, Any]:
    """What this host has, with what it says to the others.

    :param resources: as Nova's driver reports them.
    """
    return {**resources, 'stats': {**(resources.get('stats') or {}), **_STAT}}


class LargePictures:
    """As one host sees it; thread-safe.

    :param options: the ``[dmore]`` options.
    :param context: an admin ``RequestContext``.
    """

    def __init__(self, options: 'cfg.ConfigOpts.GroupAttr',
                 context: 'nova_context.RequestContext') -> None:
        self._options = options
        self._context = context
        self._lock = threading.Lock()
        #: None: nobody has asked yet.
        self._can_all: bool | None = None

    def are_shown(self) -> bool:
        """Whether a Domain R that starts now is to show them."""
        choice = self._options.large_pictures
        if choice != 'auto':
            return bool(choice == 'always')
        with self._lock:
            if self._can_all is None:
                self._can_all = self._ask()
            return self._can_all

    def refresh(self) -> None:
        """Ask the database again, if anybody has asked. Called by
        :mod:`nova_dmore.virt.care.watch`."""
        if self._can_all is not None:
            can_all = self._ask()
            with self._lock:
                self._can_all = can_all

    def _ask(self) -> bool:
        """Whether each compute host of this cell can take them in."""
        try:
            nodes = objects.ComputeNodeList.get_all(self._context)
        except Exception as error:
            # Of many kinds; a picture that is cut is no reason to fail.
            LOG.warning('Whether all hosts have room for large pictures is '
                        'not known: %s', text.printable(error))
            return False
        return bool(nodes) and all(
            _STAT.items() <= (node.stats or {}).items() for node in nodes)
