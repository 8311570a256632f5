# SPDX-License-Identifier: Apache-2.0
"""What a destination can lack: room, the image, a port binding."""

import pathlib
import shutil

from laboratory.faults.fault import Fault, NothingThere
from laboratory.faults import phases, scene as scene_module
from laboratory.faults.scene import Scene
from laboratory.progress import Failure
from laboratory.testbed import conf_controller, settings
from laboratory import waiting
import openstack
from openstack import exceptions

_AGENT = 'neutron-openvswitch-agent'
_AGENT_S = 60.0
#: Leaves ``/run`` no room. What is in it may grow in between, and it cannot
#: be made smaller than that.
_SHRINK = '''
for attempt in 1 2 3 4 5 6 7 8 9; do
    set -- $(df --output=used,iused /run | tail -n 1)
    mount -o "remount,size=${1}k,nr_inodes=$2" /run && exit
done
exit 1
'''


def port_name(server: str) -> str:
    """``device_id`` of the port of an instance's Domain R."""
    return f'domr-{server}'


class DiskFull(Fault):
    """No room on the destination, for anything.

    Its ``/run``, where sockets, records and libvirt's state are, becomes as
    large as what is in it; and the cache of Domain R's image is on a file
    system that holds nothing.
    """

    name = 'destination disk full'
    ahead = True
    lasts_s = 20.0

    def __init__(self) -> None:
        self._mounted = False

    def inject(self, scene: Scene) -> None:
        host = scene.destination
        scene.run(host, ['mount', '-t', 'tmpfs', '-o', 'size=4k,nr_inodes=2',
                         'full', settings.IMAGE_CACHE])
        self._mounted = True
        scene.run(host, ['sh', '-c', _SHRINK])

    def repair(self, scene: Scene) -> None:
        host = scene.destination
        scene.run(host, ['mount', '-o', 'remount,size=50%,nr_inodes=1m',
                         '/run'])
        if self._mounted:
            self._mounted = False
            scene.run(host, ['umount', '-l', settings.IMAGE_CACHE])


class ImageMissing(Fault):
    """Neither the destination nor Glance has the image of Domain R."""

    name = 'destination without the Domain R image'
    ahead = True
    lasts_s = 20.0
    stock = False

    def inject(self, scene: Scene) -> None:
        cache = scene.place.image_cache(scene.destination)
        # The folder stays: nova-compute could make no other one there.
        _move_all(cache, self._aside(cache))
        image = scene.api._sdk.image
        for found in list(image.images(name=settings.DOMR_IMAGE_NAME)):
            image.delete_image(found)

    @staticmethod
    def _aside(cache: pathlib.Path) -> pathlib.Path:
        return cache.with_name(f'{cache.name}-aside')

    def repair(self, scene: Scene) -> None:
        layout = scene.place.layout
        image = layout.domr_image()
        if image is None:
            raise Failure('Domain R image', 'is not built')
        scene.run(settings.CONTROLLER, ['env', *(
            f'{name}={value}' for name, value
            in scene.place.credentials().items()), layout.venv_program(
                'nova-dmore-image'), 'upload', str(image)])
        cache = scene.place.image_cache(scene.destination)
        aside = self._aside(cache)
        if aside.exists():
            _move_all(aside, cache)
            shutil.rmtree(aside)


def _move_all(here: pathlib.Path, there: pathlib.Path) -> None:
    """Move what is in a folder to another one, except what that has already.
    """
    there.mkdir(exist_ok=True)
    for entry in list(here.iterdir()):
        if not (there / entry.name).exists():
            entry.rename(there / entry.name)


class BindingRefused(Fault):
    """Neutron binds nothing on the destination: it has no agent there."""

    name = 'destination port binding refused'
    ahead = True
    lasts_s = 15.0

    def inject(self, scene: Scene) -> None:
        host = scene.destination
        network = scene.api._sdk.network
        scene_module.kill(scene.processes(host, _AGENT))
        for agent in network.agents(host=host):
            network.delete_agent(agent)

    def repair(self, scene: Scene) -> None:
        host = scene.destination
        network = scene.api._sdk.network
        scene_module.start_again(scene, host, _AGENT)
        if not waiting.until(lambda: any(
                agent.is_alive for agent in network.agents(host=host)),
                _AGENT_S):
            raise Failure(f'{_AGENT} on {host}', 'does not report',
                          scene.place.log(host, _AGENT))


class PairBindingRefused(Fault):
    """Neutron refuses Domain R's port alone, and not the instance's.

    Before, it has a binding that nobody took back; later, the one that the
    migration made is gone. From the stop on the source makes it active at
    once: then there is nothing to refuse any more.
    """

    name = 'destination port binding of Domain R refused'
    phases = (phases.BEGIN, phases.PRE_COPY)
    ahead = True
    stock = False

    def inject(self, scene: Scene) -> None:
        # Neutron lets only services bind.
        network = _as_nova(scene).network
        ports = list(network.ports(device_id=port_name(scene.server)))
        if not ports:
            raise NothingThere(self.name)
        try:
            network.create_port_binding(ports[0], host=scene.destination)
        except exceptions.ConflictException:
            # The migration's own: it is there already.
            network.delete_port_binding(ports[0], scene.destination)


def _as_nova(scene: Scene) -> openstack.connection.Connection:
    """What Nova's own user may."""
    return openstack.connect(
        load_envvars=False, load_yaml_config=False,
        **conf_controller.credentials(scene.place, 'nova'))
