# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import datetime
import pathlib
from unittest import mock

import fixtures
from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from nova import context
from nova import exception as nova_exception
from nova.image import glance

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt import image_store
from nova_dmore import wire
from tests.unit.virt import fakes

GLANCE_ID = '5a3b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


def make_image(directory: pathlib.Path, version='1.0',
               layout_version=wire.LAYOUT_VERSION) -> pathlib.Path:
    """A small but complete image file."""
    members = directory / f'members-{version}-{layout_version}'
    members.mkdir()
    for name in (image_file.KERNEL, image_file.INITRD, image_file.ROOT):
        (members / name).write_bytes(f'{name} of {version}'.encode())
    manifest = image_file.Manifest(
        layout_version=layout_version, version=version, memory_mib=96,
        command_line='quiet',
        sha256={name: image_file.digest(members / name) for name in (
            image_file.KERNEL, image_file.INITRD, image_file.ROOT)})
    tar = directory / f'image-{version}-{layout_version}.tar'
    image_file.pack(members, manifest, tar)
    return tar


class StoreTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.temporary = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.api = mock.create_autospec(glance.API, instance=True)
        self.useFixture(fixtures.MockPatchObject(
            glance, 'API', autospec=True, return_value=self.api))
        self.api.download.side_effect = self._download
        self.api.get_all.side_effect = (
            lambda context, filters: [
                dict(record) for record in self.glance
                if record['name'] == filters['name']])
        self.context = context.RequestContext(
            project_id='service', is_admin=True, overwrite=False)
        self.context_error = None
        self.cache = self.temporary / 'cache' / 'images'
        self.glance = []
        self.files = {}
        self.digest = self._upload(make_image(self.temporary))

    def _upload(self, tar, image_id=GLANCE_ID, digest=None, day=1, **changes):
        digest = digest or image_file.digest(tar)
        self.files[image_id] = tar
        self.glance.append({
            'id': image_id, 'name': 'nova-dmore-domr', 'status': 'active',
            'created_at': datetime.datetime(2026, 1, day),
            'is_public': True, 'owner': 'operators',
            'properties': {'dmore_digest': digest}, **changes})
        return digest

    def _download(self, context, image_id, dest_path):
        pathlib.Path(dest_path).write_bytes(self.files[image_id].read_bytes())

    def _store(self, image='nova-dmore-domr', expected_digest=None):
        return image_store.ImageStore(
            image, expected_digest, str(self.cache), self._make_context)

    def _make_context(self):
        if self.context_error is not None:
            raise self.context_error
        return self.context

    def _assert_fails(self, store, *texts, call=None):
        error = self.assertRaises(
            exception.ImageError, call or store.current)
        for text in texts:
            self.assertIn(text, str(error))
        if self.cache.exists():
            self.assertEqual([], list(self.cache.iterdir()))

    def test_fetched_once(self):
        store = self._store()
        self.assertEqual(self.digest, store.current())
        self.assertEqual(self.digest, store.current())
        self.assertEqual(
            1, len(self.api.download.call_args_list))
        self.assertEqual([self.digest],
                         [path.name for path in self.cache.iterdir()])
        self.assertEqual(
            b'vmlinuz of 1.0',
            (store.directory(self.digest) / 'vmlinuz').read_bytes())
        self.assertEqual('1.0', store.manifest(self.digest).version)

    def test_by_id(self):
        self.api.get.side_effect = lambda context, image_id: self.glance[0]
        self.assertEqual(self.digest,
                         self._store(GLANCE_ID).current())

    def test_the_newest_of_the_name(self):
        newest = self._upload(make_image(self.temporary, '3.0'), 'i3', day=3)
        self._upload(make_image(self.temporary, '2.0'), 'i2', day=2)
        self._upload(make_image(self.temporary, '4.0'), 'i4', day=4,
                     status='saving')
        self.assertEqual(newest, self._store().current())

    def test_an_image_that_anybody_may_have_made(self):
        self._upload(make_image(self.temporary, '3.0'), 'i3', day=3,
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
        self.assertEqual(self.digest, self._store(GLANCE_ID).current())

    def test_asked_as_nova_itself(self):
        self._store().current()
        for call in (self.api.get_all, self.api.download):
            self.assertIs(self.context, call.call_args.args[0])

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

    def test_download_fails(self):
        for error in (
                nova_exception.ImageNotFound(image_id=GLANCE_ID),
                glance_exceptions.HTTPBadGateway()):
            self.api.download.side_effect = error
            self._assert_fails(self._store(), '[dmore] image:', GLANCE_ID)

    def test_not_the_configured_digest(self):
        self._assert_fails(
            self._store(expected_digest='cd' * 32),
            '[dmore] image:', '[dmore] image_digest', 'cd' * 32, self.digest)

    def test_not_the_digest_of_the_property(self):
        self.glance.clear()
        self._upload(self.files[GLANCE_ID], digest='ef' * 32)
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
        tar = make_image(self.temporary, '9.0', wire.LAYOUT_VERSION + 1)
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
        self.api.download.side_effect = OSError(28, 'No space left on device')
        self._assert_fails(
            self._store(), '[dmore] image_cache_dir', str(self.cache),
            'No space left on device')

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
