# SPDX-License-Identifier: Apache-2.0

import logging
import shutil
from unittest import mock

from cryptography import exceptions as signature_exceptions
import fixtures

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt.images import image_source
from nova_dmore.virt.images import image_store
from tests.unit.virt.images import store_case


class CandidatesTest(store_case.StoreTestCase):
    """Images of others that say they are the one that is wanted."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        self.bad = self.temporary / 'bad'
        self.bad.write_bytes(b'#!/bin/sh\n' * 1000)

    def _upload_others(self, image_id, tar=None, **changes):
        """An image of another project, with the digest of the operator's."""
        return self._upload(tar or self.bad, image_id, **{
            'digest': self.digest, 'day': 9, 'is_public': False,
            'owner': 'a user', **changes})

    def _tried(self):
        return [call.args[1] for call in self.api.download.call_args_list]

    def _current(self):
        return self._store(expected_digest=self.digest).current()

    def test_the_operators_are_tried_first(self):
        self._upload_others('i1')
        self.assertEqual(self.digest, self._current())
        self.assertEqual([store_case.GLANCE_ID], self._tried())

    def test_one_that_is_hidden(self):
        """It has been replaced; a Domain R that runs it moves to this host."""
        self.glance[0]['os_hidden'] = True
        for changes in {'is_public': True}, {
                'is_public': False, 'owner': 'service'}:
            self.glance[0].update(changes)
            shutil.rmtree(self.cache, ignore_errors=True)
            self._assert_fails(self._store())
            self._store().ensure(self.digest)
            self.assertEqual(self.digest, self._current())

    def test_own_before_public_before_others(self):
        self._upload(self.bad, 'public', self.digest, 2)
        self._upload_others('own', owner='service')
        for image_id in ('i2', 'i1'):
            self._upload_others(image_id)
        self.glance[0].update(is_public=False, owner='another operator')
        self.assertEqual(self.digest, self._current())
        # The newest first; of two that were made at once in a stable order.
        self.assertEqual(['own', 'public', 'i2', 'i1', store_case.GLANCE_ID],
                         self._tried())

    def test_a_bad_one_is_tried_and_logged_once(self):
        self.glance.clear()
        self._upload_others('i1')
        store = self._store(expected_digest=self.digest)
        for _ in range(3):
            self._assert_fails(
                store, 'i1', image_file.digest(self.bad), self.digest)
        self.assertEqual(['i1'], self._tried())
        self.assertEqual(1, self.log.output.count('i1'))
        # Another one is a new chance.
        self._upload_others('i2', self.files[store_case.GLANCE_ID])
        self.assertEqual(self.digest, store.current())
        self.assertEqual(['i1', 'i2'], self._tried())

    def test_all_are_named(self):
        self.glance.clear()
        for number in range(4):
            self._upload_others(f'image-{number}')
        self._assert_fails(
            self._store(expected_digest=self.digest),
            *(f'image-{number}' for number in range(4)))

    def test_a_flood(self):
        for number in range(500):
            self._upload_others(f'{number}')
        self.assertEqual(self.digest, self._current())
        self.assertEqual([store_case.GLANCE_ID], self._tried())
        del self.glance[0]
        self.api.download.reset_mock()
        self.useFixture(fixtures.MockPatchObject(
            image_store.ImageStore, '_is_good', return_value=False))
        error = self.assertRaises(exception.ImageError, self._current)
        self.assertEqual(8, len(self._tried()))
        self.assertLess(len(str(error)), 3000)
        for call in self.api.get_all.call_args_list:
            self.assertLessEqual(call.kwargs['limit'], 100)

    def test_a_flood_hides_no_good_one(self):
        self.glance[0].update(is_public=False, owner='another operator')
        for number in range(200):
            self._upload_others(f'{number}')
        self.useFixture(fixtures.MockPatchObject(
            image_store.ImageStore, '_is_good', return_value=False))
        store = self._store(expected_digest=self.digest)
        for time in range(1, 26):
            self.assertRaises(exception.ImageError, store.current)
            self.assertEqual(8 * time, len(self._tried()))
        self.assertEqual(self.digest, store.current())
        self.assertEqual(len(set(self._tried())), len(self._tried()))

    def test_no_end_of_images(self):
        self.glance.clear()
        found = {'id': 'x', 'name': 'another', 'status': 'active'}
        self.api.get_all.side_effect = lambda context, **what: [found]
        self._assert_fails(self._store(expected_digest=self.digest))
        self.assertLess(self.api.get_all.call_count, 100)

    def test_a_large_one_is_not_fetched(self):
        for size in (image_file.FILE_MAX + 1, 1 << 60, -1):
            self.glance.clear()
            self._upload_others(f'i{size}', size=size)
            self._assert_fails(self._store(expected_digest=self.digest),
                               f'i{size}', str(image_file.FILE_MAX))
        self.assertEqual([], self._tried())

    def test_more_bytes_than_it_says(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.image_file.FILE_MAX', 30000))
        written = []

        def without_end(context, image_id, data):
            while True:
                written.append(1000)
                data.write(bytes(1000))

        for size, most in ((5000, 5000), (0, 30000), (None, 30000)):
            self.glance.clear()
            written.clear()
            self._upload_others(f'i{size}', size=size)
            self.api.download.side_effect = without_end
            self._assert_fails(
                self._store(expected_digest=self.digest), f'i{size}',
                f'more than {most} bytes')
            self.assertEqual(most + 1000, sum(written))

    def test_the_bytes_decide_before_they_are_read(self):
        self.glance.clear()
        self._upload_others('i1')
        with mock.patch.object(image_file, 'unpack', autospec=True) as unpack:
            self._assert_fails(self._store(expected_digest=self.digest), 'i1')
        unpack.assert_not_called()

    def test_one_that_was_cut_off_is_tried_again(self):
        def cut(context, image_id, data):
            self.api.download.side_effect = self._download
            data.write(b'half')

        def broken(context, image_id, data):
            self.api.download.side_effect = self._download
            data.write(b'half')
            raise OSError(32, 'Corrupt image download')

        for side_effect, text in ((cut, '4 of its'), (broken, 'Corrupt')):
            store = self._store()
            self.api.download.side_effect = side_effect
            self._assert_fails(store, store_case.GLANCE_ID, text)
            self.assertEqual(self.digest, store.current())
            shutil.rmtree(self.cache)

    def test_a_wrong_signature(self):
        self.api.download.side_effect = (
            signature_exceptions.InvalidSignature())
        self._assert_fails(self._store(), store_case.GLANCE_ID, 'signature')

    def test_an_older_one_where_the_newest_cannot_be_used(self):
        self._upload(self.bad, 'i9', day=9)
        self._upload(self.bad, 'i8', day=8, properties={})
        self.assertEqual(self.digest, self._store().current())
        self.assertIn('i9', self.log.output)

    def test_ensure_finds_an_older_one_of_the_operators(self):
        self._upload(store_case.make_image(self.temporary, '2.0'), 'i2', day=2)
        self._store().ensure(self.digest)
        self.assertEqual([store_case.GLANCE_ID], self._tried())

    def test_ensure_trusts_nobody_elses(self):
        # The digest comes from another host.
        tar = store_case.make_image(self.temporary, '6.6')
        digest = image_file.digest(tar)
        self._upload_others('i6', tar, digest=digest)
        for expected in (None, self.digest):
            store = self._store(expected_digest=expected)
            self._assert_fails(store, 'i6', digest,
                               call=lambda: store.ensure(digest))
        self.assertEqual([], self._tried())

    def test_what_is_remembered_is_bounded(self):
        self.useFixture(fixtures.MockPatchObject(
            image_source, '_BAD_MAX', 256))
        store = self._store()
        source = store._source
        for number in range(1000):
            source.refused(
                image_source.Candidate(str(number), self.digest, 1),
                image_source.RefusedError('no'))
        self.assertEqual(256, len(source._bad))
