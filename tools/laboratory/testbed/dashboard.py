# SPDX-License-Identifier: Apache-2.0
"""Horizon, the web interface of the cloud: made ready once, started on demand.

Its settings are ``horizon/local/local_settings.py``.
"""

import pathlib
import secrets
from collections.abc import Mapping

from laboratory import command
from laboratory.layout import Layout
from laboratory.progress import Failure
from laboratory.testbed import probe, settings
from laboratory.testbed.node import Node
from laboratory.testbed.settings import CONTROLLER, Place, PORTS

NAME = 'horizon'
#: The folder that holds Horizon's ``local`` package.
SETTINGS = pathlib.Path(__file__).with_name('horizon')
_THREADS = 4


def environment(layout: Layout, secret: str) -> Mapping[str, str]:
    """What Horizon's settings are taken from.

    :param secret: signs the cookies of its users
    """
    return {
        'PYTHONPATH': str(SETTINGS),
        'DJANGO_SETTINGS_MODULE': 'openstack_dashboard.settings',
        'DMORE_HORIZON_SECRET': secret,
        'DMORE_HORIZON_STATIC': str(layout.horizon_static.resolve()),
        'DMORE_HORIZON_KEYSTONE': settings.url('keystone', '/v3'),
    }


def collect(layout: Layout, log: pathlib.Path) -> None:
    """Gather and compress the files that browsers load; a step of the set-up.

    :raises Failure: one of Django's commands failed
    """
    for arguments in (('collectstatic', '--noinput', '--clear', '-v0'),
                      ('compress', '--force')):
        command.logged('Horizon', [
            layout.venv_program('python'), '-W', 'ignore', '-m', 'django',
            *arguments], log, environment={
                'PATH': '/usr/bin:/bin', **environment(layout, 'none')})


def start(place: Place) -> None:
    """Start it on the controller, and wait until it answers.

    :raises Failure: it was not set up, or does not answer
    """
    if not place.layout.horizon_manifest.exists():
        raise Failure(NAME, 'was not made ready: run tools/setup first')
    node = Node(place, CONTROLLER)
    service = node.wsgi(
        NAME, PORTS[NAME], 'openstack_dashboard.wsgi:application', _THREADS,
        settings.address(CONTROLLER),
        environment(place.layout, secrets.token_hex(32)),
        ['--static-map', f'/static={place.layout.horizon_static.resolve()}'])
    node.wait(service, lambda: probe.answers_http(
        settings.url(NAME, '/auth/login/')))
