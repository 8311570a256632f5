# SPDX-License-Identifier: Apache-2.0
"""When Domain Rs show large pictures: what hosts say, and what is asked."""

import fixtures
from nova import objects
from nova.compute import stats

from nova_dmore.virt.pair import large_pictures
from tests.unit.virt import fakes


class LargePicturesTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.get_all = self.useFixture(fixtures.MockPatchObject(
            objects.ComputeNodeList, 'get_all')).mock
        self.get_all.return_value = []
        self.pictures = large_pictures.LargePictures(self.conf.dmore, 'admin')

    def _hosts(self, *said):
        self.get_all.return_value = [
            objects.ComputeNode(stats=each) for each in said]

    def test_all_hosts_have_to_say_so(self):
        new = self._kept({'vcpus': 2})
        for hosts, shown in (((), False), ((new,), True), ((new, new), True),
                             ((new, {'failed_builds': '0'}), False),
                             ((new, None), False), (({},), False)):
            self._hosts(*hosts)
            self.pictures.refresh()    # the first time nobody has asked
            self.assertIs(shown, self.pictures.are_shown())
        self.get_all.assert_called_with('admin')

    def _kept(self, resources):
        """What is in the database when Nova has kept what a host said."""
        kept = stats.Stats()
        kept['failed_builds'] = 0
        kept.digest_stats(large_pictures.said(resources)['stats'])
        return objects.ComputeNode(stats=kept).stats

    def test_what_nova_itself_says_stays(self):
        said = large_pictures.said({'vcpus': 2, 'stats': {'a': 'b'}})
        self.assertEqual(2, said['vcpus'])
        self.assertEqual('b', said['stats']['a'])

    def test_who_starts_asks_only_the_first_time(self):
        self.pictures.refresh()
        self.get_all.assert_not_called()
        for _ in range(3):
            self.assertFalse(self.pictures.are_shown())
            self._hosts(self._kept({}))
        self.get_all.assert_called_once()
        self.pictures.refresh()
        self.get_all.reset_mock()
        self.assertTrue(self.pictures.are_shown())
        self.get_all.assert_not_called()

    def test_nobody_waits_for_the_database(self):
        self.pictures.are_shown()
        self.get_all.side_effect = (
            lambda context: self.assertFalse(self.pictures.are_shown()) or [])
        self.pictures.refresh()

    def test_an_operator_says(self):
        for choice, shown in (('always', True), ('never', False)):
            self.config.config(large_pictures=choice, group='dmore')
            self.pictures.refresh()
            self.assertIs(shown, self.pictures.are_shown())
        self.get_all.assert_not_called()

    def test_database_that_is_away(self):
        self.get_all.side_effect = RuntimeError('no answer')
        self.assertFalse(self.pictures.are_shown())
