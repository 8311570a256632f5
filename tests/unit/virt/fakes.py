# SPDX-License-Identifier: Apache-2.0
"""What the tests of virt share: a record, an address, a configuration."""

import functools
import socket

import fixtures
import nova.conf
from nova import objects
from os_vif import objects as os_vif_objects
from oslo_config import fixture as config_fixture
from oslotest import base

from nova_dmore import conf as dmore_conf
from nova_dmore.virt.config import host_keys
from nova_dmore.virt.network import address
from nova_dmore.virt.network import port_security
from nova_dmore.virt.network import security_group
from nova_dmore.virt.pair import record
from tests.unit.virt import no_rsa_keys

objects.register_all()
os_vif_objects.register_all()

UUID = '3e0a3d6b-0a0c-4a6e-9d53-7d21a9f6a1c4'
DIGEST = 'ab' * 32
HOST = 'c1'
OTHER_HOST = 'c2'
NETWORK = '00000000-0000-4000-8001-000000000001'
SUBNET = '00000000-0000-4000-8002-000000000001'
OTHER_SUBNET = '00000000-0000-4000-8002-000000000002'
#: The first port that :class:`tests.unit.virt.fake_neutron.Neutron` makes.
PORT = '00000000-0000-4000-8003-000000000001'


def make_address(**changes) -> address.Address:
    """An address as a test wants it."""
    fields = {
        'port_id': 'f1e2d3c4-0000-4000-8000-000000000001',
        'network_id': 'f1e2d3c4-0000-4000-8000-000000000002',
        'mac': 'fa:16:3e:00:00:01',
        'interface': '10.0.0.5/24', 'gateway': '10.0.0.1', 'mtu': 1450,
        'vif_type': 'ovs',
        'vif_details': {'bridge_name': 'br-int', 'port_filter': False}}
    return address.Address(**{**fields, **changes})


def make_port_security(options, security_groups=(),
                       with_vnc=True) -> port_security.PortSecurity:
    """As the driver makes it.

    :param options: the ``[dmore]`` options.
    """
    return port_security.PortSecurity(
        list(security_groups), security_group.OwnGroup(functools.partial(
            security_group.wanted, options, with_vnc)))


def make_record(**changes) -> record.PairRecord:
    """A pair's record as a test wants it."""
    fields = {
        'instance_uuid': UUID, 'instance_name': 'web', 'project_id': 'p1',
        'digest': DIGEST, 'address': make_address(), 'key_data': None}
    return record.PairRecord(**{**fields, **changes})


def connect(test, path: str) -> socket.socket:
    """A client of a UNIX socket, closed with the test."""
    client = socket.socket(socket.AF_UNIX)
    test.addCleanup(client.close)
    client.settimeout(5)
    client.connect(path)
    return client


def is_hung_up(client: socket.socket) -> bool:
    """Whether the other side has closed, having read what it was sent or
    not."""
    try:
        return client.recv(1) == b''
    except ConnectionResetError:
        return True


def make_instance(**changes) -> objects.Instance:
    """An instance as nova-compute has it."""
    fields = {
        'id': 1, 'uuid': UUID, 'display_name': 'web', 'project_id': 'p1',
        'user_id': 'u1', 'key_data': None, 'host': HOST, 'metadata': {},
        'system_metadata': {}, 'vm_state': 'building',
        'task_state': 'spawning', 'deleted': False,
        'flavor': objects.Flavor(vcpus=1, memory_mb=64, extra_specs={}),
        'old_flavor': None, 'migration_context': None}
    return objects.Instance(**{**fields, **changes})


class TestCase(base.BaseTestCase):
    """A test with Nova's configuration, the ``[dmore]`` options included.

    :cvar rsa_keys: makes RSA host keys, which take a second each.
    """

    rsa_keys = no_rsa_keys.NoRsaKeys

    def setUp(self):
        super().setUp()
        made = self.rsa_keys()
        if self.rsa_keys is host_keys._RsaKeys:
            self.addCleanup(made._thread.shutdown)
        self.useFixture(fixtures.MockPatchObject(
            host_keys, '_RSA_KEYS', made))
        self.conf = nova.conf.CONF
        dmore_conf.register(self.conf)
        self.config = self.useFixture(config_fixture.Config(self.conf))
        self.config.config(host=HOST)
