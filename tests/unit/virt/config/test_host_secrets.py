# SPDX-License-Identifier: Apache-2.0
"""Which secret a pair has: in its life, and when secrets are rotated."""

import dataclasses
import functools
import pathlib
from unittest import mock

import fixtures
from nova import exception as nova_exception
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.config import identity
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

FIRST = 's' * 64
LINES = {0: f'0:{FIRST}\n', 1: f'1:{"t" * 64}\n', 2: f'2:{"u" * 64}\n'}


class SecretsTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.instance = fakes.make_instance(task_state=None)
        self.useFixture(fixtures.MockPatchObject(
            type(self.instance), 'save', autospec=True))

    def write(self, *ids):
        """Let the file have secrets, the last one of which is the newest."""
        pathlib.Path(self.conf.dmore.secret_file).write_text(
            ''.join(LINES[each] for each in ids))

    def ensure(self):
        """The instance starts."""
        record = self.pairs.ensure(self.instance)
        # As the driver does.
        host_secrets.note(self.instance, record.secret_id)
        return record

    def host_key(self):
        """What Domain R was told last."""
        (config,), _keywords = self.client().configure.call_args
        return config['host_key']

    def assert_has(self, secret_id):
        """Its keys are derived from that secret."""
        self.assertEqual(secret_id, self.pairs.get(fakes.UUID).secret_id)
        secret = LINES[secret_id].strip().partition(':')[2].encode()
        self.assertEqual(identity.host_key(secret, fakes.UUID),
                         self.host_key())


class NoteTest(SecretsTestCase):
    """A Domain R that starts afresh while its instance runs."""

    def setUp(self):
        super().setUp()
        self.get = self.useFixture(fixtures.MockPatchObject(
            type(self.instance), 'get_by_uuid', autospec=True,
            side_effect=lambda *arguments, **keywords: self.instance)).mock
        self.note_secret.side_effect = functools.partial(
            host_secrets.note_of, 'context')
        self.write(0)
        self.ensure()
        self.write(1)

    def _rebuild(self):
        self.libvirt.domains.clear()
        self.assertTrue(self.pairs.rebuild(fakes.UUID))

    def test_replaced(self):
        self._rebuild()
        self.assert_has(1)
        self.assertEqual(1, host_secrets.id_of(self.instance))
        self.instance.save.assert_called_once_with(
            self.instance, expected_task_state=[None])
        self.get.assert_called_once_with(
            'context', fakes.UUID, expected_attrs=['system_metadata'])

    def test_replaced_on_arrival(self):
        self.pairs.take_over(self.pairs.get(fakes.UUID))
        self.assert_has(1)
        self.assertEqual(1, host_secrets.id_of(self.instance))

    def test_nova_knew_of_another(self):
        self._rebuild()
        self.instance.system_metadata[identity.METADATA] = '0'
        self._rebuild()
        self.assertEqual(1, host_secrets.id_of(self.instance))

    def test_nova_is_at_work_on_the_instance(self):
        self.instance.task_state = 'migrating'
        self._rebuild()
        self.assert_has(1)
        self.assertEqual(0, host_secrets.id_of(self.instance))
        self.instance.save.assert_not_called()
        self.assertEqual({fakes.UUID}, self.pairs.unnoted)
        # Nobody is waited for where Nova knows it.
        self.pairs.unnoted.clear()
        host_secrets.note(self.instance, 1)
        self._rebuild()
        self.assertEqual(set(), self.pairs.unnoted)

    def test_nova_does_not_take_it(self):
        for error in (nova_exception.InstanceNotFound(instance_id='i'),
                      messaging.MessagingTimeout('no answer')):
            self.get.side_effect = error
            self._rebuild()
            self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
            self.assertIn(str(error), self.log.output)
        self.get.side_effect = lambda *arguments, **keywords: self.instance
        self._rebuild()
        self.assertEqual(1, host_secrets.id_of(self.instance))


