# SPDX-License-Identifier: Apache-2.0
"""The controller's services, each as steps that can run beside the others."""

import functools
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Sequence

from laboratory.layout import TOOLS
from laboratory.progress import Failure
from laboratory.testbed import conf_controller, inifile, ovn, probe
from laboratory.testbed import services, settings, volumes
from laboratory.testbed.node import Node
from laboratory.testbed.settings import CONTROLLER, DATABASES, Place, PORTS

_RABBIT_USER = 'rabbitmq'
_READY_S = 90.0
#: Of Glance's uwsgi. Nova sends the disk of a snapshot in chunks of 1 MiB:
#: uwsgi takes that much unless told otherwise, but with the end of the line
#: after each chunk. And it waits 4 s for the next part, with which a host
#: that is busy with emulation may be late.
_UPLOADS = ('--chunked-input-limit', str(4 << 20),
            '--chunked-input-timeout', '60')
#: Of each service with an API: the module of its WSGI application, how many
#: threads that has, and further options of uwsgi.
_APIS: dict[str, tuple[str, int, Sequence[str]]] = {
    'keystone': ('keystone.wsgi.api', 4, ()),
    'placement': ('placement.wsgi.api', 4, ()),
    'glance': ('glance.wsgi.api', 4, _UPLOADS),
    'neutron': ('neutron.wsgi.api', 4, ()),
    'cinder': ('cinder.wsgi.api', 4, ()),
    'nova': ('nova.wsgi.osapi_compute', 8, ())}


