# SPDX-License-Identifier: Apache-2.0
"""``tools/testbed``: the command line."""

import argparse
import contextlib
import os
import shlex

from laboratory import launch
from laboratory.cloud import clouds
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare
from laboratory.testbed import bringup, services, settings, status, teardown
from laboratory.testbed.settings import Cloud, COMPUTES, CONTROLLER


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    :returns: the exit status: 0, or 1 after a failure that was printed
    """
    options = parser().parse_args(arguments)

    def run() -> int:
        clouds.need_root('testbed')
        return options.run(Layout.from_environment(), options)

    return launch.run('testbed', run, '; "down" removes what is there')


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='testbed', description='An OpenStack cloud with two compute '
        'hosts, in namespaces of this machine.')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    up = commands.add_parser('up', help='start a cloud, ending an earlier one')
    up.add_argument('--block', action='store_true',
                    help='disks are per host (block migration), not shared')
    up.add_argument('--driver', default=settings.DRIVER,
                    help='compute_driver (default: %(default)s)')
    up.add_argument('--horizon', action='store_true',
                    help='start Horizon, the web interface, too')
    up.add_argument('--qemu', choices=settings.QEMUS,
                    help="of the hosts: Debian 12's, that of its backports, "
                         'or one of each (default: DMORE_QEMU, or '
                         f'{settings.QEMU_DEFAULT})')
    up.add_argument('--network', choices=settings.NETWORKS,
                    help="what drives the networks: Neutron's own agents, or "
                         'OVN (default: DMORE_NETWORK, or '
                         f'{settings.NETWORK_OVS})')
    up.add_argument('--earlier', metavar='COMMIT', nargs='?',
                    const=settings.RELEASED,
                    help='of this project, for the first host '
                         '(without a COMMIT: that of the last release)')
    up.set_defaults(run=_up)
    down = commands.add_parser('down', help='end the cloud; leave nothing')
    down.add_argument('--keep-logs', action='store_true',
                      help='move the logs to the state directory')
    down.set_defaults(run=_down)
    commands.add_parser('status', help='hosts, services, health'
                        ).set_defaults(run=_status)
    commands.add_parser('openrc', help="print the administrator's exports"
                        ).set_defaults(run=_openrc)
    run = commands.add_parser('exec', help='run a command in a host')
    run.add_argument('host', choices=(CONTROLLER, *COMPUTES))
    run.add_argument('argv', nargs=argparse.REMAINDER, metavar='-- CMD')
    run.set_defaults(run=_exec)
    for name, action in (('stop', _stop), ('start', _start),
                         ('restart', _restart)):
        command = commands.add_parser(name, help=f'{name} one service')
        command.add_argument('host', choices=(CONTROLLER, *COMPUTES))
        command.add_argument('service')
        command.set_defaults(run=action)
    reboot = commands.add_parser(
        'reboot', help='end a compute host as a loss of power does, and start '
        'it again')
    reboot.add_argument('host', choices=COMPUTES)
    reboot.set_defaults(run=_reboot)
    return parser


def _alone(layout: Layout) -> contextlib.AbstractContextManager[None]:
    """Let no other command start or end a cloud meanwhile.

    :raises Failure: one is doing so
    """
    layout.state.mkdir(parents=True, exist_ok=True)
    return clouds.lock(layout.lock, 'testbed', 'another up or down is running')


def _up(layout: Layout, options: argparse.Namespace) -> int:
    progress = Progress()
    with _alone(layout):
        qemu = options.qemu or settings.wanted_qemu()
        network = options.network or settings.wanted_network()
        if network == settings.NETWORK_OVN:
            prepare.Setup(layout, progress).ovn()
        bringup.up(layout, Cloud(
            options.block, options.driver, options.horizon, qemu, network,
            options.earlier), progress)
    progress.say('the cloud is up')
    if options.horizon:
        progress.say('Horizon, on the controller: '
                     + settings.url('horizon', '/'))
    return 0


def _down(layout: Layout, options: argparse.Namespace) -> int:
    with _alone(layout):
        teardown.down(layout, options.keep_logs)
    return 0


def _status(layout: Layout, _options: argparse.Namespace) -> int:
    place = clouds.up(layout)
    found = status.collect(place)
    print(status.render(found))
    return 0 if status.healthy(found) else 1


def _openrc(layout: Layout, _options: argparse.Namespace) -> int:
    for name, value in clouds.up(layout).credentials().items():
        print(f'export {name}={shlex.quote(value)}')
    return 0


def _exec(layout: Layout, options: argparse.Namespace) -> int:
    place = clouds.up(layout)
    argv = options.argv[1:] if options.argv[:1] == ['--'] else options.argv
    if not argv:
        raise Failure('exec', 'no command given')
    command = place.host(options.host).enter(argv, os.getcwd())
    os.execvpe(command[0], command, {
        **os.environ, **place.environment(), **place.credentials()})


def _service(layout: Layout, options: argparse.Namespace) -> services.Service:
    return services.find(clouds.up(layout).host(options.host),
                         options.service)


def _stop(layout: Layout, options: argparse.Namespace) -> int:
    _service(layout, options).stop()
    return 0


def _start(layout: Layout, options: argparse.Namespace) -> int:
    service = _service(layout, options)
    if service.pid() is None:
        service.start()
        service.wait_until_ready()
    return 0


def _reboot(layout: Layout, options: argparse.Namespace) -> int:
    with _alone(layout):
        bringup.reboot(clouds.up(layout), options.host, Progress())
    return 0


def _restart(layout: Layout, options: argparse.Namespace) -> int:
    _service(layout, options).restart()
    return 0
