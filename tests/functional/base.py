# SPDX-License-Identifier: Apache-2.0
"""Nova's services in one process, with this driver and a fake libvirt.

Three things are not real: libvirt (Nova's own fake), the ports of Domain R
(in memory, as in the unit tests), and the shadow-device processes.
"""

import os
import pathlib
import re
import sys
import types

import fixtures
import libvirt
from lxml import etree
from nova import conf
from nova import context
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.libvirt import base

from nova_dmore import conf as dmore_conf
from nova_dmore import image_file
from nova_dmore import places
from nova_dmore.virt.config import host_keys
from nova_dmore.virt.network import address
from nova_dmore.virt.network import security_group
from nova_dmore.virt.pair import kernel_log
from nova_dmore.virt import where
from tests.unit.virt import fake_host
from tests.unit.virt import fake_neutron
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes
from tests.unit.virt import no_rsa_keys
from tests.unit.virt.images import store_case

CONF = conf.CONF

#: Where a wheel of Nova puts its configuration files.
API_PASTE = pathlib.Path(sys.prefix, 'etc/nova/api-paste.ini')

#: One of Nova's own.
FLAVOR = '1'
#: Not what the tests put in their place.
_STOCK_CONSOLES = where.has_stock_consoles
_SHADOW_DEVICES = where.has_shadow_devices


