# SPDX-License-Identifier: Apache-2.0
"""What Nova holds in place of the Guest of an instance with a Domain R."""


class CoMigratingGuest:
    """Nova's Guest, whose ``migrate()`` takes its Domain R along."""

    def __init__(self, guest, role):
        self._guest = guest
        self._role = role

    def __getattr__(self, name):
        return getattr(self._guest, name)

    def migrate_configure_max_downtime(self, mstime):
        """Called by Nova's monitor, with each step of its downtime."""
        if not self._role.take_downtime(mstime):
            self._guest.migrate_configure_max_downtime(mstime)

    def migrate_start_postcopy(self):
        """Called by Nova's monitor for force-complete, or by itself, where
        post-copy is permitted. QEMU refuses it before the job has begun, and
        Nova asks only once."""
        self._role.wait_for_the_instances_job(is_sent=True)
        self._guest.migrate_start_postcopy()

    def migrate(self, destination, **arguments):
        """Called by Nova with the arguments of ``Guest.migrate``."""
        self._role.run(self._guest, destination, **arguments)
