# SPDX-License-Identifier: Apache-2.0
"""What a cloud is: its addresses, ports, names and secrets."""

import dataclasses
import json
import os
import pathlib
import re
import secrets
from collections.abc import Sequence

from laboratory.layout import Layout, REPOSITORY
from laboratory.progress import Failure
from laboratory.testbed.hosts import Host, Machine
from laboratory.testbed import inifile

#: Hosts and their last address byte on the control network.
CONTROLLER = 'ctl'
COMPUTES = ('c1', 'c2')
_LAST_BYTE = {'ctl': 10, 'c1': 11, 'c2': 12}

CONTROL_NETWORK = '10.77.0'
#: The operator's network, on which each Domain R gets its address.
MANAGEMENT_NETWORK = '10.88.0'
#: The controller's address there: SSH clients and nova-serialproxy use it.
MANAGEMENT_CONTROLLER = f'{MANAGEMENT_NETWORK}.1'
#: Another one of the controller: VNC clients there are asked for a password.
MANAGEMENT_USER = f'{MANAGEMENT_NETWORK}.2'
PRIVATE_NETWORK = '10.89.0'

MANAGEMENT_NAME = 'dmore-mgmt'
PRIVATE_NAME = 'private'
PHYSICAL_NETWORK = 'physnet1'
REGION = 'RegionOne'
#: This project's ``compute_driver``.
DRIVER = 'dmore.DMoreDriver'
DOMR_IMAGE_NAME = 'nova-dmore-domr'
#: Service users of keystone, and the service each one's password is for.
SERVICE_USERS = ('glance', 'placement', 'nova', 'neutron', 'cinder')
DATABASES = ('keystone', 'glance', 'placement', 'neutron', 'cinder',
             'nova_api', 'nova', 'nova_cell0')
PORTS = {'keystone': 5000, 'glance': 9292, 'placement': 8778, 'nova': 8774,
         'neutron': 9696, 'cinder': 8776, 'novncproxy': 6080,
         'serialproxy': 6083, 'horizon': 8080, 'mariadb': 3306,
         'rabbitmq': 5672, 'libvirt': 16509}


#: Where QEMU looks for certificates when Nova asks for encrypted migrations:
#: who wants to puts them there, with the names of QEMU's documentation.
CERTIFICATES = '/etc/libvirt/pki'
#: Where a compute host keeps images of Domain R: in its own file system, at
#: the same path as the other one.
IMAGE_CACHE = '/var/lib/nova-dmore-images'
#: Where a compute host has this source tree.
SOURCE = '/opt/nova-dmore'


#: What compute hosts can have: Debian's own QEMU, that of Debian's backports
#: (with its libvirt), or the first host the one and the second the other.
QEMU_OWN, QEMU_NEWER, QEMU_MIXED = QEMUS = '7.2', '10.0', 'mixed'
QEMU_DEFAULT = QEMU_NEWER
#: What drives Neutron's networks: its own agents with Open vSwitch, or OVN.
NETWORK_OVS, NETWORK_OVN = NETWORKS = 'ovs', 'ovn'
#: The commit that was the last release, for a cloud whose first host has it.
RELEASED = 'e106bd540b89407b2c09132e132afcdf47e4e9e6'
#: A machine type that all of them have.
MACHINE = 'pc-i440fx-7.2'


def wanted_prefix() -> str:
    """What ``DMORE_PREFIX`` says, or the default."""
    return os.environ.get('DMORE_PREFIX') or 'dmore'


def _secret() -> str:
    return secrets.token_hex(16)


