# SPDX-License-Identifier: Apache-2.0
"""Start the whole cloud."""

import functools
from collections.abc import Callable, Sequence

from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.testbed.compute import Compute
from laboratory.testbed import controller, dashboard, earlier, network, ovn
from laboratory.testbed import settings, tasks
from laboratory.testbed.settings import Cloud, COMPUTES, CONTROLLER, Place
from laboratory.testbed import teardown


def up(layout: Layout, cloud: Cloud, progress: Progress) -> Place:
    """Start every service and create what the tests use.

    Whatever an earlier, broken start left is removed first.

    :raises Failure: a step failed; what runs is left for a look at it
    """
    layers = {Place(cloud, layout).layer(name) for name in COMPUTES} - {None}
    if cloud.network == settings.NETWORK_OVN:
        layers.add(layout.ovn)
    for needed in (layout.venv / 'bin' / 'nova-compute', layout.guest_image,
                   *layers):
        if not needed.exists():
            raise Failure('testbed', f'{needed} is missing: '
                                     'run tools/setup first')
    with progress.step('clear what an earlier cloud left'):
        teardown.down(layout, keep_logs=False)
    place = Place(cloud, layout)
    place.records.mkdir(parents=True)
    cloud.save(layout)
    for host in (CONTROLLER, *COMPUTES):
        place.log(host, 'host').parent.mkdir(parents=True)
    tasks.run(_graph(place), progress)
    (place.records / 'complete').touch()
    return place


def reboot(place: Place, name: str, progress: Progress) -> None:
    """End a compute host as a loss of power does, and start it again.

    Waits for its services, not for what they need of the controller.

    :raises Failure: something of it does not end, or does not start
    """
    with progress.step(f'{name} ends'):
        place.compute(name).crash()
    tasks.run(_compute(name, Compute(place, name)), progress)


_Graph = dict[str, tuple[Sequence[str], Callable[[], None]]]


def _compute(name: str, host: Compute) -> _Graph:
    """The steps of a compute host, whose configuration is there."""
    return {
        f'{name} boot': ([], host.boot),
        f'{name} ssh': ([f'{name} boot'], host.ssh),
        f'{name} storage': ([f'{name} boot'], host.storage),
        f'{name} libvirt': ([f'{name} boot'], host.libvirt),
        f'{name} openvswitch': ([f'{name} boot'], host.openvswitch),
        f'{name} hostd': ([f'{name} boot'], host.hostd),
        f'{name} exporter': ([f'{name} hostd'], host.exporter),
        f'{name} neutron agent': ([f'{name} openvswitch'], host.agent),
        f'{name} nova-compute': (
            [f'{name} libvirt', f'{name} storage', f'{name} openvswitch',
             f'{name} hostd'], host.nova),
    }


def _after(graph: _Graph, step: str, *needed: str) -> None:
    """Have a step wait for others, too."""
    before, action = graph[step]
    graph[step] = ([*before, *needed], action)


def _graph(place: Place) -> tasks.Graph:
    main = controller.Controller(place)
    graph: _Graph = {
        'secrets': ([], functools.partial(controller.make_secrets, place)),
        'hosts': ([], functools.partial(network.create, place)),
        'configuration': ([], main.configure),
        'mariadb': (['hosts'], main.mariadb),
        'rabbitmq': (['hosts'], main.rabbitmq),
        # One after the other what the last to be ready, nova-compute, waits
        # for, before the rest: there are few processors.
        'keystone database': (['mariadb', 'configuration'],
                              main.keystone_database),
        'nova databases': (['mariadb', 'configuration'], main.nova_databases),
        'placement database': (['keystone database'],
                               main.placement_database),
        'neutron database': (['keystone database'], main.neutron_database),
        'glance database': (['placement database'], main.glance_database),
        'cinder database': (['glance database'], main.cinder_database),
        'keystone': (['keystone database'], main.api('keystone')),
        'users': (['keystone'], main.identity),
        'placement': (['placement database'], main.api('placement')),
        'glance': (['glance database'], main.api('glance')),
        'cinder': (['cinder database', 'rabbitmq'], main.api('cinder')),
        'cinder workers': (['cinder database', 'rabbitmq'],
                           main.cinder_workers),
        'neutron': (['neutron database', 'rabbitmq'], main.api('neutron')),
        'neutron workers': (['neutron database', 'rabbitmq'],
                            main.neutron_workers),
        # After the users: a catalogue without Placement counts for as long as
        # a scheduler runs.
        'nova workers': (['nova databases', 'rabbitmq', 'users'],
                         main.nova_workers),
        'nova': (['nova databases', 'rabbitmq', 'users'], main.api('nova')),
        'nova proxies': (['nova databases', 'rabbitmq'], main.nova_proxies),
        'neutron policy': (['neutron', 'users'], main.neutron_policy),
        'images, flavors, networks': (
            ['users', 'glance', 'neutron policy', 'nova', 'secrets'],
            main.resources),
    }
    if place.cloud.driver == settings.DRIVER:
        graph['Domain R image'] = (['users', 'glance'], main.domr_image)
    if place.cloud.earlier is not None:
        graph['earlier release'] = (
            [], functools.partial(earlier.unpack, place))
        _after(graph, 'configuration', 'earlier release')
    if place.cloud.horizon:
        graph['horizon'] = (['images, flavors, networks'],
                            functools.partial(dashboard.start, place))
    if place.cloud.network == settings.NETWORK_OVN:
        graph['OVN databases'] = (
            ['hosts'], functools.partial(ovn.start_databases, place))
        graph['OVN maintenance'] = (['OVN databases', 'neutron'],
                                    main.ovn_maintenance)
        for step in ('neutron', 'neutron workers'):
            _after(graph, step, 'OVN databases')
    for name in COMPUTES:
        host = Compute(place, name)
        own = _compute(name, host)
        own[f'{name} configuration'] = (['configuration'], host.configure)
        for step, needs in (
                ('boot', ['hosts', 'secrets', f'{name} configuration']),
                ('neutron agent', ['neutron workers', 'users']),
                ('nova-compute', ['nova workers', 'users', 'placement'])):
            _after(own, f'{name} {step}', *needs)
        graph |= own
    graph['compute hosts ready'] = (
        ['nova', 'neutron policy', 'users', 'cinder', 'cinder workers']
        + [f'{name} nova-compute' for name in COMPUTES]
        + [f'{name} neutron agent' for name in COMPUTES],
        main.wait_for_computes)
    return graph
