# SPDX-License-Identifier: Apache-2.0
"""The configuration files of keystone, glance, placement, neutron, cinder and
nova.
"""

from laboratory.testbed import inifile, settings, volumes
from laboratory.testbed.inifile import Sections
from laboratory.testbed.settings import CONTROLLER, Place

#: Nova's own choice, and two that Tempest's tests ask for, as in DevStack.
SCHEDULER_FILTERS = (
    'ComputeFilter', 'ComputeCapabilitiesFilter', 'ImagePropertiesFilter',
    'ServerGroupAntiAffinityFilter', 'ServerGroupAffinityFilter',
    'SameHostFilter', 'DifferentHostFilter')


def database_url(place: Place, name: str) -> str:
    """The SQLAlchemy URL of one of the cloud's databases."""
    return (f'mysql+pymysql://openstack:{place.cloud.database}'
            f'@{settings.address(CONTROLLER)}/{name}')


def message_url(place: Place) -> str:
    """The oslo.messaging URL of the cloud's message broker."""
    return (f'rabbit://openstack:{place.cloud.message}'
            f'@{settings.address(CONTROLLER)}:{settings.PORTS["rabbitmq"]}/')


def credentials(place: Place, user: str) -> dict[str, object]:
    """How a service signs in to another one."""
    return {
        'auth_url': settings.url('keystone', '/v3'),
        'auth_type': 'password',
        'project_domain_name': 'Default',
        'user_domain_name': 'Default',
        'project_name': 'service',
        'username': user,
        'password': place.cloud.service,
        'region_name': settings.REGION,
    }


def _token_check(place: Place, user: str) -> Sections:
    return {'keystone_authtoken': {
        **credentials(place, user),
        'www_authenticate_uri': settings.url('keystone', '/v3'),
        'service_token_roles': 'service',
        'service_token_roles_required': True,
    }}


def _lock(place: Place) -> Sections:
    return {'oslo_concurrency': {'lock_path': '/run/lock'}}


def keystone(place: Place) -> Sections:
    return {
        'database': {'connection': database_url(place, 'keystone')},
        'token': {'provider': 'fernet'},
        'fernet_tokens': {
            'key_repository': place.own(CONTROLLER, 'fernet-keys')},
        'credential': {
            'key_repository': place.own(CONTROLLER, 'credential-keys')},
    }


def glance(place: Place) -> Sections:
    store = 'filesystem_store_datadir'
    return inifile.merge({
        'DEFAULT': {'enabled_backends': 'file:file'},
        'database': {'connection': database_url(place, 'glance')},
        'glance_store': {'default_backend': 'file'},
        'file': {store: place.own(CONTROLLER, 'images')},
        'os_glance_staging_store': {store: place.own(CONTROLLER, 'staging')},
        'os_glance_tasks_store': {store: place.own(CONTROLLER, 'tasks')},
        'paste_deploy': {
            'flavor': 'keystone',
            'config_file':
                place.layout.venv / 'etc/glance/glance-api-paste.ini'},
    }, _lock(place), _token_check(place, 'glance'))


def placement(place: Place) -> Sections:
    return inifile.merge({
        'api': {'auth_strategy': 'keystone'},
        'placement_database': {
            'connection': database_url(place, 'placement')},
    }, _token_check(place, 'placement'))


def neutron(place: Place) -> Sections:
    """The configuration of the server and of the agents."""
    return inifile.merge({
        'DEFAULT': {
            'core_plugin': 'ml2',
            'service_plugins': '',
            'transport_url': message_url(place),
            'auth_strategy': 'keystone',
            'notify_nova_on_port_status_changes': True,
            'notify_nova_on_port_data_changes': True,
            'state_path': '/run/neutron',
            'rpc_workers': 1,
            'rpc_state_report_workers': 0,
            'api_paste_config':
                place.layout.venv / 'etc/neutron/api-paste.ini',
            'agent_down_time': 30,
        },
        # All runs as root: a command needs no wrapper, and this one does
        # nothing.
        'agent': {'root_helper': 'env', 'report_interval': 10},
        'database': {'connection': database_url(place, 'neutron')},
        'nova': credentials(place, 'nova'),
        'placement': credentials(place, 'placement'),
    }, _lock(place), _token_check(place, 'neutron'))


