# SPDX-License-Identifier: Apache-2.0

from nova_dmore.cmd.manage import image
from nova_dmore import exception
from nova_dmore.virt.images import image_store
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

NEWER = 'e' * 64


class ImageTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.ensure(fakes.make_instance())
        self.images.newest.return_value = NEWER
        self.images.cached.return_value = [
            image_store.CachedImage(fakes.DIGEST, '1.0', 45 << 20, 0.0)]
        self.images.prune.side_effect = lambda used: []

    def test_list(self):
        used, newest = image.listed(self.pairs).rows
        self.assertEqual({
            'digest': fakes.DIGEST, 'version': '1.0', 'size_mib': 45,
            'pairs': 1, 'is_newest': False,
            'used_at': '1970-01-01T00:00:00+00:00'}, used)
        # Not fetched yet.
        self.assertEqual((NEWER, None, 0, True), (
            newest['digest'], newest['version'], newest['pairs'],
            newest['is_newest']))

    def test_glance_is_away(self):
        self.images.newest.side_effect = exception.GlanceAwayError('away')
        (row,) = image.listed(self.pairs).rows
        self.assertIsNone(row['is_newest'])
        # Without it nobody knows which image new pairs get.
        self.assertRaises(exception.GlanceAwayError, image.pruned, self.pairs)
        self.images.prune.assert_not_called()

    def test_prune(self):
        self.images.prune.side_effect = lambda used: ['d1']
        self.assertEqual([{'digest': 'd1'}], image.pruned(self.pairs).rows)
        self.images.prune.assert_called_once_with({fakes.DIGEST, NEWER})
