# SPDX-License-Identifier: Apache-2.0

import json

from nova_dmore import exception
from nova_dmore.virt.checks import other_hosts
from nova_dmore.virt.checks import result
from tests.unit.virt import fake_host

GOOD, WARNING, FAILURE = result.Level


class OtherHostsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.images.newest.return_value = 'd' * 64
        self.ours = other_hosts.describe(self.conf, self.images)

    def _compare(self, **others):
        return other_hosts.compare(self.ours, others)

    def test_all_alike(self):
        self.assertEqual(result.GOOD, self._compare())
        self.assertEqual(result.GOOD, self._compare(
            c2=json.loads(json.dumps(self.ours))))

    def test_another_secret(self):
        with open(self.conf.dmore.secret_file, 'w') as file:
            file.write('t' * 64)
        theirs = other_hosts.describe(self.conf, self.images)
        found = self._compare(c2=theirs)
        self.assertEqual(FAILURE, found.level)
        self.assertIn('[dmore] secret_file', found.text)
        self.assertIn('c2', found.text)

    def test_no_secret_is_sent(self):
        self.assertNotIn('s' * 8, json.dumps(self.ours))
        self.assertEqual(['0'], list(self.ours['secrets']))

    def test_what_differs(self):
        for name, level in (('image', WARNING), ('run_dir', FAILURE),
                            ('image_cache_dir', FAILURE),
                            ('management_network', WARNING)):
            found = self._compare(c2={**self.ours, name: 'other'})
            self.assertEqual(level, found.level, name)
            self.assertIn(f'[dmore] {"image" if name == "image" else name}',
                          found.text)

    def test_one_does_not_tell(self):
        found = self._compare(c2=self.ours, c3=None)
        self.assertEqual(WARNING, found.level)
        self.assertIn('c3', found.text)
        self.assertNotIn('c2', found.text)

    def test_many(self):
        found = self._compare(**{f'c{number}': {} for number in range(99)})
        self.assertLess(len(found.text), 1500)
        self.assertIn('and 91 more', found.text)

    def test_a_host_that_has_neither(self):
        self.images.newest.side_effect = exception.ImageError('none')
        self.config.config(group='dmore', secret_file='/nonexistent')
        theirs = other_hosts.describe(self.conf, self.images)
        self.assertEqual(({}, None), (theirs['secrets'], theirs['image']))
