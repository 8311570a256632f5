# SPDX-License-Identifier: Apache-2.0
"""Create the services' users and addresses in keystone.

Runs by itself in the controller, with the virtual environment's Python.
"""

import os

import openstack

from laboratory.testbed import settings

_TYPES = {'glance': 'image', 'placement': 'placement', 'nova': 'compute',
          'neutron': 'network', 'cinder': 'block-storage'}
_PATHS = {'nova': '/v2.1', 'cinder': '/v3'}


def main() -> None:
    identity = openstack.connect().identity
    password = os.environ['DMORE_SERVICE_PASSWORD']
    project = identity.create_project(name='service', domain_id='default')
    roles = [identity.find_role('admin'), identity.find_role('service')
             or identity.create_role(name='service')]
    for name in settings.SERVICE_USERS:
        user = identity.create_user(name=name, password=password,
                                    domain_id='default')
        for role in roles:
            identity.assign_project_role_to_user(project, user, role)
        service = identity.create_service(name=name, type=_TYPES[name])
        for interface in ('public', 'internal', 'admin'):
            identity.create_endpoint(
                service_id=service.id, interface=interface,
                region_id=settings.REGION,
                url=settings.url(name, _PATHS.get(name, '')))


if __name__ == '__main__':
    main()
