# SPDX-License-Identifier: Apache-2.0
"""A store of images whose Glance is a list."""

import datetime
import pathlib
from unittest import mock

import fixtures
from nova import context
from nova.image import glance

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt.images import image_store
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


class StoreTestCase(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.temporary = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.api = mock.create_autospec(glance.API, instance=True)
        self.useFixture(fixtures.MockPatchObject(
            glance, 'API', autospec=True, return_value=self.api))
        self.api.download.side_effect = self._download
        self.api.get_all.side_effect = self._get_all
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
            'size': tar.stat().st_size,
            'properties': {'dmore_digest': digest}, **changes})
        return digest

    def _get_all(self, context, limit, filters, marker=None):
        """As Glance answers what Nova makes of this."""
        rest = dict(filters)
        wanted = {name: rest.pop(name) for name in ('name', 'status', 'owner')
                  if name in rest}
        if rest.pop('is_public', None) == 'true':
            wanted['is_public'] = True
        hidden = rest.pop('os_hidden', 'false') == 'true'
        found = [dict(record) for record in self.glance
                 if wanted.items() <= record.items()
                 and record.get('os_hidden', False) is hidden
                 and rest.items() <= record['properties'].items()]
        found.sort(key=lambda record: record['created_at'], reverse=True)
        first = 0 if marker is None else 1 + [
            record['id'] for record in found].index(marker)
        return found[first:first + limit]

    def _download(self, context, image_id, data):
        content = self.files[image_id].read_bytes()
        for start in range(0, len(content), 1000):
            data.write(content[start:start + 1000])

    def _store(self, image='nova-dmore-domr', expected_digest=None):
        return image_store.ImageStore(
            image, expected_digest, str(self.cache), self._make_context)

    def _make_context(self):
        if self.context_error is not None:
            raise self.context_error
        return self.context

    def in_cache(self):
        """All but the note of which image was the last one."""
        return [path for path in self.cache.iterdir()
                if path.name != image_store._LAST]

    def _assert_fails(self, store, *texts, call=None):
        error = self.assertRaises(
            exception.ImageError, call or store.current)
        for text in texts:
            self.assertIn(text, str(error))
        if self.cache.exists():
            self.assertEqual([], self.in_cache())
