# SPDX-License-Identifier: Apache-2.0
"""A host's libvirt, in memory, and a nova-compute there."""

import os
import threading
from unittest import mock

import fixtures
import libvirt
from lxml import etree
from nova import exception as nova_exception

from nova_dmore import image_file
from nova_dmore.virt.images import image_store
from nova_dmore.virt.network import address_book
from nova_dmore.virt.network import plug
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import incoming
from nova_dmore import wire
from tests.unit.virt import fake_neutron
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes


def libvirt_error(code=libvirt.VIR_ERR_INTERNAL_ERROR, text='no reason'):
    """An error as the bindings raise it."""
    error = libvirt.libvirtError(text)
    error.err = (code, libvirt.VIR_FROM_QEMU, text, 2, None, None, None, 0, 0)
    return error


class Domain:
    """A domain of :class:`Libvirt`; tests replace its methods."""

    def __init__(self, connection, name, xml=''):
        self._connection = connection
        self._name = name
        self.xml = xml
        self.uuid = None        # of instances
        self.run_state = (libvirt.VIR_DOMAIN_RUNNING, 1)
        #: Whether it migrates; an error is raised by jobInfo.
        self.job = False
        #: The XML with which it was suspended.
        self.saved_xml = None
        self.arrival = {'downtime': 90}

    def hasManagedSaveImage(self, flags):
        return int(self.saved_xml is not None)

    def managedSaveGetXMLDesc(self, flags):
        return self.saved_xml

    def UUIDString(self):
        return self.uuid or domain_r.uuid_of(
            self._name.removeprefix('domr-'))

    def info(self):
        return [self.run_state[0], 0, 0, 1, 0]

    def state(self, flags=0):
        return list(self.run_state)

    def jobInfo(self):
        if isinstance(self.job, Exception):
            raise self.job
        return [libvirt.VIR_DOMAIN_JOB_UNBOUNDED if self.job
                else libvirt.VIR_DOMAIN_JOB_NONE] + [0] * 11

    def jobStats(self, flags=0):
        """Statistics of the migration by which it has come."""
        if not flags & libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED:
            raise libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
        arrival = self.arrival
        if not flags & libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED:
            self.arrival = {}
        return arrival

    def abortJob(self):
        self.job = False

    def name(self):
        return self._name

    def XMLDesc(self, flags):
        return self.xml

    def isActive(self):
        return int(self._name in self._connection.domains)

    def pinVcpu(self, vcpu, cpus):
        self.vcpu_on = cpus

    def pinEmulator(self, cpus, flags):
        self.emulator_on = cpus

    def setSchedulerParametersFlags(self, parameters, flags):
        self.scheduler = parameters

    def destroy(self):
        if self._connection.domains.pop(self._name, None) is None:
            raise libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)


#: An instance whose consoles are those of a pair, as far as is asked here.
SHADOWED = ('<domain><devices><serial type="pipe"><source path='
            f'"/run/nova-dmore/libvirt-{fakes.UUID}/serial0"/></serial>'
            '</devices></domain>')


class Libvirt:
    """What is used of ``libvirt.virConnect``."""

    def __init__(self):
        self.domains = {}
        self.refuse = None      # raised by createXML
        #: Called with the XML of a domain that nobody starts.
        self.check = lambda xml: None
        self.qemu_version = 10_000_000
        self.libvirt_version = 11_000_000

    def getVersion(self):
        return self.qemu_version

    def getLibVersion(self):
        return self.libvirt_version

    def getCapabilities(self):
        return '<capabilities/>'

    def domainXMLToNative(self, kind, xml, flags=0):
        self.check(etree.fromstring(xml))
        return '/usr/bin/qemu'

    def refuse_device(self, path='devices/shmem'):
        """As a QEMU that has not been built with it."""
        def check(root):
            if root.find(path) is not None:
                raise libvirt_error(
                    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
                    "shmem model 'ivshmem-doorbell' is not supported by this "
                    'QEMU binary')
        self.check = check

    def lookupByName(self, name):
        try:
            return self.domains[name]
        except KeyError:
            raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)

    def lookupByUUIDString(self, uuid):
        for domain in self.domains.values():
            if domain.uuid == uuid:
                return domain
        raise libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)

    def add_instance(self, uuid=fakes.UUID, name='instance-00000001',
                     xml=SHADOWED):
        """As Nova, or a migration, does."""
        domain = self.domains[name] = Domain(self, name, xml)
        domain.uuid = uuid
        return domain

    def listAllDomains(self, flags):
        return list(self.domains.values())

    def createXML(self, xml, flags):
        if self.refuse is not None:
            raise self.refuse
        name = etree.fromstring(xml).findtext('name')
        self.domains[name] = Domain(self, name, xml)
        return self.domains[name]

    def close(self):
        pass


