# SPDX-License-Identifier: Apache-2.0
"""Volumes: Cinder's driver for NFS, without a server of NFS.

All is as an operator has it with NFS, but for the mount itself. The kernel
of the machine may know no NFS, and needs none: what would be behind the server
is a folder of this machine. On the controller it is where Cinder would mount
it; on a compute host Nova mounts it as it does any share, when an instance
has a volume there, and what ``mount`` runs for NFS is a script.
"""

import hashlib
import pathlib

from laboratory.testbed import inifile, settings
from laboratory.testbed.inifile import Sections
from laboratory.testbed.settings import CONTROLLER, Place

#: The name of Cinder's only back end.
BACKEND = 'nfs'
#: What Cinder and Nova take for the place of the volumes on the network.
SHARE = f'{settings.address(CONTROLLER)}:/volumes'
#: Where Nova mounts it, in a folder of that name.
HOST_FOLDER = '/var/lib/nova/mnt'
#: What ``mount -t nfs`` runs.
_PROGRAM = 'mount.nfs'

#: bindfs must outlive nova-compute, which asks for it, and systemd ends what
#: a service has started. libvirt migrates without copying disks only from a
#: file system that it takes for a shared one, which it tells by the type.
_MOUNT = """#!/bin/sh
# mount.nfs SHARE FOLDER [OPTION...]
exec systemd-run --collect --property=Type=forking \\
    /usr/bin/bindfs -o subtype=glusterfs {folder} "$2"
"""


def backend(place: Place) -> Sections:
    """Cinder's section of the back end."""
    address, _colon, path = SHARE.partition(':')
    return {BACKEND: {
        'volume_driver': 'cinder.volume.drivers.nfs.NfsDriver',
        'volume_backend_name': BACKEND,
        'nas_host': address,
        'nas_share_path': path,
        'nfs_mount_point_base': _mounts(place),
        # The driver has no snapshots where it is not root; and what all may
        # read and write needs no owner.
        'nfs_snapshot_support': True,
        'nas_secure_file_operations': False,
        'nas_secure_file_permissions': False,
    }}


def _mounts(place: Place) -> pathlib.Path:
    return place.own(CONTROLLER, 'cinder') / 'mnt'


def bind(place: Place) -> tuple[str, str]:
    """The folder of the volumes, and where the controller has it: where the
    driver finds it mounted already."""
    name = hashlib.md5(SHARE.encode(), usedforsecurity=False).hexdigest()
    there = _mounts(place) / name
    for folder in (place.volumes, there):
        folder.mkdir(parents=True, exist_ok=True)
    return str(place.volumes), str(there)


def configure(place: Place) -> None:
    """Write what is ``mount.nfs`` in every host."""
    inifile.write(_script(place), _MOUNT.format(folder=place.volumes), 0o755)


def _script(place: Place) -> pathlib.Path:
    return place.config('cinder', 'bin', _PROGRAM)


def shown(place: Place) -> dict[str, str]:
    """Where a compute host has that script."""
    return {str(_script(place)): f'/usr/sbin/{_PROGRAM}'}


def environment(place: Place) -> dict[str, str]:
    """What Cinder's services find it by: the driver wants to know that it is
    installed."""
    return {'PATH': f'{_script(place).parent}:{place.environment()["PATH"]}'}