class RotationTest(SecretsTestCase):

    def test_a_file_of_the_release_before(self):
        self.ensure()
        self.assert_has(0)
        self.assertEqual({}, self.instance.system_metadata)

    def test_a_new_instance_takes_the_newest(self):
        self.write(0, 2, 1)
        self.ensure()
        self.assert_has(1)
        self.assertEqual({identity.METADATA: '1'},
                         self.instance.system_metadata)

    def test_a_pair_keeps_its_own(self):
        self.ensure()
        self.write(0, 1)
        for change in (lambda: None,
                       # A Domain R that dies, and one that is started anew.
                       lambda: self.pairs.domain(fakes.UUID).stop(),
                       # Another host, or this one after a reboot.
                       lambda: self.pairs.remove(
                           fakes.UUID, delete_address=False)):
            change()
            self.pairs.rebuild(fakes.UUID)
            self.ensure()
            self.assert_has(0)

    def test_it_keeps_it_when_it_is_not_the_first(self):
        self.write(0, 1)
        self.ensure()
        self.write(0, 1, 2)
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.ensure()
        self.assert_has(1)

    def test_one_that_is_told_again(self):
        self.ensure()
        key = self.host_key()
        self.write(0, 1)
        self.pairs.configure_again(fakes.UUID)
        self.assertEqual(2, self.client().configure.call_count)
        self.assertEqual(key, self.host_key())

    def test_a_secret_that_is_taken_away_from_an_instance_that_runs(self):
        self.ensure()
        self.write(1)
        error = self.assertRaises(exception.ConfigurationError,
                                  self.pairs.configure_again, fakes.UUID)
        self.assertIn('[dmore] secret_file', str(error))
        self.assertEqual(1, self.client().configure.call_count)
        self.assertFalse(self.pairs.rebuild(fakes.UUID))

    def test_and_when_it_starts_again(self):
        self.ensure()
        self.write(1)
        self.shadow.log.clear()
        self.ensure()
        # A Domain R that runs would go on with the old host key.
        self.assertEqual(['shutdown', 'start', 'configure'], self.shadow.log)
        self.assert_has(1)
        self.assertEqual({identity.METADATA: '1'},
                         self.instance.system_metadata)
        self.assertEqual(1, len(self.neutron.ports))

    def test_not_the_oldest_instead(self):
        self.write(0, 1)
        self.ensure()
        self.write(0, 2)
        self.ensure()
        self.assert_has(2)

    def test_and_when_its_domain_r_dies(self):
        self.ensure()
        self.write(1)
        self.pairs.domain(fakes.UUID).stop()
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self.assert_has(1)
        for text in (fakes.UUID, 'another host key', 'secret 0', 'secret 1'):
            self.assertIn(text, self.log.output)

    def test_a_file_that_cannot_be_read_ends_no_pair(self):
        record = self.ensure()
        pathlib.Path(self.conf.dmore.secret_file).write_text('0:short\n')
        self.assertEqual(record, self.ensure())
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_what_nova_knows_is_no_number(self):
        self.instance.system_metadata[identity.METADATA] = 'x'
        self.assertEqual(0, host_secrets.id_of(self.instance))


class CheckTest(SecretsTestCase):
    """A destination that does not have the secret."""

    def setUp(self):
        super().setUp()
        self.write(0, 1)

    def test_check(self):
        secrets = host_secrets.HostSecrets(self.conf)
        secrets.check(1)
        error = self.assertRaises(
            exception.ConfigurationError, secrets.check, 2)
        for text in (fakes.HOST, '[dmore] secret_file', 'id 2', '0, 1'):
            self.assertIn(text, str(error))

    def test_what_is_incoming_is_not_told_again(self):
        self.ensure()
        record = self.pairs.get(fakes.UUID)
        self.pairs.records.save(dataclasses.replace(record, incoming=True))
        self.pairs.configure_again(fakes.UUID)
        self.assertEqual(1, self.client().configure.call_count)

    def test_nor_what_is_being_changed(self):
        self.ensure()
        with mock.patch.object(self.pairs, 'locked') as locked:
            locked.return_value.__enter__.return_value = False
            self.pairs.configure_again(fakes.UUID)
        self.assertEqual(1, self.client().configure.call_count)
