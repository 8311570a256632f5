# SPDX-License-Identifier: Apache-2.0
"""The configuration files of a compute host."""

import json

from laboratory.testbed.conf_controller import nova_common
from laboratory.testbed import inifile, settings, volumes
from laboratory.testbed.inifile import Sections
from laboratory.testbed.settings import CONTROLLER, Place

#: Of the host's Open vSwitch database, whose unix socket is root's alone.
OVSDB = 'tcp:127.0.0.1:6640'
#: How it is told to listen there.
OVSDB_MANAGER = 'ptcp:6640:127.0.0.1'
#: The user of nova-compute.
NOVA = 'nova'
#: That of QEMU, as Debian has it, and a group of it.
QEMU = 'libvirt-qemu'
#: What nova-compute is started with.
NOVA_CONF = '/etc/nova/nova.conf'
#: Of Neutron's agents; ``openvswitch`` enforces security groups, also in the
#: userspace datapath, and needs the program conntrack for changes of rules.
FIREWALL_DRIVER = 'noop'


def nova_compute(place: Place, host: str) -> Sections:
    here = settings.address(host)
    controller = settings.address(CONTROLLER)
    return inifile.merge(nova_common(place), {
        'DEFAULT': {
            'host': host,
            'my_ip': here,
            'compute_driver': place.cloud.driver,
            'instances_path': place.instances,
            # Of the host, so that a restarted nova-compute finds its identity.
            'state_path': place.own(host, 'nova'),
            'rootwrap_config': '/etc/nova/rootwrap.conf',
            # A longer wait leaves an old nova-compute that still takes RPCs
            # beside the new one.
            'graceful_shutdown_timeout': 5,
            'manager_shutdown_timeout': 1,
            # The guest does not listen to the power button: do not wait long.
            'shutdown_timeout': 5,
            'force_config_drive': False,
            'vif_plugging_is_fatal': True,
            'vif_plugging_timeout': 60,
        },
        # With the userspace datapath the port's event comes after the
        # destination's tap exists, so waiting for it before is in vain.
        'compute': {'live_migration_wait_for_vif_plug': False},
        'libvirt': {
            'virt_type': 'qemu',
            'cpu_mode': 'custom',
            'cpu_models': 'qemu64',
            'images_type': 'qcow2',
            'live_migration_scheme': 'tcp',
            'live_migration_inbound_addr': here,
            'tb_cache_size': 64,
            'nfs_mount_point_base': volumes.HOST_FOLDER,
            # Instances can go to either host.
            **({'hw_machine_type': f'x86_64={settings.MACHINE}'}
               if place.cloud.qemu == settings.QEMU_MIXED else {}),
        },
        'vnc': {
            'enabled': True,
            'server_listen': here,
            'server_proxyclient_address': here,
            'novncproxy_base_url':
                settings.url('novncproxy', '/vnc_lite.html'),
        },
        'serial_console': {
            'enabled': True,
            'base_url':
                f'ws://{controller}:{settings.PORTS["serialproxy"]}/',
            'proxyclient_address': here,
        },
        'os_vif_ovs': {'ovsdb_connection': OVSDB},
        'oslo_concurrency': {'lock_path': '/run/lock/nova'},
        'workarounds': {'disable_rootwrap': False},
        'dmore': {
            'management_network': settings.MANAGEMENT_NAME,
            'image': settings.DOMR_IMAGE_NAME,
            'secret_file': place.console_secret,
            'serial_proxy_networks': f'{settings.MANAGEMENT_CONTROLLER}/32',
            'vnc_proxy_networks': f'{settings.MANAGEMENT_CONTROLLER}/32',
            'vnc_direct_networks': f'{settings.MANAGEMENT_USER}/32',
            'image_cache_dir': settings.IMAGE_CACHE,
            'log_dir': place.root / 'log' / host / 'dmore',
            'console_authorized_keys': place.public_key,
            # Where its tools find an instance's SSH console.
            'ssh_metadata': True,
        },
    })


def hostd() -> Sections:
    """The host service's."""
    return {'hostd': {'compute_user': NOVA, 'qemu_group': QEMU}}


def openvswitch_agent(place: Place, host: str) -> Sections:
    return {
        'DEFAULT': {'host': host},
        'ovs': {
            'datapath_type': 'netdev',
            'bridge_mappings': f'{settings.PHYSICAL_NETWORK}:br-ex',
            'integration_bridge': 'br-int',
            'ovsdb_connection': OVSDB,
        },
        # A tap is wired in the agent's next turn: up to this many seconds in
        # which no packet reaches a Domain R (or an instance) that arrived.
        'agent': {'tunnel_types': '', 'polling_interval': 1},
        # The agent keeps ports from using the addresses of others (ARP,
        # neighbour discovery, MAC), whatever the driver. But nothing enforces
        # the rules of the groups: to track connections takes time from every
        # packet that is measured.
        'securitygroup': {'enable_security_group': True,
                          'enable_ipset': False,
                          'firewall_driver': FIREWALL_DRIVER},
    }


def libvirtd(host: str) -> str:
    """The text of libvirtd.conf."""
    last = settings.address(host).rpartition('.')[2]
    return _assignments({
        'listen_tls': 0,
        'listen_tcp': 1,
        'listen_addr': settings.address(host),
        'auth_tcp': 'none',
        # Both hosts have the machine's own; libvirt refuses to migrate to
        # itself.
        'host_uuid': f'6e6f7661-646d-4f72-8500-{int(last):012d}',
        'log_outputs': '2:file:/var/log/libvirt/libvirtd.log',
    })


def qemu(host: str) -> str:
    """The text of qemu.conf: QEMU is the user that Debian has for it."""
    return _assignments({
        'security_driver': 'none',
        # All but what divides the processors, see laboratory.machine.
        'cgroup_controllers': ['devices', 'memory', 'blkio', 'cpuset'],
        'migration_host': settings.address(host),
        'migrate_tls_x509_cert_dir': settings.CERTIFICATES,
        'migrate_tls_x509_verify': 1,
    })


def _assignments(values: dict[str, object]) -> str:
    # A number, text in double quotes, a list of such: as in JSON.
    return ''.join(f'{name} = {json.dumps(value)}\n'
                   for name, value in values.items())
