# SPDX-License-Identifier: Apache-2.0
"""Create what users find in the cloud, or wait until it can be used.

Runs by itself in the controller, with the virtual environment's Python and the
arguments ``create GUEST_IMAGE PUBLIC_KEY``, ``wait HOST...``, or ``touch``,
which waits for neutron's policy.
"""

import pathlib
import sys
import time

import openstack

from laboratory.testbed import settings
from laboratory import waiting

#: MiB; the guest needs 100, and what is not used is not sent at a migration.
GUEST_MEMORY = 256
_WAIT_SECONDS = 120


def create(cloud: openstack.connection.Connection, guest: str, key: str
           ) -> None:
    """Networks, flavors, the guest's image and the key pair."""
    _network(cloud, settings.MANAGEMENT_NAME, settings.MANAGEMENT_NETWORK,
             provider_network_type='flat',
             provider_physical_network=settings.PHYSICAL_NETWORK)
    _network(cloud, settings.PRIVATE_NAME, settings.PRIVATE_NETWORK,
             provider_network_type='vlan',
             provider_physical_network=settings.PHYSICAL_NETWORK,
             provider_segmentation_id=100)
    for name, specs in (('m1.guest', {}),
                        ('m1.guest-stock', {'dmore:domain_r': 'disabled'})):
        # Without a disk size the instance's disk is as large as the image.
        flavor = cloud.compute.create_flavor(name=name, ram=GUEST_MEMORY,
                                             vcpus=1, disk=0)
        if specs:
            cloud.compute.create_flavor_extra_specs(flavor, specs)
    cloud.compute.create_keypair(
        name='dmore', public_key=pathlib.Path(key).read_text().strip())
    cloud.image.create_image(
        name='guest', filename=guest, disk_format='qcow2',
        container_format='bare', visibility='public', wait=True,
        use_import=False, hw_video_model='vga')


def _network(cloud: openstack.connection.Connection, name: str, prefix: str,
             **provider: object) -> None:
    network = cloud.network.create_network(name=name, is_shared=True,
                                           **provider)
    cloud.network.create_subnet(
        name=name, network_id=network.id, ip_version=4,
        cidr=f'{prefix}.0/24', gateway_ip=None, enable_dhcp=False,
        allocation_pools=[{'start': f'{prefix}.100', 'end': f'{prefix}.199'}])


def touch(cloud: openstack.connection.Connection) -> None:
    """Until neutron has read its policy.

    It does so at its first request. What comes meanwhile, as from a
    nova-compute that starts, reads half of it, and is refused.

    :raises openstack.exceptions.HttpException: it is refused for too long
    """
    waiting.retried(lambda: cloud.network.delete_network(
        cloud.network.create_network(
            name='touch', is_shared=True, provider_network_type='flat',
            provider_physical_network=settings.PHYSICAL_NETWORK)),
        _WAIT_SECONDS, openstack.exceptions.HttpException)


def wait(cloud: openstack.connection.Connection, hosts: list[str]) -> None:
    """Until nova and neutron know that these hosts are ready, and cinder where
    to make volumes.

    :raises TimeoutError: they are not after two minutes
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        missing = set(hosts) - _computes(cloud)
        missing |= set(hosts) - {agent.host for agent in cloud.network.agents()
                                 if agent.is_alive}
        if not any(cloud.block_storage.backend_pools()):
            missing.add('volumes')
        if not missing:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f'not ready: {", ".join(sorted(missing))}')
        time.sleep(0.5)


def _computes(cloud: openstack.connection.Connection) -> set[str]:
    # The list of hypervisors has only hosts that are mapped to a cell.
    return {hypervisor.name for hypervisor in cloud.compute.hypervisors()
            if hypervisor.state == 'up'}


def main(arguments: list[str]) -> None:
    cloud = openstack.connect()
    if arguments[0] == 'create':
        create(cloud, *arguments[1:])
    elif arguments[0] == 'touch':
        touch(cloud)
    else:
        wait(cloud, arguments[1:])


if __name__ == '__main__':
    main(sys.argv[1:])
