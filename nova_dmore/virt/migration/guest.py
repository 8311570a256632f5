# SPDX-License-Identifier: Apache-2.0
"""Where Nova's live migration calls ours: in place of Nova's ``Guest``.

The first step at the source. :mod:`nova_dmore.virt.migration.source_roles`
puts a :class:`CoMigratingGuest` in place of the ``Guest`` with which Nova
migrates an instance that has a Domain R; its calls go on to
:mod:`nova_dmore.virt.migration.source`.
"""

from typing import Any, TYPE_CHECKING

import libvirt
from nova.virt.libvirt import guest as nova_guest

if TYPE_CHECKING:
    from nova_dmore.virt.migration import source as source_module


class CoMigratingGuest:
    """Nova's Guest; its ``migrate()`` migrates Domain R, too.

    :param guest: Nova's ``nova.virt.libvirt.guest.Guest``.
    :param role: a :class:`nova_dmore.virt.migration.source.SourceRole`.
    """

    def __init__(self, guest: nova_guest.Guest,
                 role: 'source_module.SourceRole') -> None:
        self._guest = guest
        self._role = role

    def __getattr__(self, name: str) -> Any:
        return getattr(self._guest, name)

    def get_job_info(self) -> nova_guest.JobInfo:
        """Called by Nova's monitor. Of what was aborted before libvirt was
        asked libvirt does not tell that it was cancelled."""
        if self._role.is_cancelled():
            return nova_guest.JobInfo(type=libvirt.VIR_DOMAIN_JOB_CANCELLED)
        return self._guest.get_job_info()

    def migrate_configure_max_downtime(self, mstime: int) -> None:
        """Called by Nova's monitor, each time that Nova allows a longer
        downtime, in milliseconds."""
        if not self._role.migrate_configure_max_downtime(mstime):
            self._guest.migrate_configure_max_downtime(mstime)

    def migrate_start_postcopy(self) -> None:
        """Called by Nova's monitor where post-copy is permitted, for
        force-complete or by Nova's own decision. QEMU refuses it before it
        has begun to copy memory, and Nova asks only once."""
        self._role.wait_for_instance_job(is_copying=True)
        self._guest.migrate_start_postcopy()

    def migrate(self, destination: str, **arguments: Any) -> None:
        """Called by Nova with the arguments of ``Guest.migrate``."""
        self._role.migrate(self._guest, destination, **arguments)