@dataclasses.dataclass(frozen=True)
class Cloud:
    """One cloud, saved in its folder so that later commands find it. A new one
    has secrets of its own.

    :param block: instances' disks are per host and migrate with the instance
    :param driver: nova's ``compute_driver``
    :param horizon: Horizon is started, too
    :param qemu: one of :data:`QEMUS`
    :param network: one of :data:`NETWORKS`
    :param earlier: the commit of this project that the first host has, if
        not this source tree
    :param prefix: begins the names of the network namespaces
    :param database, message, admin, service: passwords
    :param console: hex of the secret that the plugin derives the host keys
        and the VNC passwords from
    """

    block: bool
    driver: str
    horizon: bool = False
    qemu: str = QEMU_DEFAULT
    network: str = NETWORK_OVS
    earlier: str | None = None
    prefix: str = dataclasses.field(default_factory=wanted_prefix)
    database: str = dataclasses.field(default_factory=_secret)
    message: str = dataclasses.field(default_factory=_secret)
    admin: str = dataclasses.field(default_factory=_secret)
    service: str = dataclasses.field(default_factory=_secret)
    console: str = dataclasses.field(
        default_factory=lambda: secrets.token_hex(32))

    def save(self, layout: Layout) -> None:
        inifile.write(layout.cloud / 'cloud.json',
                      json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def load(cls, layout: Layout) -> 'Cloud | None':
        """The cloud that was saved, or nothing if there is none."""
        path = layout.cloud / 'cloud.json'
        if not path.exists():
            return None
        try:
            saved = json.loads(path.read_text())
        except json.JSONDecodeError:
            # A crash while it was written: nothing had been started yet.
            return None
        # One that an earlier version has started may have more.
        return cls(**{field.name: saved[field.name]
                      for field in dataclasses.fields(cls)
                      if field.name in saved})


def wanted_qemu() -> str:
    """What ``DMORE_QEMU`` says, or the default.

    :raises Failure: it says something else
    """
    return _wanted('DMORE_QEMU', QEMUS, QEMU_DEFAULT)


def wanted_network() -> str:
    """What ``DMORE_NETWORK`` says, or the default.

    :raises Failure: it says something else
    """
    return _wanted('DMORE_NETWORK', NETWORKS, NETWORK_OVS)


def _wanted(name: str, choices: Sequence[str], default: str) -> str:
    given = os.environ.get(name) or default
    if given not in choices:
        raise Failure(name, f'{given!r} is none of {", ".join(choices)}')
    return given


def saved_prefix(layout: Layout) -> str:
    """What namespaces' names begin with, also if the saved cloud is broken."""
    path = layout.cloud / 'cloud.json'
    if path.exists():
        found = re.search(r'"prefix": "([\w-]+)"',
                          path.read_text())
        if found:
            return found[1]
    return wanted_prefix()


def host(name: str, prefix: str, records: pathlib.Path) -> Host:
    """A host, of whatever kind it is."""
    kind = Machine if name in COMPUTES else Host
    return kind(name, prefix, records)


def address(host: str) -> str:
    """A host's address on the control network."""
    return f'{CONTROL_NETWORK}.{_LAST_BYTE[host]}'


def url(service: str, path: str = '') -> str:
    """The base URL of a service on the controller."""
    return f'http://{address(CONTROLLER)}:{PORTS[service]}{path}'


class Place:
    """A cloud together with where it lies on this machine."""

    def __init__(self, cloud: Cloud, layout: Layout) -> None:
        self.cloud = cloud
        self.layout = layout
        self.root = root = layout.cloud
        self.records = root / 'run'
        #: Nova's ``instances_path``: one path, mounted in both hosts.
        self.instances = root / 'instances'
        #: What is behind it, if it is shared.
        self.shared = root / 'shared'
        #: The files that are volumes, in place of an NFS server.
        self.volumes = root / 'volumes'
        self.console_secret = root / 'console-secret'
        self.private_key = root / 'ssh' / 'dmore'
        self.public_key = root / 'ssh' / 'dmore.pub'
        #: nova-compute's, with which it reaches that of the other host: in a
        #: resize and a cold migration.
        self.move_key = root / 'ssh' / 'nova'
        #: The source tree of an earlier release.
        self.earlier = root / 'earlier'

    def config(self, *parts: str) -> pathlib.Path:
        return self.root.joinpath('etc', *parts)

    def log(self, host: str, name: str) -> pathlib.Path:
        return self.root / 'log' / host / f'{name}.log'

    def own(self, host: str, name: str) -> pathlib.Path:
        """A folder that only one host uses."""
        return self.root / 'hosts' / host / name

    def certificates(self, host: str) -> pathlib.Path:
        """Where QEMU's are, for migrations, in a compute host that is up."""
        return self.host(host).root() / CERTIFICATES.lstrip('/')

    def image_cache(self, host: str) -> pathlib.Path:
        """Where its images of Domain R are, in a compute host that is up."""
        return self.host(host).root() / IMAGE_CACHE.lstrip('/')

    def disk(self, host: str) -> pathlib.Path:
        """What a compute host writes, beside its folders out here."""
        return self.root / 'machines' / host

    def tree(self, host: str) -> pathlib.Path:
        """The source tree that a compute host runs."""
        if self.cloud.earlier is not None and host == COMPUTES[0]:
            return self.earlier
        return REPOSITORY

    def layer(self, host: str) -> pathlib.Path | None:
        """What a compute host has in place of this machine's files."""
        newer = (host == COMPUTES[1] if self.cloud.qemu == QEMU_MIXED
                 else self.cloud.qemu == QEMU_NEWER)
        return self.layout.newer_qemu if newer else None

    def qemu(self, host: str) -> pathlib.Path:
        """What a compute host has in place of its QEMU, if it needs that."""
        return self.root / 'qemu' / host

    def host(self, name: str) -> Host:
        return host(name, self.cloud.prefix, self.records)

    def compute(self, name: str) -> Machine:
        return Machine(name, self.cloud.prefix, self.records)

    def hosts(self) -> list[Host]:
        return [self.host(name) for name in (CONTROLLER, *COMPUTES)]

    def environment(self) -> dict[str, str]:
        """What every program in a host gets."""
        return {
            'PATH': f'{self.layout.venv}/bin:/usr/local/sbin:/usr/local/bin'
                    ':/usr/sbin:/usr/bin:/sbin:/bin',
            # In the host's own /run, so that nothing is left in /tmp.
            'TMPDIR': '/run/tmp',
            'HOME': '/run/home',
            'PYTHONDONTWRITEBYTECODE': '1',
        }

    def credentials(self) -> dict[str, str]:
        """The administrator's, as the ``openstack`` command reads them."""
        return {
            'OS_AUTH_URL': url('keystone', '/v3'),
            'OS_USERNAME': 'admin',
            'OS_PASSWORD': self.cloud.admin,
            'OS_PROJECT_NAME': 'admin',
            'OS_USER_DOMAIN_NAME': 'Default',
            'OS_PROJECT_DOMAIN_NAME': 'Default',
            'OS_IDENTITY_API_VERSION': '3',
            'OS_REGION_NAME': REGION,
            'OS_COMPUTE_API_VERSION': '2.95',
        }