class VifDriver:
    """Nova's VIF driver as :class:`plug.Plug` uses it."""

    def __init__(self):
        self.plugged = set()
        self.refuse = None

    def plug(self, instance, vif):
        if self.refuse is not None:
            raise self.refuse
        self.plugged.add(vif['id'])

    def unplug(self, instance, vif):
        self.plugged.discard(vif['id'])

    def get_config(self, instance, vif, image_meta, flavor, virt_type):
        return mock.Mock(spec=['to_xml'], to_xml=lambda: (
            f'<interface type="bridge"><mac address="{vif["address"]}"/>'
            '</interface>'))


class HostTestCase(fakes.TestCase):
    """A host with pairs; everything that is not ours is in memory."""

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path
        secret = os.path.join(self.directory, 'secret')
        with open(secret, 'w', opener=lambda path, flags: os.open(
                path, flags, 0o600)) as secret_file:
            secret_file.write('s' * 64)
        self.config.config(
            group='dmore', run_dir=os.path.join(self.directory, 'run'),
            record_dir=os.path.join(self.directory, 'records'),
            log_dir=os.path.join(self.directory, 'log'), secret_file=secret,
            image_cache_dir=os.path.join(self.directory, 'images'),
            management_network='consoles')
        self.neutron = fake_neutron.Neutron()
        self.useFixture(fixtures.MockPatch(
            'nova.network.neutron.get_client', autospec=True,
            return_value=self.neutron.client))
        self.libvirt = Libvirt()
        self.shadow = self.useFixture(fake_shadow.ShadowProcesses())
        self.vif_driver = VifDriver()
        #: Ids of the ports of which the host's switch shows that.
        self.wired = set()
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.network.wired.is_wired', autospec=True,
            side_effect=lambda database, port_id: port_id in self.wired))
        self.images = mock.create_autospec(
            image_store.ImageStore, instance=True)
        self.images.current.return_value = fakes.DIGEST
        self.images.manifest.return_value = image_file.Manifest(
            layout_version=wire.LAYOUT_VERSION, version='1.0', memory_mib=96,
            command_line='quiet', sha256={})
        self.images.directory.side_effect = lambda digest: f'/images/{digest}'
        self.forget_tokens = mock.create_autospec(
            lambda instance_uuid: None)
        self.note_secret = mock.create_autospec(
            lambda instance_uuid, secret_id: None)
        self.pairs = self.make_pairs()

    def make_pairs(self):
        """As a (re)started nova-compute does."""
        return incoming.IncomingPairs(
            self.conf, lambda: self.libvirt,
            plug.Plug(self.vif_driver, 'qemu'),
            address_book.AddressBook(
                'consoles', fakes.make_port_security(self.conf.dmore), None),
            self.images, self.forget_tokens, self.note_secret)

    @property
    def domr(self):
        return 'domr-' + fakes.UUID

    def client(self):
        """The mock behind the client of the pair."""
        return self.shadow.clients[
            self.pairs.records.directory(fakes.UUID)]

    def assert_nothing_left(self):
        """No pair, no part of one."""
        self.assertEqual({}, self.libvirt.domains)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.vif_driver.plugged)
        self.assertEqual({}, self.neutron.ports)
        self.assertEqual([], self.pairs.records.all())
        self.assertEqual(set(), self.shadow.folders)
        record_dir = self.conf.dmore.record_dir
        if os.path.isdir(record_dir):
            self.assertEqual([], os.listdir(record_dir))


def plug_error():
    """What Nova's VIF driver raises."""
    return nova_exception.InternalError('no bridge')


def wait(event: threading.Event, seconds=60.0):
    """Wait for what another thread of a test has to do."""
    if not event.wait(seconds):
        raise AssertionError('a thread of the test did not come')


def in_thread(function, seconds=60.0):
    """Call it in another thread, and wait for its end."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise AssertionError('a thread of the test did not end')
