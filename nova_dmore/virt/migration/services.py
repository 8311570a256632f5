# SPDX-License-Identifier: Apache-2.0
"""What the source of a co-migration works with.

Made by the driver for each one; ``source.py``, ``carry_over.py``,
``completion.py`` and ``rollback.py`` use it.
"""

import dataclasses

from nova_dmore.virt.care import reporter as reporter_module
from nova_dmore.virt.care import watch as watch_module
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import pairs as pairs_module
from nova_dmore.virt.rpc import destination as destination_rpc


@dataclasses.dataclass(frozen=True)
class Services:
    """The services and the configuration of the host."""

    pairs: pairs_module.Pairs
    watch: watch_module.Watch
    reporter: reporter_module.Reporter
    destination: destination_rpc.DestinationAPI
    #: URI of this host's libvirt.
    libvirt_uri: str
    precopy_timeout_s: float
    hold_bandwidth_mib: int
    #: How Domain R is sent back to this host.
    uris_of_this_host: uris.MigrationURIs
    #: False: Domain R switches over as soon as it can.
    hold: bool = True
    #: False: Domain R is migrated beside its instance, but not in step.
    synchronise: bool = True