class Connection(fakelibvirt.Connection):
    """Nova's fake, which keeps what it was given and finds by name."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        #: The last XML of each domain, by name. What the fake's ``XMLDesc``
        #: returns has consoles of its own.
        self.xml = {}
        #: That with which each was suspended.
        self.saved_xml = {}

    def _keep(self, xml):
        self.xml[etree.fromstring(xml).findtext('name')] = xml

    def defineXML(self, xml):
        self._keep(xml)
        return super().defineXML(xml)

    def createXML(self, xml, flags):
        self._keep(xml)
        return super().createXML(xml, flags)

    def lookupByName(self, name):
        try:
            return self._vms[name]
        except KeyError:
            raise fake_host.libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)

    def domainXMLToNative(self, kind, xml, flags=0):
        return '/usr/bin/qemu'

    def close(self):
        pass


def kept_xml(domain, flags=0):
    """``XMLDesc`` of what libvirt was given, with the consoles."""
    return domain._connection.xml[domain.name()]


class TestCase(base.ServersTestBase):
    """A cloud with this driver; :meth:`start` starts a compute host."""

    api_major_version = 'v2.1'
    microversion = 'latest'
    ADMIN_API = True

    def setUp(self):
        dmore_conf.register(CONF)
        # They ask what Nova asks, too, and so the fake answers with its own
        # kind of error.
        for module in ('where', 'care.reconcile'):
            self.useFixture(fixtures.MonkeyPatch(
                f'nova_dmore.virt.{module}.libvirt', fakelibvirt))
        self.useFixture(fixtures.MockPatchObject(
            host_keys, '_RSA_KEYS', no_rsa_keys.NoRsaKeys()))
        # The consoles in the fake's XML are always the stock ones.
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.where.has_shadow_devices', lambda *_: True))
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.where.has_stock_consoles', lambda *_: False))
        # Not the switch of the machine that the tests run on.
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.network.wired.database_of', lambda conf: None))
        self.flags(api_paste_config=str(API_PASTE), group='wsgi')
        self.directory = self.useFixture(fixtures.TempDir()).path
        self.flags(
            group='dmore', management_network='consoles',
            log_dir=self._path('log'),
            image_cache_dir=self._path('images'),
            secret_file=self._file('secret', 's' * 64),
            # Tests check themselves.
            watch_interval=3600.0)
        self.flags(group='serial_console', enabled=True)
        self.fields = {}
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Connection', Connection))
        stock_save = fakelibvirt.Domain.managedSave
        stock_remove = fakelibvirt.Domain.managedSaveRemove

        def save(domain, flags):
            domain._connection.saved_xml[domain.name()] = (
                domain._connection.xml[domain.name()])
            stock_save(domain, flags)
        for name, function in {
                'managedSave': save,
                # The fake calls its own without them.
                'managedSaveRemove': lambda domain, flags=0: stock_remove(
                    domain, flags),
                'pinVcpu': lambda domain, vcpu, cpus: setattr(
                    domain, 'vcpu_cpus', cpus),
                'pinEmulator': lambda domain, cpus, flags: setattr(
                    domain, 'emulator_cpus', cpus),
                'setSchedulerParametersFlags':
                lambda domain, parameters, flags: None,
                'managedSaveGetXMLDesc': lambda domain, flags:
                domain._connection.saved_xml[domain.name()]}.items():
            self.useFixture(fixtures.MonkeyPatch(
                f'nova.tests.fixtures.libvirt.Domain.{name}', function))
        self.shadow = self.useFixture(fake_shadow.ShadowProcesses())
        self.neutron_for_domain_r = fake_neutron.Neutron()
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.limited.neutron', types.SimpleNamespace(
                get_client=lambda context, admin:
                self.neutron_for_domain_r.client)))
        # The fake of Nova runs no guest, and tests check themselves.
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.checks.start.check_aside', lambda subject: None))
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.images.credentials.service_context',
            lambda: context.RequestContext(is_admin=True, overwrite=False)))
        self._respect_filters_of_names()
        self.tar = store_case.make_image(pathlib.Path(self.directory))
        self.digest = self.upload(self.tar)

    def see_consoles(self):
        """Have everybody see the consoles that instances were given, and not
        those that Nova's fake tells of."""
        for name, function in {
                'nova.tests.fixtures.libvirt.Domain.XMLDesc': kept_xml,
                'nova_dmore.virt.where.has_stock_consoles': _STOCK_CONSOLES,
                'nova_dmore.virt.where.has_shadow_devices': _SHADOW_DEVICES,
        }.items():
            self.useFixture(fixtures.MonkeyPatch(name, function))

    def _setup_compute_service(self):
        self.flags(compute_driver='dmore.DMoreDriver')

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _file(self, name, content, mode=0o600):
        path = pathlib.Path(self._path(name))
        path.write_text(content)
        path.chmod(mode)
        return str(path)

    def _respect_filters_of_names(self):
        stock = self.glance.detail

        def detail(request_context, **kwargs):
            name = kwargs.get('filters', {}).get('name')
            return [image for image in stock(request_context, **kwargs)
                    if name in (None, image['name'])]

        self.glance.detail = detail

    # -- the cloud ----------------------------------------------------------

    def upload(self, tar, name='nova-dmore-domr', **properties):
        """Put an image of Domain R into Glance; its digest."""
        digest = image_file.digest(tar)
        with open(tar, 'rb') as tar_file:
            self.glance.create(None, {
                'name': name, 'disk_format': 'raw',
                'container_format': 'bare', 'is_public': True,
                'properties': {'dmore_digest': digest, **properties},
            }, tar_file)
        return digest

    def make_guest_image(self, **properties):
        """An image to boot from; its id."""
        return self.glance.create(None, {
            **self.glance.image1, 'id': None, 'name': 'guest',
            'properties': properties} | {
                'id': fakes.UUID})['id']

    def start(self, hostname='c1', **arguments):
        """Start a compute host."""
        # The hosts of one process would share what is local to a host.
        self.flags(run_dir=self._path(f'run-{hostname}'),
                   record_dir=self._path(f'records-{hostname}'),
                   group='dmore')
        self.start_compute(hostname=hostname, **arguments)
        return self.computes[hostname]

    def _build_server(self, *arguments, **keywords):
        return {**super()._build_server(*arguments, **keywords),
                **self.fields}

    def boot(self, fields=None, **arguments):
        """Boot a server, on the one network of Nova's fake or on none.

        :param fields: what the request says besides.
        """
        self.fields = fields or {}
        arguments.setdefault('networks', 'none')
        # Nova's helper takes the first of all flavors: a test's own, when its
        # random identifier happens to sort before the stock ones.
        arguments.setdefault('flavor_id', FLAVOR)
        return self._create_server(**arguments)

    def make_token(self, server, protocol='vnc', kind='novnc', api=None):
        """Ask for a console of a server; the token."""
        console = (api or self.api).api_post(
            f'/servers/{server["id"]}/remote-consoles', {
                'remote_console': {'protocol': protocol, 'type': kind},
            }).body['remote_console']
        # noVNC has it quoted, as part of another parameter.
        return re.search('token(?:=|%3D)([-0-9a-f]{36})', console['url'])[1]

    def endpoint(self, token):
        """Where a token leads: host and port."""
        found = self.admin_api.api_get(
            f'/os-console-auth-tokens/{token}').body['console']
        return found['host'], found['port']

    # -- what is there ------------------------------------------------------

    def driver(self, hostname='c1'):
        return self.computes[hostname].driver

    def connection(self, hostname='c1'):
        return self.driver(hostname)._host.get_connection()

    def instance_xml(self, server, hostname='c1'):
        """What libvirt was given for a server."""
        (domain,) = [
            domain for domain in self.connection(hostname)._vms.values()
            if domain.UUIDString() == server['id']]
        return etree.fromstring(self.connection(hostname).xml[domain.name()])

    def domain_r(self, server, hostname='c1'):
        """The Domain R of a server, None when there is none."""
        return self.connection(hostname)._vms.get('domr-' + server['id'])

    def domain_r_xml(self, server, hostname='c1'):
        """What libvirt was given for a server's Domain R."""
        return etree.fromstring(
            self.connection(hostname).xml['domr-' + server['id']])

    def serial(self, server, hostname='c1'):
        """Type of the server's first serial port, and its source."""
        device = self.instance_xml(server, hostname).find('devices/serial')
        return device.get('type'), device.find('source')

    def pair_directory(self, server, hostname='c1'):
        return self.driver(hostname)._pairs.records.directory(server['id'])

    def shadow_client(self, server, hostname='c1'):
        """The mock behind the client of the server's pair."""
        return self.shadow.clients[self.pair_directory(server, hostname)]

    def assert_left_alone(self):
        """No shadow-device process was told anything that it did not know:
        the watch says to each pair, once, that no Domain R is to be held, and
        what to serve."""
        self.assertEqual([], [name for name in self.shadow.log
                              if name not in ('hold', 'configure')])

    def assert_display(self, xml, directory):
        """QEMU's VNC server listens at nothing, and the shadow-device process
        has its monitor."""
        self.assertEqual([], xml.findall("devices/graphics[@type='vnc']"))
        arguments = self._qemu_arguments(xml)
        self.assertEqual(
            ['-vnc', 'none'], arguments[arguments.index('-vnc'):][:2])
        path = os.path.join(places.of_pair(directory).instance, 'qmp.sock')
        self.assertIn(f'socket,id=dmore-qmp,path={path},reconnect=1',
                      arguments)

    @staticmethod
    def _qemu_arguments(xml):
        qemu = '{http://libvirt.org/schemas/domain/qemu/1.0}'
        return [argument.get('value') for argument in xml.iterfind(
            f'{qemu}commandline/{qemu}arg')]

    def assert_pair(self, server, hostname='c1'):
        """The server has a complete pair."""
        self.assertIsNotNone(self.domain_r(server, hostname))
        self.assertEqual((True, True), self.driver(
            hostname)._pairs.is_alive(server['id']))
        kind, source = self.serial(server, hostname)
        self.assertEqual('pipe', kind)
        self.assertEqual(
            os.path.join(places.of_pair(self.pair_directory(
                server, hostname)).instance, 'serial0'),
            source.get('path'))
        (port,) = [port for port in self.neutron_for_domain_r.ports.values()
                   if port['device_id'] == address.device_id(server['id'])]
        return port

    def assert_secured(self, port):
        """A port may use its own addresses alone, and has the one group that
        the plug-in keeps."""
        self.assertTrue(port['port_security_enabled'])
        (group,) = [
            group['id'] for group in self.neutron_for_domain_r.groups.values()
            if group['name'] == security_group.NAME]
        self.assertEqual([group], port['security_groups'])

    def write_kernel_log(self, server):
        """As virtlogd does for a Domain R; its path."""
        log = pathlib.Path(kernel_log.path(self._path('log'), server['id']))
        log.write_text('Linux boots\n')
        return log

    def assert_no_pair(self, server, hostname='c1'):
        """The server runs as stock Nova runs it; nothing is left of a pair."""
        self.assertIsNone(self.domain_r(server, hostname))
        self.assertEqual('tcp', self.serial(server, hostname)[0])
        # Not the text: Nova's tests draw names from all letters, and there
        # are flavors with "qmp" in theirs.
        self.assertEqual([], self._qemu_arguments(
            self.instance_xml(server, hostname)))
        self.assertIsNotNone(self.instance_xml(server, hostname).find(
            "devices/graphics[@type='vnc']"))
        self.assert_nothing_left()

    def assert_nothing_left(self):
        """There is no pair in the cloud, nor a part of one."""
        self.assertEqual({}, self.neutron_for_domain_r.ports)
        self.assertEqual(set(), self.shadow.alive)
        for hostname in self.computes:
            self.assertEqual([], self.driver(hostname)._pairs.records.all())
            self.assertEqual([], [
                name for name in self.connection(hostname)._vms
                if name.startswith('domr-')])
