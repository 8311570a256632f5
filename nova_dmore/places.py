# SPDX-License-Identifier: Apache-2.0
"""Where the files of a pair lie on its host.

Runs in the host service, the keeper, nova-compute, ``nova-dmore-manage`` and
``nova-dmore-status``, which all have to agree on it.

A pair has three directories in ``[dmore] run_dir``. One is the keeper's own,
``<instance uuid>``. The other two are each for one libvirt domain,
``libvirt-<uuid of the domain>``: what its QEMU connects to lies there, and
its QEMU can enter it and not write it. The names are those of libvirt's
AppArmor profiles, so that one rule gives every QEMU its own directory alone.
"""

import dataclasses
import enum
import os
import uuid

#: Of the directory of a domain, and of the AppArmor profile of its QEMU.
DOMAIN_PREFIX = 'libvirt-'
#: Namespace of the uuids of Domain R's domains, so that they are stable.
_UUID_NAMESPACE = uuid.UUID('6f0e9d6e-4a5c-5d2b-9a53-6b0f2b1d9c11')


class Layout(enum.IntEnum):
    """How a host's QEMUs and keepers find each other.

    A destination says which it knows
    (virt.rpc.destination.DestinationAPI.prepare), and a source sends its
    domains there in that form.
    """

    #: The host has no keepers, for its host service is away: an instance has
    #: the consoles of an instance without Domain R, as far as it can.
    STOCK = -1
    #: Release 0.1: the serial port is a socket.
    SOCKETS = 0
    #: Release 0.2: it is two FIFOs, and QEMU makes its other sockets itself,
    #: all in the keeper's own directory.
    FIFOS = 1
    #: QEMU makes nothing; each domain has a directory of its own.
    DOMAIN_DIRECTORIES = 2
    #: The same, and a Domain R may have a region of wire.LARGE_REGION_SIZE.
    LARGE_REGIONS = 3


#: What this release makes.
NEWEST = Layout.LARGE_REGIONS


@dataclasses.dataclass(frozen=True)
class Places:
    """The directories of one pair."""

    own: str
    instance: str
    domain_r: str


def domain_r_uuid(instance_uuid: str) -> str:
    """The libvirt uuid of an instance's Domain R."""
    return str(uuid.uuid5(_UUID_NAMESPACE, instance_uuid))


def of_pair(own: str) -> Places:
    """The directories of a pair.

    :param own: ``<run_dir>/<instance uuid>``.
    """
    run_dir, instance_uuid = os.path.split(os.path.abspath(own))

    def of_domain(domain_uuid: str) -> str:
        return os.path.join(run_dir, DOMAIN_PREFIX + domain_uuid)
    return Places(own, of_domain(instance_uuid),
                  of_domain(domain_r_uuid(instance_uuid)))


def of_instance_path(path: str) -> Places:
    """The directories of a pair, from the path of a file that the QEMU of its
    instance has; of any layout."""
    directory = os.path.dirname(path)
    run_dir, name = os.path.split(directory)
    return of_pair(os.path.join(run_dir, name.removeprefix(DOMAIN_PREFIX)))
