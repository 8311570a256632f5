# SPDX-License-Identifier: Apache-2.0
"""Makes ``compute_driver = dmore.DMoreDriver`` importable.

Nova imports ``nova.virt.<compute_driver>``, and ``nova.virt`` is a regular
package: nothing outside Nova's tree can lie in it, and a file that a wheel
put there would break an editable install of Nova. So an import finder answers
for exactly one name, ``nova.virt.dmore``.

The finder has to be registered before nova-compute loads its driver, by an
unchanged ``nova-compute`` command. ``os_vif.initialize()`` runs before that
and loads each entry point of the group ``os_vif``; :class:`DMorePlugin` is
one, and importing this module registers the finder.

The plug-in waits in threads of its own (locks, queues, an event loop), which
would stand still, or keep all of nova-compute waiting, where threads are those
of eventlet. So the driver is not loaded there. Nor is it with a Nova that it
was not tested with: Nova is no requirement of this package, lest pip replaces
the one that is there.
"""

import importlib
import importlib.abc
import importlib.machinery
from importlib import metadata
import sys
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING

from os_vif.objects import host_info
from os_vif import plugin
from oslo_log import log as logging
if TYPE_CHECKING:
    from os_vif.objects import instance_info as instance_info_module
    from os_vif.objects import vif as vif_module

LOG = logging.getLogger(__name__)

#: The one module name that the finder answers for.
ALIAS = 'nova.virt.dmore'
#: What is imported under that name.
TARGET = 'nova_dmore.virt.driver'
#: Major versions of Nova: those of a source tree without tags, of 2026.1, and
#: of 2026.2 and the master after it.
_NOVA = (0, 33, 34)


class _AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ALIAS, and loads TARGET in its place."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: types.ModuleType | None = None
                  ) -> importlib.machinery.ModuleSpec | None:
        if fullname != ALIAS:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        # The module that is returned gets the attributes of ``spec``; a
        # plain module that holds the driver class keeps TARGET's own intact.
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        _require_known_nova()
        _require_native_threads()
        driver = importlib.import_module(TARGET)
        setattr(module, 'DMoreDriver', driver.DMoreDriver)
        module.__doc__ = driver.__doc__


def _require_known_nova() -> None:
    """Called before the driver is loaded.

    :raises SystemExit: Nova is of another series.
    """
    version = metadata.version('nova')
    if int(version.partition('.')[0]) not in _NOVA:
        LOG.critical(
            'compute_driver = dmore.DMoreDriver works with Nova 2026.1 (33), '
            '2026.2 (34) and its master, and this is Nova %s: install '
            'another release of nova-dmore, or of Nova', version)
        raise SystemExit(1)


def _require_native_threads() -> None:
    """Called before the driver is loaded.

    :raises SystemExit: nova-compute runs with eventlet.
    """
    # This module is loaded by whatever uses os-vif, with or without Nova.
    utils = importlib.import_module('nova.utils')
    if not utils.concurrency_mode_threading():
        LOG.critical(
            'compute_driver = dmore.DMoreDriver needs native threads: set '
            '[DEFAULT] concurrency_backend to threading (it is eventlet, or '
            'OS_NOVA_DISABLE_EVENTLET_PATCHING in the environment of '
            'nova-compute says so: remove that; Nova 2026.1 needs it with the '
            'value true)')
        raise SystemExit(1)


def register() -> None:
    """Register the finder, once."""
    if not any(isinstance(finder, _AliasFinder) for finder in sys.meta_path):
        sys.meta_path.append(_AliasFinder())


class DMorePlugin(plugin.PluginBase):
    """An os-vif plug-in that plugs nothing: loading it is its purpose."""

    def describe(self) -> host_info.HostPluginInfo:
        """Called by ``os_vif.host_info()``: no VIF type is supported."""
        return host_info.HostPluginInfo(
            plugin_name='dmore', vif_info=[])

    def plug(self, vif: 'vif_module.VIFBase',
             instance_info: 'instance_info_module.InstanceInfo') -> None:
        """Never called: no VIF names this plug-in."""

    def unplug(self, vif: 'vif_module.VIFBase',
               instance_info: 'instance_info_module.InstanceInfo') -> None:
        """Never called: no VIF names this plug-in."""


register()
