# SPDX-License-Identifier: Apache-2.0

import dataclasses
import os

import fixtures

from nova_dmore import exception
from nova_dmore.virt.care import changed_options
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes


class ChangedOptionsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.ensure(fakes.make_instance())
        self.changed = changed_options.ChangedOptions(self.pairs)
        self.shadow.log.clear()
        self.log = self.useFixture(fixtures.FakeLogger())

    def _apply(self):
        """What a pair is told."""
        self.client().configure.reset_mock()
        self.changed.apply(self.pairs.records.all())
        return [call.args[0] for call in
                self.client().configure.call_args_list]

    def _write(self, name, content, mode=0o600):
        path = os.path.join(self.directory, name)
        with open(path, 'w') as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def test_nothing_changed(self):
        self.assertEqual([], self._apply())

    def test_after_a_start(self):
        self.pairs = self.make_pairs()
        self.changed = changed_options.ChangedOptions(self.pairs)
        self.assertEqual(1, len(self._apply()))
        self.assertEqual([], self._apply())
        self.assertEqual(['configure'], self.shadow.log)

    def test_an_option(self):
        self.config.config(group='dmore', ssh_port=2222)
        (config,) = self._apply()
        self.assertEqual(2222, config['ssh_port'])
        self.assertEqual([], self._apply())

    def test_a_key_is_taken_away(self):
        key = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8'
               'QERITFBUWFxgZGhscHR4f')
        path = self._write('keys', key)
        self.config.config(group='dmore', console_authorized_keys=path)
        (config,) = self._apply()
        self.assertEqual([key], config['authorized_keys'])
        self._write('keys', '')
        (config,) = self._apply()
        self.assertEqual([], config['authorized_keys'])

    def test_what_cannot_be_used_is_said_once(self):
        path = self._write('keys', 'half a ke')
        self.config.config(group='dmore', console_authorized_keys=path)
        for _ in range(3):
            self.assertEqual([], self._apply())
        self.assertEqual(1, self.log.output.count('is no OpenSSH public'))
        self._write('keys', '')
        self.assertEqual(1, len(self._apply()))
        self._write('keys', 'half a ke')
        self._apply()
        self.assertEqual(2, self.log.output.count('is no OpenSSH public'))

    def test_one_that_arrives_is_left_alone(self):
        record = self.pairs.get(fakes.UUID)
        self.config.config(group='dmore', ssh_port=2222)
        self.client()
        self.changed.apply([dataclasses.replace(record, incoming=True)])
        self.assertEqual([], self.shadow.log)

    def test_a_process_that_does_not_answer(self):
        self.config.config(group='dmore', ssh_port=2222)
        self.shadow.refuse['configure'] = exception.ShadowAnswerError('busy')
        self.assertEqual(1, len(self._apply()))
        del self.shadow.refuse['configure']
        self.assertEqual(1, len(self._apply()))
        self.assertEqual([], self._apply())

    def test_an_earlier_domain_r_is_named_once(self):
        for serving, named in (({'ssh': 0, 'ends_sessions': 1}, 0),
                               (None, 0), (['ssh'], 0), ('ssh', 0),
                               ({'ssh': 0}, 1), ({'ssh': 1}, 1)):
            self.client().status.side_effect = None
            self.client().status.return_value = fake_shadow.status(
                serving=serving)
            self.config.config(
                group='dmore', ssh_port=self.conf.dmore.ssh_port + 1)
            self.assertEqual(1, len(self._apply()))
            self.assertEqual(named, self.log.output.count(
                f'built anew: {fakes.UUID}'))

    def test_the_host_service_is_away(self):
        self.config.config(group='dmore', ssh_port=2222)
        self.shadow.refuse['configure'] = exception.HostServiceError('away')
        self.assertRaises(exception.HostServiceError, self._apply)
