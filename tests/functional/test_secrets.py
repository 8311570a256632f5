# SPDX-License-Identifier: Apache-2.0
"""Where the secrets of a pair are not: in calls between hosts, and in logs."""

import base64
import json
import logging
import pathlib

import fixtures
from nova import context
from nova import objects
from nova.tests.functional.api import client
from oslo_messaging import transport

from nova_dmore.channel import control
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.config import identity
from nova_dmore.virt.pair import blueprint
from nova_dmore import wire
from tests.functional import migration_case
from tests.unit.channel import test_carry_over
from tests.unit.virt.config import test_certificate

NEWEST = 't' * 64


def texts(value):
    """All texts in a value, and what those are that are base64."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from texts(key)
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value
        try:
            yield base64.b64decode(value, validate=True).decode(
                'utf-8', 'replace')
        except ValueError:
            pass


class Everything(logging.Handler):
    """Keeps all that is logged at any level, as it would be written."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter('%(name)s %(message)s'))
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


class SecrecyTest(migration_case.MigrationTestCase):

    def setUp(self):
        #: What was told to Domain Rs: all of it that is secret.
        self.secrets = {'s' * 64, NEWEST}
        self.configs = []
        stock_config = blueprint.Blueprint.config

        def config(this, record):
            built = stock_config(this, record)
            self.configs.append(built)
            vnc = built['vnc']
            self.secrets |= {
                built['host_key'], vnc['password'],
                vnc['view_only_password'], vnc['tls']['key']}
            return built

        self.useFixture(fixtures.MockPatchObject(
            blueprint.Blueprint, 'config', config))
        self.sent = []
        for name in ('_send', '_send_notification'):
            self._note_what_is_sent(name)
        super().setUp()
        self.logged = Everything()
        root = logging.getLogger()
        self.addCleanup(root.setLevel, root.level)
        root.setLevel(logging.DEBUG)
        root.addHandler(self.logged)
        self.addCleanup(root.removeHandler, self.logged)

    def _note_what_is_sent(self, name):
        """To any service, by oslo.messaging."""
        stock = getattr(transport.Transport, name)

        def send(this, target, ctxt, message, *arguments, **keywords):
            self.sent.append(json.loads(json.dumps(message, default=repr)))
            return stock(this, target, ctxt, message, *arguments, **keywords)

        self.useFixture(fixtures.MockPatchObject(
            transport.Transport, name, send))

    def start(self, hostname='c1'):
        """Start a compute host that uses all that is secret."""
        for name, text, mode in (
                (certificate.SERVER_CA_FILE,
                 test_certificate.make_certificate('servers'), 0o644),
                (certificate.SERVER_CA_KEY_FILE,
                 test_certificate.make_key_text('servers'), 0o600),
                (certificate.CLIENT_CA_FILE,
                 test_certificate.make_certificate('proxies'), 0o644)):
            self._file(name, text, mode)
        self.secrets.add(test_certificate.make_key_text('servers'))
        self.flags(
            group='dmore', vnc_tls_dir=self.directory,
            vnc_direct_networks=['192.0.2.0/28'],
            secret_file=self._file(
                'secret', f'0:{"s" * 64}\n3:{NEWEST}\n'))
        return super().start(hostname)

    def _secrets_in(self, values):
        """The secrets of which a text has lines that tell something."""
        found = set()
        for text in texts(values):
            found |= {secret for secret in self.secrets
                      if any(line in text for line in secret.split('\n')
                             if len(line) >= 8 and '-----' not in line)}
        return found

    def test_what_is_searched_for_is_found(self):
        self.assertEqual({NEWEST}, self._secrets_in(
            [{'a': base64.b64encode(f'x{NEWEST}'.encode()).decode()}]))
        for secret in list(self.secrets):
            self.assertEqual({secret}, self._secrets_in([f'<{secret}>']))

    def test_a_migration(self):
        # A process that runs since before an upgrade carries CONFIG over.
        carried = test_carry_over.good()
        carried['unstored']['control_to_domain_r']['data'] = base64.b64encode(
            control.encode({**self.configs[-1], 'type': wire.CONFIG})).decode()
        self.shadow_client(self.server).hand_over.return_value = carried
        self.assertNotEqual(set(), self._secrets_in([carried]))
        told = len(self.configs)
        self.go()
        self.assertGreater(len(self.configs), told)
        methods = {message.get('method') for message in self.sent}
        self.assertLessEqual({'prepare', 'carry_over', 'finish'}, methods)
        self.assertEqual(set(), self._secrets_in(self.sent))
        self.assertIn('nova_dmore', ''.join(self.logged.lines))
        self.assertEqual(set(), self._secrets_in(self.logged.lines))

    def test_what_nova_keeps(self):
        instance = objects.Instance.get_by_uuid(
            context.get_admin_context(), self.server['id'],
            expected_attrs=['metadata', 'system_metadata'])
        self.assertEqual(
            '3', instance.system_metadata[identity.METADATA])
        self.assertEqual(set(), self._secrets_in(
            [dict(instance.metadata), dict(instance.system_metadata)]))
        self.assertEqual(set(), self._secrets_in([
            pathlib.Path(self._path('records-c1'), f'{self.server["id"]}.json')
            .read_text()]))


class SecretOfTheFirstHostTest(migration_case.MigrationTestCase):
    """The second host does not have it."""

    def setUp(self):
        super().setUp()
        self._file('secret', f'1:{NEWEST}\n')

    def test_it_comes_alone(self):
        self.go()
        self.assertEqual('c2', self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host'])
        # Not the one that was there: a new one, with another host key.
        self.assertEqual(1, self.driver('c2')._pairs.get(
            self.server['id']).secret_id)
        # The next destination is asked for that one, as soon as Nova is no
        # longer at work on the instance.
        self.until(lambda: 1 == host_secrets.id_of(
            objects.Instance.get_by_uuid(
                context.get_admin_context(), self.server['id'],
                expected_attrs=['system_metadata'])))

    def test_it_stays_if_it_must_have_one(self):
        self.flags(required=True, group='dmore')
        log = self.useFixture(fixtures.FakeLogger())
        # In a test the conductor's answer comes to the API.
        error = self.assertRaises(
            client.OpenStackApiException, self._live_migrate, self.server,
            host='c2')
        self.assertIn('NoValidHost', str(error))
        self.assertIn('host c2: [dmore] secret_file', log.output)
        self._wait_for_state_change(self.server, 'ACTIVE')
        self.assertEqual('c1', self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host'])
        self.assert_pair(self.server)