class Controller:
    """Its methods are steps; ``bringup`` says what goes before what."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._node = Node(place, CONTROLLER)
        self._address = settings.address(CONTROLLER)

    def configure(self) -> None:
        """Write every configuration file of the controller."""
        place = self._place
        for name, sections in (
                ('keystone/keystone.conf', conf_controller.keystone(place)),
                ('glance/glance-api.conf', conf_controller.glance(place)),
                ('placement/placement.conf', conf_controller.placement(place)),
                ('neutron/neutron.conf', conf_controller.neutron(place)),
                ('neutron/ml2_conf.ini', self._ml2()),
                ('cinder/cinder.conf', conf_controller.cinder(place)),
                ('nova/nova.conf', conf_controller.nova(place))):
            inifile.write(place.config(name), inifile.render(sections))
        volumes.configure(place)
        # nova's WSGI application looks for it beside nova.conf.
        shutil.copy(place.layout.venv / 'etc/nova/api-paste.ini',
                    place.config('nova'))
        for name in ('fernet-keys', 'credential-keys', 'images', 'staging',
                     'tasks'):
            place.own(CONTROLLER, name).mkdir(parents=True, exist_ok=True)

    def _ml2(self) -> inifile.Sections:
        sections = conf_controller.ml2(self._place)
        return (ovn.ml2(sections)
                if self._place.cloud.network == settings.NETWORK_OVN
                else sections)

    # The two servers that everything needs.

    def mariadb(self) -> None:
        self._node.run('mariadb-install', [
            'mariadb-install-db', '--no-defaults', '--user=mysql',
            '--datadir=/var/lib/mysql', '--skip-test-db',
            '--auth-root-authentication-method=socket'])
        first = self._place.own(CONTROLLER, 'mysql') / 'first.sql'
        password = self._place.cloud.database
        inifile.write(first, ''.join(
            f'CREATE DATABASE {name} CHARACTER SET utf8mb3;\n'
            for name in DATABASES)
            + f"CREATE USER openstack@'%' IDENTIFIED BY '{password}';\n"
            + ''.join(f"GRANT ALL ON {name}.* TO openstack@'%';\n"
                      for name in DATABASES))
        shutil.chown(first, 'mysql')
        service = self._node.service('mariadb', [
            'mariadbd', '--no-defaults', '--user=mysql',
            '--datadir=/var/lib/mysql', '--init-file=/var/lib/mysql/first.sql',
            '--socket=/run/mysqld/mysqld.sock',
            f'--bind-address={self._address}', f'--port={PORTS["mariadb"]}',
            '--max-connections=500', '--skip-name-resolve',
            '--character-set-server=utf8mb3',
            # The data does not outlive the machine's next crash, nor need it.
            '--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=0'])
        self._node.wait_tcp(service, self._address, PORTS['mariadb'])

    def rabbitmq(self) -> None:
        config = self._place.own(CONTROLLER, 'rabbitmq') / 'rabbitmq.conf'
        inifile.write(config, f'listeners.tcp.1 = {self._address}:'
                              f'{PORTS["rabbitmq"]}\n'
                              'default_user = openstack\n'
                              f'default_pass = {self._place.cloud.message}\n')
        shutil.chown(config, _RABBIT_USER)
        service = self._node.service('rabbitmq', [
            'setpriv', '--reuid', _RABBIT_USER, '--regid', _RABBIT_USER,
            '--clear-groups', '/usr/lib/rabbitmq/bin/rabbitmq-server'], {
                'HOME': '/var/lib/rabbitmq',
                'RABBITMQ_NODENAME': f'rabbit@{CONTROLLER}',
                'RABBITMQ_CONFIG_FILE': '/var/lib/rabbitmq/rabbitmq.conf',
                'RABBITMQ_MNESIA_BASE': '/var/lib/rabbitmq/mnesia',
                'RABBITMQ_LOG_BASE': '/var/log/rabbitmq',
                # Two schedulers that sleep instead of spinning when idle.
                'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': '+S 2:2 +sbwt none'})
        self._node.wait_tcp(service, self._address, PORTS['rabbitmq'])

    # Databases.

    def _manage(self, program: str, config: pathlib.Path, *arguments: str
                ) -> None:
        self._node.run(f'{program}-{"-".join(arguments[:2])}', [
            self._place.layout.venv_program(program),
            '--config-file', str(config), *arguments],
            {'OS_PLACEMENT_CONFIG_DIR': str(self._place.config('placement'))})

    def keystone_database(self) -> None:
        config = self._place.config('keystone/keystone.conf')
        owner = ('--keystone-user', 'root', '--keystone-group', 'root')
        self._manage('keystone-manage', config, 'fernet_setup', *owner)
        self._manage('keystone-manage', config, 'credential_setup', *owner)
        self._manage('keystone-manage', config, 'db_sync')
        bootstrap = [self._place.layout.venv_program('keystone-manage'),
                     '--config-file', str(config), 'bootstrap',
                     '--bootstrap-region-id', settings.REGION]
        for kind in ('admin', 'internal', 'public'):
            bootstrap += [f'--bootstrap-{kind}-url',
                          settings.url('keystone', '/v3/')]
        self._node.run('keystone-manage-bootstrap', bootstrap, {
            'OS_BOOTSTRAP_PASSWORD': self._place.cloud.admin})

    def glance_database(self) -> None:
        self._manage('glance-manage',
                     self._place.config('glance/glance-api.conf'), 'db_sync')

    def placement_database(self) -> None:
        self._manage('placement-manage',
                     self._place.config('placement/placement.conf'),
                     'db', 'sync')

    def neutron_database(self) -> None:
        self._node.run('neutron-db-manage', [
            self._place.layout.venv_program('neutron-db-manage'),
            *self._neutron_files(), 'upgrade', 'heads'])

    def cinder_database(self) -> None:
        self._manage('cinder-manage', self._cinder_conf(), 'db', 'sync')

    def nova_databases(self) -> None:
        config = self._place.config('nova/nova.conf')
        self._manage('nova-manage', config, 'api_db', 'sync')
        # nova fills in the password from nova.conf: none on a command line.
        cell0 = conf_controller.database_url(self._place, 'nova_cell0')
        self._manage('nova-manage', config, 'cell_v2', 'map_cell0',
                     '--database_connection',
                     cell0.replace(self._place.cloud.database, '{password}'))
        self._manage('nova-manage', config, 'cell_v2', 'create_cell',
                     '--name', 'cell1')
        self._manage('nova-manage', config, 'db', 'sync')

    # Services.

    def api(self, service: str) -> Callable[[], None]:
        """A step: the API of a service."""
        return functools.partial(self._api, service)

    def _api(self, service: str) -> None:
        place = self._place
        module, threads, options = _APIS[service]
        environment = {f'OS_{service.upper()}_CONFIG_DIR':
                       str(place.config(service))}
        if service == 'neutron':
            environment['OS_NEUTRON_CONFIG_FILES'] = (
                'neutron.conf;ml2_conf.ini')
        elif service == 'cinder':
            environment = {}
            options = ('--pyargv', f'--config-file {self._cinder_conf()}')
        started = self._node.wsgi(f'{service}-api', PORTS[service],
                                  f'{module}:application', threads,
                                  self._address, environment, options)
        self._node.wait(started, lambda: probe.answers_http(
            settings.url(service, '/')))

    def identity(self) -> None:
        """The services' users and addresses in keystone."""
        self._module('identity', 'identity')

    def neutron_workers(self) -> None:
        rpc = self._neutron('neutron-rpc-server')
        self._neutron('neutron-periodic-workers')
        # An agent whose first call nobody hears waits for a minute and more.
        rpc.wait_until_ready(_READY_S)

    def ovn_maintenance(self) -> None:
        """What Neutron does with OVN beside its API. Nothing tells that it is
        ready, and nothing waits for it."""
        self._neutron('neutron-ovn-maintenance-worker')

    def _neutron(self, name: str) -> services.Service:
        return self._node.service(name, [
            self._place.layout.venv_program(name), *self._neutron_files()])

    def cinder_workers(self) -> None:
        """The scheduler, and the one that makes volumes."""
        for name in ('cinder-scheduler', 'cinder-volume'):
            self._node.service(name, [
                self._place.layout.venv_program(name),
                '--config-file', str(self._cinder_conf())],
                volumes.environment(self._place))

    def _cinder_conf(self) -> pathlib.Path:
        return self._place.config('cinder/cinder.conf')

    def nova_workers(self) -> None:
        self._nova('nova-conductor')
        self._nova('nova-scheduler')

    def nova_proxies(self) -> None:
        started = {name: self._nova(f'nova-{name}')
                   for name in ('novncproxy', 'serialproxy')}
        for name, service in started.items():
            self._node.wait_tcp(service, self._address, PORTS[name])

    def _nova(self, name: str) -> services.Service:
        return self._node.service(name, [
            self._place.layout.venv_program(name),
            '--config-file', str(self._place.config('nova/nova.conf'))])

    def _neutron_files(self) -> list[str]:
        return [word for name in ('neutron.conf', 'ml2_conf.ini')
                for word in ('--config-file',
                             str(self._place.config('neutron', name)))]

    # What users of the cloud find in it.

    def neutron_policy(self) -> None:
        """Have neutron load its policy."""
        self._module('neutron-policy', 'resources', 'touch')

    def resources(self) -> None:
        """Images, flavors, networks and the key pair."""
        self._module('resources', 'resources', 'create',
                     str(self._place.layout.guest_image),
                     str(self._place.public_key))

    def domr_image(self) -> None:
        """Domain R's image in Glance.

        :raises Failure: it was not built, or Glance does not take it
        """
        image = self._place.layout.domr_image()
        if image is None:
            raise Failure('Domain R image', 'not built: tools/setup domr')
        self._node.run('domr-image-upload', [
            self._place.layout.venv_program('nova-dmore-image'), 'upload',
            str(image)], self._place.credentials())

    def wait_for_computes(self) -> None:
        """Until both hosts can take instances."""
        self._module('wait-for-computes', 'resources', 'wait',
                     *settings.COMPUTES)

    def _module(self, step: str, module: str, *arguments: str) -> None:
        """Run one of this package's modules that need the OpenStack SDK."""
        self._node.run(step, [
            self._place.layout.venv_program('python'), '-m',
            f'laboratory.testbed.{module}', *arguments],
            {**self._place.credentials(), 'PYTHONPATH': str(TOOLS),
             'DMORE_SERVICE_PASSWORD': self._place.cloud.service})


def make_secrets(place: Place) -> None:
    """The key pair of the cloud's user; the secrets that both hosts share."""
    inifile.write(place.console_secret, place.cloud.console + '\n')
    place.private_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for key in (place.private_key, place.move_key):
        key.unlink(missing_ok=True)
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C',
                        'dmore', '-f', str(key)], check=True)
