# SPDX-License-Identifier: Apache-2.0
"""``tempest.conf`` of a test cloud. Pure."""

import pathlib

from laboratory.testbed import conf_controller, settings
from laboratory.testbed.inifile import Sections
from laboratory.testbed.settings import COMPUTES, Place

#: Emulated guests boot slowly.
_BUILD_S = 300
#: Of both hosts. Servers have no properties but their users', which some tests
#: compare; others have more servers than two processors have room for.
NOVA_COMPUTE: Sections = {
    'DEFAULT': {'cpu_allocation_ratio': 16.0},
    'dmore': {'ssh_metadata': False}}


def tempest(place: Place, images: tuple[str, str], flavors: tuple[str, str],
            folder: pathlib.Path) -> Sections:
    """:param images, flavors: ids; of the second of each nothing is asked but
        that it is another one

    The guest has no SSH server: what would log in to it is not run.
    """
    return {
        'DEFAULT': {'log_file': 'tempest.log', 'log_dir': folder},
        'oslo_concurrency': {'lock_path': folder / 'locks'},
        'auth': {
            'admin_username': 'admin',
            'admin_password': place.cloud.admin,
            'admin_project_name': 'admin',
            'admin_domain_name': 'Default',
            'use_dynamic_credentials': True,
            # Theirs is the network that is shared.
            'create_isolated_networks': False,
        },
        'identity': {
            'auth_version': 'v3',
            'uri_v3': settings.url('keystone', '/v3'),
            'region': settings.REGION,
            'v3_endpoint_type': 'public',
        },
        'service_available': {
            'cinder': True, 'glance': True, 'neutron': True, 'nova': True,
            'swift': False, 'horizon': False},
        'compute': {
            'image_ref': images[0], 'image_ref_alt': images[1],
            'flavor_ref': flavors[0], 'flavor_ref_alt': flavors[1],
            'fixed_network_name': settings.PRIVATE_NAME,
            'min_compute_nodes': len(COMPUTES),
            'build_timeout': _BUILD_S, 'build_interval': 1,
            'max_microversion': 'latest',
        },
        'compute-feature-enabled': {
            'console_output': True, 'vnc_console': True,
            'serial_console': True, 'live_migration': True,
            'live_migrate_back_and_forth': True,
            'live_migrate_paused_instances': True,
            'volume_backed_live_migration': True,
            # Disks are shared.
            'block_migration_for_live_migration': False,
            'resize': True, 'cold_migration': True, 'config_drive': True,
            'metadata_service': False, 'personality': False,
            'attach_encrypted_volume': False,
            # QEMU of the NFS driver holds its file.
            'swap_volume': False, 'volume_multiattach': False,
            'scheduler_enabled_filters':
                ','.join(conf_controller.SCHEDULER_FILTERS),
        },
        'validation': {'run_validation': False,
                       'image_ssh_user': 'root'},
        'network': {'public_network_id': '', 'project_networks_reachable':
                    False},
        'network-feature-enabled': {'floating_ips': False},
        'volume': {'catalog_type': 'block-storage', 'volume_size': 1,
                   'build_timeout': _BUILD_S},
        'volume-feature-enabled': {'backup': False, 'snapshot': True},
    }
