# SPDX-License-Identifier: Apache-2.0
"""Processes that end without a word: SIGKILL."""

from laboratory.faults.fault import Fault, NothingThere
from laboratory.faults import phases, scene as scene_module
from laboratory.faults.scene import Scene
from laboratory import waiting

#: What has to appear first is waited for so long.
_APPEARS_S = 30.0
_SUPERVISOR_S = 3.0


class ServiceKilled(Fault):
    """A service that a supervisor starts again a little later.

    :param side: ``source`` or ``destination``
    """

    lasts_s = _SUPERVISOR_S

    def __init__(self, side: str, service: str) -> None:
        self.name = f'{side} {service} killed'
        self._side = side
        self._service = service

    def inject(self, scene: Scene) -> None:
        pids = scene.processes(scene.host(self._side),
                               f'/{self._service}' if self._service !=
                               'libvirtd' else 'libvirtd --listen')
        if not scene_module.kill(pids):
            raise NothingThere(self._service)

    def repair(self, scene: Scene) -> None:
        scene_module.start_again(scene, scene.host(self._side),
                                 self._service)


class ProcessKilled(Fault):
    """A process of the instance or of its pair.

    :param side: ``source`` or ``destination``
    :param finder: the name of the method of the scene that finds it
    """

    def __init__(self, side: str, what: str, finder: str,
                 stock: bool = False) -> None:
        self.name = f'{side} {what} killed'
        self.stock = stock
        self._side = side
        self._finder = finder
        # There is none at the other end yet, or any more.
        self.phases = (phases.PHASES[:4] if side == scene_module.SOURCE
                       else phases.PHASES[1:])

    def inject(self, scene: Scene) -> None:
        host = scene.host(self._side)
        pids: list[int] = []

        def appeared() -> bool:
            pids[:] = getattr(scene, self._finder)(host)
            return bool(pids)

        if not waiting.until(appeared, _APPEARS_S, 0.01):
            raise NothingThere(self.name)
        if not scene_module.kill(pids):
            raise NothingThere(self.name)
