# SPDX-License-Identifier: Apache-2.0

import fixtures
from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.pair import announcement
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class UndoTest(fake_host.HostTestCase):
    """Every step fails once; nothing is left."""

    def _assert_fails(self, kind, *texts):
        error = self.assertRaises(
            kind, self.pairs.ensure, fakes.make_instance())
        for text in texts:
            self.assertIn(text, str(error))
        self.assert_nothing_left()

    def test_image(self):
        self.images.current.side_effect = exception.ImageError('[dmore] image')
        self._assert_fails(exception.ImageError, '[dmore] image')
        self.neutron.client.create_port.assert_not_called()

    def test_tokens(self):
        self.forget_tokens.side_effect = exception.PairError('no conductor')
        self._assert_fails(exception.PairError, 'no conductor')

    def test_address(self):
        self.neutron.free_addresses.clear()
        self._assert_fails(exception.AddressError,
                           '[dmore] management_network')

    def test_binding(self):
        # The port is there by then.
        self.neutron.vif_type = 'binding_failed'
        self._assert_fails(exception.AddressError, 'bound')
        self.neutron.client.create_port.assert_called_once()

    def test_record_dir(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.pair.record.to_json',
            side_effect=OSError(28, 'No space left on device')))
        self._assert_fails(exception.ConfigurationError, '[dmore] record_dir',
                           'No space left on device')

    def test_log_dir(self):
        self.config.config(log_dir='/dev/null/log', group='dmore')
        self._assert_fails(exception.ConfigurationError, '[dmore] log_dir',
                           '/dev/null/log')

    def test_shadow_process(self):
        self.shadow.refuse_start = exception.ShadowAnswerError('see x.log')
        self._assert_fails(exception.ShadowAnswerError, 'see x.log')

    def test_secret(self):
        self.config.config(secret_file='/nonexistent', group='dmore')
        self._assert_fails(exception.ConfigurationError,
                           '[dmore] secret_file')

    def test_keys(self):
        self.config.config(console_authorized_keys='/nonexistent',
                           group='dmore')
        self._assert_fails(exception.ConfigurationError,
                           '[dmore] console_authorized_keys')

    def test_configure(self):
        self.shadow.refuse['configure'] = (
            exception.ShadowAnswerError('refused'))
        self._assert_fails(exception.ShadowAnswerError, 'refused')

    def test_plug(self):
        self.vif_driver.refuse = fake_host.plug_error()
        self._assert_fails(exception.AddressError, fakes.PORT, 'no bridge')

    def test_manifest(self):
        self.images.manifest.side_effect = exception.ImageError('damaged')
        self._assert_fails(exception.ImageError, 'damaged')

    def test_domain(self):
        self.libvirt.refuse = fake_host.libvirt_error(text='no memory')
        self._assert_fails(exception.PairError, self.domr, 'no memory')

    def test_what_fails_at_the_undo_hides_nothing(self):
        self.libvirt.refuse = fake_host.libvirt_error(text='no memory')
        self.shadow.refuse['shutdown'] = exception.ShadowAnswerError('no')
        error = self.assertRaises(
            exception.PairError, self.pairs.ensure,
            fakes.make_instance())
        self.assertIn('no memory', str(error))
        self.assertEqual({}, self.neutron.ports)
        self.assertEqual([], self.pairs.records.all())

    def test_an_address_that_was_there_stays(self):
        self.pairs.ensure(fakes.make_instance())
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.libvirt.refuse = fake_host.libvirt_error()
        self.assertRaises(exception.PairError, self.pairs.ensure,
                          fakes.make_instance())
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_an_address_that_neutron_did_not_show_stays(self):
        """It has just started, and takes an admin for anybody else."""
        self.pairs.ensure(fakes.make_instance())
        self.pairs.remove(fakes.UUID, delete_address=False)
        client = self.neutron.client
        list_ports = client.list_ports.side_effect
        answers = iter([lambda **_: {'ports': []}] * 2)
        client.list_ports.side_effect = lambda **wanted: next(
            answers, list_ports)(**wanted)
        client.create_port.side_effect = neutron_exceptions.Forbidden()
        instance = fakes.make_instance(
            system_metadata={announcement.NOTE: 'ssh://x'})
        self.assertRaises(
            exception.AddressError, self.pairs.ensure, instance)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_libvirt_does_not_answer(self):
        self.useFixture(fixtures.MockPatchObject(
            fake_host.Libvirt, 'lookupByName',
            side_effect=fake_host.libvirt_error()))
        self.assertRaises(exception.PairError, self.pairs.ensure,
                          fakes.make_instance())
        self.assertEqual({}, self.neutron.ports)
