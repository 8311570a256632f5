# SPDX-License-Identifier: Apache-2.0
"""What a user or an administrator does in the middle of a migration."""

import abc

from laboratory.faults.fault import Fault, NothingThere
from laboratory.faults import phases
from laboratory.faults.scene import Scene
from laboratory import waiting
from openstack import exceptions
from openstack.compute.v2 import server_migration

_FIND_S = 5.0


class _Command(Fault, abc.ABC):

    def inject(self, scene: Scene) -> None:
        """:raises NothingThere: too late, or Nova says so"""
        found = waiting.until(lambda: scene.api.migrations(scene.server),
                              _FIND_S, 0)
        if not found:
            raise NothingThere('no migration is under way')
        try:
            self._ask(scene, found[0])
        except (exceptions.BadRequestException, exceptions.NotFoundException,
                exceptions.ConflictException) as error:
            raise NothingThere(f'{self.name}: {str(error)[:200]}') from error

    @abc.abstractmethod
    def _ask(self, scene: Scene, migration: server_migration.ServerMigration
             ) -> None:
        """Send the request, about a migration."""


class Aborted(_Command):
    """``openstack server migration abort``"""

    name = 'abort by the user'

    def _ask(self, scene: Scene, migration: server_migration.ServerMigration
             ) -> None:
        scene.api._sdk.compute.abort_server_migration(
            migration.id, scene.server, ignore_missing=False)

    def moves(self, landed: str) -> bool | None:
        """What Nova accepts before the instance stops has to be heeded."""
        return False if landed in (phases.BEGIN, phases.PREPARED,
                                   phases.PRE_COPY) else None


class Forced(_Command):
    """``openstack server migration force complete``"""

    name = 'force-complete'

    def _ask(self, scene: Scene, migration: server_migration.ServerMigration
             ) -> None:
        scene.api._sdk.compute.force_complete_server_migration(
            migration.id, scene.server)

    def moves(self, landed: str) -> bool | None:
        return True