def ml2(place: Place) -> Sections:
    """The configuration of Neutron's own agents with Open vSwitch."""
    return {
        'ml2': {
            'type_drivers': 'flat,vlan',
            # Networks that a project makes, as Tempest's tests do.
            'tenant_network_types': 'vlan',
            'mechanism_drivers': 'openvswitch',
            'extension_drivers': 'port_security',
        },
        'ml2_type_flat': {'flat_networks': settings.PHYSICAL_NETWORK},
        'ml2_type_vlan': {
            'network_vlan_ranges': f'{settings.PHYSICAL_NETWORK}:100:200'},
        # Ports have groups, as in every cloud; who enforces them is said on
        # the hosts (conf_compute).
        'securitygroup': {'enable_security_group': True,
                          'enable_ipset': False},
    }


def cinder(place: Place) -> Sections:
    """The configuration of the API, the scheduler and the one that makes the
    volumes."""
    etc = place.layout.venv / 'etc/cinder'
    return inifile.merge({
        'DEFAULT': {
            'transport_url': message_url(place),
            'state_path': place.own(CONTROLLER, 'cinder'),
            'glance_api_servers': settings.url('glance'),
            'api_paste_config': etc / 'api-paste.ini',
            'resource_query_filters_file': etc / 'resource_filters.json',
            'enabled_backends': volumes.BACKEND,
        },
        'database': {'connection': database_url(place, 'cinder')},
        # It is root already.
        'cinder_sys_admin': {
            'helper_command': place.layout.venv_program('privsep-helper')},
        # It asks Nova for the snapshots of volumes that instances have.
        'nova': credentials(place, 'nova'),
        'service_user': {'send_service_user_token': True,
                         **credentials(place, 'cinder')},
    }, volumes.backend(place), _lock(place), _token_check(place, 'cinder'))


def nova_common(place: Place) -> Sections:
    """What controller and compute hosts share."""
    return inifile.merge({
        'DEFAULT': {
            'debug': True,
            'transport_url': message_url(place),
            'state_path': '/run/nova',
            'report_interval': 5,
            'service_down_time': 30,
        },
        'glance': {'api_servers': settings.url('glance')},
        'cinder': {'catalog_info': 'block-storage::publicURL'},
        'placement': credentials(place, 'placement'),
        'neutron': {'service_metadata_proxy': False,
                    **credentials(place, 'nova')},
        'service_user': {'send_service_user_token': True,
                         **credentials(place, 'nova')},
        'workarounds': {
            'disable_rootwrap': True,
            # An instance of a machine type that both have may go back to the
            # older QEMU, too, which Nova refuses by itself.
            **({'skip_hypervisor_version_check_on_lm': True}
               if place.cloud.qemu == settings.QEMU_MIXED else {})},
    }, _lock(place), _token_check(place, 'nova'))


def nova(place: Place) -> Sections:
    """The configuration of everything of Nova on the controller."""
    here = settings.address(CONTROLLER)
    return inifile.merge(nova_common(place), {
        'DEFAULT': {
            'osapi_compute_workers': 1,
            # Otherwise the first look for new hosts is up to a minute late.
            'periodic_fuzzy_delay': 0,
        },
        'wsgi': {'api_paste_config': place.config('nova', 'api-paste.ini')},
        'api_database': {'connection': database_url(place, 'nova_api')},
        'database': {'connection': database_url(place, 'nova')},
        'conductor': {'workers': 1},
        'scheduler': {'workers': 1, 'discover_hosts_in_cells_interval': 3},
        'filter_scheduler': {'enabled_filters': ','.join(SCHEDULER_FILTERS)},
        'vnc': {'enabled': True, 'novncproxy_host': here,
                'novncproxy_port': settings.PORTS['novncproxy']},
        'serial_console': {'enabled': True, 'serialproxy_host': here,
                           'serialproxy_port': settings.PORTS['serialproxy']},
        'consoleauth': {'token_ttl': 3600},
    })
