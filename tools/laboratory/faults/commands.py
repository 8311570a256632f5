# SPDX-License-Identifier: Apache-2.0
"""What a user or an administrator does in the middle of a migration."""

import abc

from laboratory.faults.fault import Fault, NothingThere
from laboratory.faults import phases
from laboratory.faults.scene import Scene
from laboratory import waiting
from openstack import exceptions

_MICROVERSION = '2.79'
_FIND_S = 5.0


class _Command(Fault, abc.ABC):

    def inject(self, scene: Scene) -> None:
        """:raises NothingThere: too late, or Nova says so"""
        answer = self._ask(
            scene.api._sdk.compute, f'/servers/{scene.server}/migrations/'
            f'{self._migration(scene)}')
        if answer.status_code in (400, 404, 409):
            raise NothingThere(f'{self.name}: {answer.text[:200]}')
        exceptions.raise_from_response(answer)

    @abc.abstractmethod
    def _ask(self, compute, path: str):
        """Send the request, about a migration; Nova's answer."""

    def _migration(self, scene: Scene) -> int:
        """:raises NothingThere: none is under way"""
        found = waiting.until(lambda: scene.api.migrations(scene.server),
                              _FIND_S, 0)
        if not found:
            raise NothingThere('no migration is under way')
        return found[0]['id']


class Aborted(_Command):
    """``openstack server migration abort``"""

    name = 'abort by the user'

    def _ask(self, compute, path: str):
        return compute.delete(path, microversion=_MICROVERSION)

    def moves(self, landed: str) -> bool | None:
        """What Nova accepts before the instance stops has to be heeded."""
        return False if landed in (phases.BEGIN, phases.PREPARED,
                                   phases.PRE_COPY) else None


class Forced(_Command):
    """``openstack server migration force complete``"""

    name = 'force-complete'

    def _ask(self, compute, path: str):
        return compute.post(f'{path}/action', json={'force_complete': None},
                            microversion=_MICROVERSION)

    def moves(self, landed: str) -> bool | None:
        return True
