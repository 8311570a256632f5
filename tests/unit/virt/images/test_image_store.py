# SPDX-License-Identifier: Apache-2.0

import concurrent.futures
import contextlib
import threading
import time
from unittest import mock

import fixtures
from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.virt.images import last_image
from nova_dmore.virt import limited
from nova_dmore import wire
from tests.unit.virt.images import store_case


class StoreTest(store_case.StoreTestCase):

    def test_fetched_once(self):
        store = self._store()
        self.assertEqual(self.digest, store.current())
        self.assertEqual(self.digest, store.current())
        self.assertEqual(
            1, len(self.api.download.call_args_list))
        self.assertEqual([self.digest],
                         [path.name for path in self.in_cache()])
        self.assertEqual(
            b'vmlinuz of 1.0',
            (store.directory(self.digest) / 'vmlinuz').read_bytes())
        self.assertEqual('1.0', store.manifest(self.digest).version)

    def _currents(self, count, download):
        """What so many threads get that all want the image before it, or an
        error, has come."""
        asked = threading.Semaphore(0)

        def get_all(*arguments, **keywords):
            asked.release()
            return self._get_all(*arguments, **keywords)

        def late(*arguments, **keywords):
            for _ in range(2 * count):      # the operator's, and public ones
                self.assertTrue(asked.acquire(timeout=60))
            time.sleep(0.3)
            return download(*arguments, **keywords)
        self.api.get_all.side_effect = get_all
        self.api.download.side_effect = late
        store = self._store()
        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            currents = [threads.submit(store.current) for _ in range(count)]
        return currents

    def test_fetched_once_for_all_who_wait(self):
        currents = self._currents(5, self._download)
        self.assertEqual({self.digest},
                         {current.result() for current in currents})
        self.api.download.assert_called_once()

    def test_an_error_is_for_all_who_wait(self):
        currents = self._currents(5, mock.Mock(
            side_effect=glance_exceptions.HTTPBadGateway))
        for current in currents:
            self.assertIn(store_case.GLANCE_ID, str(self.assertRaises(
                exception.ImageError, current.result)))
        self.api.download.assert_called_once()

    def test_fetched_again_after_an_error(self):
        store = self._store()
        self.api.download.side_effect = glance_exceptions.HTTPBadGateway
        self.assertRaises(exception.ImageError, store.current)
        self.api.download.side_effect = self._download
        self.assertEqual(self.digest, store.current())

    def test_glance_names_an_image_and_cannot_give_its_bytes(self):
        """The store behind it is away: that is no fault of the image's."""
        store = self._store()
        for error in (glance_exceptions.HTTPServiceUnavailable(),
                      glance_exceptions.HTTPBadGateway(),
                      nova_exception.GlanceConnectionFailed(
                          server='x', reason='refused')):
            self.api.download.side_effect = error
            self.assertIn(store_case.GLANCE_ID, str(self.assertRaises(
                exception.GlanceAwayError, store.current)))
            self.assertRaises(exception.GlanceAwayError, store.ensure,
                              self.digest)
        self.api.download.side_effect = nova_exception.ImageNotFound(
            image_id='it')
        self.assertNotIsInstance(
            self.assertRaises(exception.ImageError, store.current),
            exception.GlanceAwayError)

    def test_a_new_one_that_cannot_be_fetched_now(self):
        """Glance does not have the one before any more."""
        store = self._store()
        store.current()
        self.glance.clear()
        self._upload(store_case.make_image(self.temporary, '2.0'), 'i2', day=2)
        self.api.download.side_effect = glance_exceptions.HTTPBadGateway
        self.assertEqual(self.digest, store.current(or_last=True))

    def test_by_id(self):
        self.api.get.side_effect = lambda context, image_id: self.glance[0]
        self.assertEqual(self.digest,
                         self._store(store_case.GLANCE_ID).current())

    def test_the_newest_of_the_name(self):
        newest = self._upload(
            store_case.make_image(self.temporary, '3.0'), 'i3', day=3)
        self._upload(store_case.make_image(self.temporary, '2.0'), 'i2', day=2)
        self._upload(store_case.make_image(self.temporary, '4.0'), 'i4', day=4,
                     status='saving')
        self.assertEqual(newest, self._store().current())

    def test_an_image_that_anybody_may_have_made(self):
        self._upload(store_case.make_image(self.temporary, '3.0'), 'i3', day=3,
                     is_public=False, owner='a user')
        operators = self.glance.pop(0)
        self._assert_fails(self._store(), '[dmore] image:', 'i3', 'public',
                           '[dmore] image_digest')
        self.glance.append(operators)
        self.assertEqual(self.digest, self._store().current())

    def test_a_private_image_of_the_operator(self):
        self.glance[0].update(is_public=False, owner='service')
        self.assertEqual(self.digest, self._store().current())

    def test_a_private_image_of_the_configured_digest(self):
        self.glance[0]['is_public'] = False
        self.assertEqual(self.digest, self._store(
            expected_digest=self.digest).current())

    def test_a_private_image_by_its_id(self):
        self.glance[0]['is_public'] = False
        self.api.get.side_effect = lambda context, image_id: self.glance[0]
        self.assertEqual(
            self.digest, self._store(store_case.GLANCE_ID).current())

    def test_asked_as_nova_itself(self):
        self._store().current()
        for mocked in (self.api.get_all, self.api.download):
            for call in mocked.call_args_list:
                self.assertIs(self.context, call.args[0])

    def test_bad_credentials(self):
        self.context_error = keystone_exceptions.Unauthorized('who is nova?')
        self._assert_fails(self._store(), '[dmore] image:', 'who is nova?')

    def test_no_credentials(self):
        self.context_error = exception.ConfigurationError('[service_user]')
        self.assertRaises(exception.ConfigurationError,
                          self._store().current)

    def test_the_configured_digest_needs_no_glance_once_it_is_here(self):
        self._store(expected_digest=self.digest).current()
        self.api.get_all.reset_mock()
        self._store(expected_digest=self.digest).current()
        self.api.get_all.assert_not_called()

    def test_no_image(self):
        self.glance.clear()
        self._assert_fails(self._store(), '[dmore] image:',
                           "'nova-dmore-domr'", 'nova-dmore-image upload')

    def test_glance_is_away(self):
        for error in (
                nova_exception.GlanceConnectionFailed(server='s', reason='r'),
                glance_exceptions.HTTPInternalServerError(),
                keystone_exceptions.EndpointNotFound()):
            self.api.get_all.side_effect = error
            self._assert_fails(self._store(), '[dmore] image:')

    def test_glance_is_away_after_a_boot(self):
        """The image is here."""
        self._store().current()
        self.api.get_all.side_effect = (
            nova_exception.GlanceConnectionFailed(server='s', reason='r'))
        self.assertEqual(self.digest, self._store().current(or_last=True))
        self.assertRaises(exception.GlanceAwayError, self._store().current)
        self.assertRaises(exception.GlanceAwayError,
                          self._store('other').current, or_last=True)
        store = self._store()
        for path in store.directory(self.digest).iterdir():
            path.chmod(0o644)
            path.write_bytes(b'damaged')
        self.assertRaises(exception.GlanceAwayError, store.current,
                          or_last=True)

    def test_another_image_since(self):
        self._store().current()
        newest = self._upload(
            store_case.make_image(self.temporary, '3.0'), 'i3', day=3)
        self._store().current()
        self.api.get_all.side_effect = (
            nova_exception.GlanceConnectionFailed(server='s', reason='r'))
        self.assertEqual(newest, self._store().current(or_last=True))

    def test_a_glance_that_hangs_is_waited_for_once(self):
        """Not for each instance, when nova-compute starts."""
        self._store().current()
        self.useFixture(fixtures.MockPatchObject(limited, 'ANSWER_S', 0.05))
        never = threading.Event()
        self.addCleanup(never.set)
        self.api.get_all.reset_mock()
        self.api.get_all.side_effect = lambda *_, **__: never.wait(60)
        store = self._store()
        for _ in range(3):
            self.assertEqual(self.digest, store.current(or_last=True))
            self.assertRaises(exception.GlanceAwayError, store.current)
        self.api.get_all.assert_called_once()

    def test_a_glance_that_hung_is_asked_again(self):
        self.useFixture(fixtures.MockPatchObject(limited, 'ANSWER_S', 0.05))
        self.useFixture(fixtures.MockPatchObject(last_image, '_SILENT_S', 0))
        never = threading.Event()
        self.addCleanup(never.set)
        self.api.get_all.side_effect = lambda *_, **__: never.wait(60)
        store = self._store()
        self.assertRaises(exception.GlanceAwayError, store.current)
        limited.ANSWER_S = 60
        self.api.get_all.side_effect = self._get_all
        self.assertEqual(self.digest, store.current())

    def test_download_fails(self):
        for error in (
                nova_exception.ImageNotFound(image_id=store_case.GLANCE_ID),
                glance_exceptions.HTTPBadGateway()):
            self.api.download.side_effect = error
            self._assert_fails(self._store(), '[dmore] image:',
                               store_case.GLANCE_ID)

    def test_not_the_configured_digest(self):
        self._assert_fails(
            self._store(expected_digest='cd' * 32),
            '[dmore] image:', '[dmore] image_digest', 'cd' * 32, self.digest)

    def test_not_the_digest_of_the_property(self):
        self.glance.clear()
        self._upload(self.files[store_case.GLANCE_ID], digest='ef' * 32)
        self._assert_fails(self._store(), '[dmore] image:', 'ef' * 32,
                           self.digest, 'upload it again')

    def test_no_usable_digest(self):
        for properties in ({}, {'dmore_digest': '../../etc'},
                           {'dmore_digest': None}):
            self.glance[0]['properties'] = properties
            self._assert_fails(self._store(), '[dmore] image:',
                               'dmore_digest')

    def test_another_layout_version(self):
        self.glance.clear()
        tar = store_case.make_image(
            self.temporary, '9.0', wire.LAYOUT_VERSION + 1)
        self._upload(tar)
        self._assert_fails(
            self._store(), '[dmore] image:',
            f'layout version {wire.LAYOUT_VERSION + 1}')

    def test_no_image_file(self):
        self.glance.clear()
        tar = self.temporary / 'other'
        tar.write_bytes(b'#!/bin/sh\n' * 1000)
        self._upload(tar)
        self._assert_fails(self._store(), '[dmore] image:', 'damaged')

    def test_full_disk(self):
        def fill(context, image_id, data):
            self._download(context, image_id, data)
            data.write(bytes(1 << 20))

        for download in (self._download, fill):
            self.glance[0]['size'] = 2 << 20
            self.api.download.side_effect = download
            full = open('/dev/full', 'wb')
            self.addCleanup(self._close, full)
            with mock.patch('tempfile.NamedTemporaryFile', autospec=True,
                            return_value=full):
                self._assert_fails(
                    self._store(), '[dmore] image_cache_dir', str(self.cache),
                    'No space left on device')

    @staticmethod
    def _close(full):
        with contextlib.suppress(OSError):
            full.close()

    def test_no_cache_directory_to_be_had(self):
        self.cache.parent.write_text('a file')
        error = self.assertRaises(
            exception.ImageError, self._store().current)
        self.assertIn('[dmore] image_cache_dir', str(error))

    def test_ensure(self):
        store = self._store()
        store.ensure(self.digest)
        self.assertEqual('1.0', store.manifest(self.digest).version)

    def test_ensure_needs_no_glance_when_it_is_here(self):
        store = self._store()
        store.current()
        self.glance.clear()
        store.ensure(self.digest)
        self.api.download.assert_called_once()

    def test_ensure_another_one_than_glance_has(self):
        store = self._store()
        self._assert_fails(
            store, '[dmore] image', 'ab' * 32, 'copy',
            call=lambda: store.ensure('ab' * 32))

    def test_ensure_what_is_no_digest(self):
        # It comes from another host and becomes a path.
        store = self._store()
        for digest in ('', '../' * 21 + 'a', 'AB' * 32, 'ab' * 32 + '\n'):
            self._assert_fails(
                store, 'no digest',
                call=lambda: store.ensure(digest))

    def test_manifest_that_is_gone_or_damaged(self):
        store = self._store()
        self.assertRaises(exception.ImageError, store.manifest, self.digest)
        store.current()
        (store.directory(self.digest) / 'manifest.json').write_text('{')
        self.assertRaises(exception.ImageError, store.manifest, self.digest)
