# SPDX-License-Identifier: Apache-2.0
"""What hosts have in common and can lose: the broker, the network."""

from laboratory.faults.fault import Fault, NothingThere
from laboratory.faults import scene as scene_module
from laboratory.faults.scene import Scene
from laboratory.testbed.settings import CONTROLLER


class BrokerDown(Fault):
    """RabbitMQ is killed, and started again later."""

    def __init__(self, seconds: float) -> None:
        self.name = f'RabbitMQ down for {seconds:.0f} s'
        self.lasts_s = seconds

    def inject(self, scene: Scene) -> None:
        if not scene_module.kill(scene.processes(CONTROLLER, 'beam.smp')):
            raise NothingThere('RabbitMQ')

    def repair(self, scene: Scene) -> None:
        scene_module.start_again(scene, CONTROLLER, 'rabbitmq')


class NetworkCut(Fault):
    """The switch passes nothing between the two hosts, silently.

    Their ways to the controller, and the instances' network, are whole.
    """

    def __init__(self, seconds: float) -> None:
        self.name = f'network between the hosts cut for {seconds:.0f} s'
        self.lasts_s = seconds

    def inject(self, scene: Scene) -> None:
        _isolate(scene, True)

    def repair(self, scene: Scene) -> None:
        _isolate(scene, False)


def _isolate(scene: Scene, on: bool) -> None:
    """Isolated ports of a bridge reach all others but each other.

    :raises Failure: the kernel refuses
    """
    controller = scene.place.host(CONTROLLER)
    for host in (scene.source, scene.destination):
        controller.ip('link', 'set', f'{host}-control', 'type', 'bridge_slave',
                      'isolated', 'on' if on else 'off')
