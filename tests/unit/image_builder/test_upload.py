# SPDX-License-Identifier: Apache-2.0
"""The upload of an image file: to a Glance that is a mock, and to none."""

import hashlib
import pathlib
import tempfile
import unittest
from unittest import mock

from openstack import exceptions

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.image_builder import upload
from nova_dmore import wire


class UploadTest(unittest.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / 'image.tar'
        members = [*image_file.MEMBERS][1:]
        for name in members:
            (self.folder / name).write_bytes(name.encode())
        image_file.pack(self.folder, image_file.Manifest(
            wire.LAYOUT_VERSION, '1-abc', 96, 'panic=-1',
            {name: hashlib.sha256(name.encode()).hexdigest()
             for name in members}), self.file)
        self.digest = image_file.digest(self.file)
        self.said: list[str] = []
        # No cloud of whoever runs the tests.
        for patch in (
                mock.patch.dict('os.environ', {'HOME': folder.name},
                                clear=True),
                mock.patch('openstack.config.loader.CONFIG_FILES', [])):
            patch.start()
            self.addCleanup(patch.stop)

    def upload(self, visibility: str = 'public') -> str:
        return upload.upload(self.file, self.said.append, visibility)

    def glance(self, *images: mock.Mock) -> mock.Mock:
        """-> the mock of Glance, which has these images."""
        patch = mock.patch('openstack.connect')
        cloud = patch.start().return_value.__enter__.return_value
        self.addCleanup(patch.stop)
        image: mock.Mock = cloud.image
        image.images.return_value = images
        image.create_image.return_value.id = 'new'
        return image

    def test_without_openstacksdk(self) -> None:
        with mock.patch.dict('sys.modules', {'openstack': None}), \
                self.assertRaisesRegex(exception.ImageError,
                                       'install openstacksdk'):
            self.upload()

    def there(self, **changes: object) -> mock.Mock:
        return mock.Mock(**{
            'id': 'old', 'status': 'active', 'visibility': 'public',
            'properties': {'dmore_digest': self.digest}, **changes})

    def assert_refused(self, *texts: str) -> None:
        with self.assertRaises(exception.ImageError) as caught:
            self.upload()
        for text in texts:
            self.assertIn(text, str(caught.exception))

    def test_a_new_one(self) -> None:
        glance = self.glance(
            self.there(status='queued'), self.there(visibility='private'),
            self.there(properties={'dmore_digest': 'f' * 64}))
        self.assertEqual('new', self.upload())
        (name,), given = glance.create_image.call_args
        self.assertEqual('nova-dmore-domr', name)
        self.assertEqual(
            (str(self.file), 'public', self.digest, str(wire.LAYOUT_VERSION)),
            (given['filename'], given['visibility'], given['dmore_digest'],
             given['dmore_layout_version']))

    def test_one_that_is_there(self) -> None:
        glance = self.glance(self.there())
        self.assertEqual('old', self.upload())
        glance.create_image.assert_not_called()

    def test_glance_refuses(self) -> None:
        self.glance().create_image.side_effect = exceptions.ForbiddenException(
            'publicize_image')
        self.assert_refused(str(self.file), 'publicize_image')

    def test_no_credentials(self) -> None:
        self.assert_refused('auth_url', 'OS_CLOUD')

    def test_a_cloud_that_no_file_names(self) -> None:
        with mock.patch.dict('os.environ', {'OS_CLOUD': 'mine'}):
            self.assert_refused('OS_CLOUD')

    def test_keystone_is_away(self) -> None:
        with mock.patch.dict('os.environ', {
                'OS_AUTH_URL': 'http://127.0.0.1:1/v3', 'OS_USERNAME': 'a',
                'OS_PASSWORD': 'b', 'OS_PROJECT_NAME': 'c',
                'OS_USER_DOMAIN_ID': 'd', 'OS_PROJECT_DOMAIN_ID': 'd'}):
            self.assert_refused('127.0.0.1:1', str(self.file))

    def test_another_file(self) -> None:
        self.file.write_text('no tar')
        self.assert_refused(str(self.file), 'nova-dmore-image build')

    def test_no_file(self) -> None:
        self.file.unlink()
        self.assert_refused(f'cannot read {self.file}')
