# SPDX-License-Identifier: Apache-2.0

from nova import objects

from nova_dmore.virt.pair import policy
from tests.unit.virt import fakes


class PolicyTest(fakes.TestCase):

    def _wants(self, extra_specs=None, system_metadata=None):
        return policy.wants_domain_r(self.conf.dmore, fakes.make_instance(
            flavor=objects.Flavor(extra_specs=extra_specs or {}),
            system_metadata=system_metadata or {}))

    def test_by_default(self):
        self.assertTrue(self._wants())

    def test_switched_off(self):
        self.config.config(enabled=False, group='dmore')
        self.assertFalse(self._wants())

    def test_switched_off_keeps_what_is_there(self):
        self.config.config(enabled=False, group='dmore')
        instance = fakes.make_instance()
        self.assertTrue(
            policy.wants_domain_r(self.conf.dmore, instance, True))
        instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        self.assertFalse(
            policy.wants_domain_r(self.conf.dmore, instance, True))

    def test_flavor(self):
        self.assertFalse(self._wants({'dmore:domain_r': 'disabled'}))
        self.assertFalse(self._wants({'dmore:domain_r': 'Disabled'}))
        self.assertTrue(self._wants({'dmore:domain_r': 'enabled'}))
        self.assertTrue(self._wants({'other': 'disabled'}))

    def test_image(self):
        key = 'image_dmore_domain_r'
        self.assertFalse(self._wants(system_metadata={key: 'disabled'}))
        self.assertFalse(self._wants(system_metadata={key: 'DISABLED'}))
        self.assertTrue(self._wants(system_metadata={key: 'required'}))
        self.assertTrue(self._wants(
            system_metadata={'dmore_domain_r': 'disabled'}))

    def test_either_is_enough(self):
        self.assertFalse(self._wants(
            {'dmore:domain_r': 'disabled'},
            {'image_dmore_domain_r': 'enabled'}))

    def test_keymap(self):
        for wanted, flavor, image in (
                (None, {}, {}), ('fr', {'dmore:keymap': 'fr'}, {}),
                ('de', {'dmore:keymap': 'fr'}, {'image_hw_keymap': 'de'}),
                ('it', {}, {'image_dmore_keymap': 'it'}),
                ('es', {}, {'image_dmore:keymap': 'es'}),
                ('fr', {'dmore:keymap': 'fr'}, {'image_hw_keymap': 'xx'})):
            self.assertEqual(wanted, policy.keymap(fakes.make_instance(
                flavor=objects.Flavor(extra_specs=flavor),
                system_metadata=image)))
