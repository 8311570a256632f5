# SPDX-License-Identifier: Apache-2.0

import contextlib
import datetime
import logging
import os
import pathlib
import shutil
import stat
from unittest import mock

from cryptography import exceptions as signature_exceptions
import fixtures
from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from nova import context
from nova import exception as nova_exception
from nova.image import glance

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt.images import image_source
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

    def _get_all(self, context, limit, filters):
        """As Glance answers what Nova makes of this."""
        rest = dict(filters)
        wanted = {name: rest.pop(name) for name in ('name', 'status', 'owner')
                  if name in rest}
        if rest.pop('is_public', None) == 'true':
            wanted['is_public'] = True
        found = [dict(record) for record in self.glance
                 if wanted.items() <= record.items()
                 and rest.items() <= record['properties'].items()]
        return sorted(found, key=lambda record: record['created_at'],
                      reverse=True)[:limit]

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

    def _assert_fails(self, store, *texts, call=None):
        error = self.assertRaises(
            exception.ImageError, call or store.current)
        for text in texts:
            self.assertIn(text, str(error))
        if self.cache.exists():
            self.assertEqual([], list(self.cache.iterdir()))


class StoreTest(StoreTestCase):

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


class CandidatesTest(StoreTestCase):
    """Images of others that say they are the one that is looked for."""

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
        self.assertEqual([GLANCE_ID], self._tried())

    def test_own_before_public_before_others(self):
        self._upload(self.bad, 'public', self.digest, 2)
        self._upload_others('own', owner='service')
        for image_id in ('i2', 'i1'):
            self._upload_others(image_id)
        self.glance[0].update(is_public=False, owner='another operator')
        self.assertEqual(self.digest, self._current())
        # The newest first; of two that were made at once in a stable order.
        self.assertEqual(['own', 'public', 'i2', 'i1', GLANCE_ID],
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
        self._upload_others('i2', self.files[GLANCE_ID])
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
        self.assertEqual([GLANCE_ID], self._tried())
        del self.glance[0]
        self.api.download.reset_mock()
        self.useFixture(fixtures.MockPatchObject(
            image_store.ImageStore, '_is_good', return_value=False))
        error = self.assertRaises(exception.ImageError, self._current)
        self.assertEqual(8, len(self._tried()))
        self.assertLess(len(str(error)), 3000)
        for call in self.api.get_all.call_args_list:
            self.assertLessEqual(call.kwargs['limit'], 100)

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

    def test_the_bytes_decide_before_they_are_looked_at(self):
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
            self._assert_fails(store, GLANCE_ID, text)
            self.assertEqual(self.digest, store.current())
            shutil.rmtree(self.cache)

    def test_a_wrong_signature(self):
        self.api.download.side_effect = (
            signature_exceptions.InvalidSignature())
        self._assert_fails(self._store(), GLANCE_ID, 'signature')

    def test_an_older_one_where_the_newest_cannot_be_used(self):
        self._upload(self.bad, 'i9', day=9)
        self._upload(self.bad, 'i8', day=8, properties={})
        self.assertEqual(self.digest, self._store().current())
        self.assertIn('i9', self.log.output)

    def test_ensure_finds_an_older_one_of_the_operators(self):
        self._upload(make_image(self.temporary, '2.0'), 'i2', day=2)
        self._store().ensure(self.digest)
        self.assertEqual([GLANCE_ID], self._tried())

    def test_ensure_trusts_nobody_elses(self):
        # The digest comes from another host.
        tar = make_image(self.temporary, '6.6')
        digest = image_file.digest(tar)
        self._upload_others('i6', tar, digest=digest)
        for expected in (None, self.digest):
            store = self._store(expected_digest=expected)
            self._assert_fails(store, 'i6', digest,
                               call=lambda: store.ensure(digest))
        self.assertEqual([], self._tried())

    def test_what_is_remembered_is_bounded(self):
        store = self._store()
        source = store._source
        for number in range(1000):
            source.refused(
                image_source.Candidate(str(number), self.digest, 1),
                image_source.RefusedError('no'))
        self.assertEqual(256, len(source._bad))


class CacheTestCase(StoreTestCase):
    """With an image that was fetched."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        self.store = self._store()
        self.store.current()
        self.directory = self.store.directory(self.digest)
        self.api.download.reset_mock()


class CacheTest(CacheTestCase):
    """What lies on the disk is verified before it is used."""

    def _change(self, name=image_file.ROOT, data=b'changed'):
        path = self.directory / name
        path.chmod(0o644)
        path.write_bytes(data)

    def _assert_again(self, use):
        """It is fetched anew, and nothing else is left."""
        self.api.download.reset_mock()
        use()
        self.api.download.assert_called_once()
        image_file.load(self.directory)
        self.assertEqual([self.directory], list(self.cache.iterdir()))
        self.assertIn(str(self.directory), self.log.output)

    def test_nobody_else_can_write_it(self):
        self.assertEqual(0o555, stat.S_IMODE(self.directory.stat().st_mode))
        self.assertEqual(0o755, stat.S_IMODE(self.cache.stat().st_mode))
        for path in self.directory.iterdir():
            self.assertEqual(0o444, stat.S_IMODE(path.stat().st_mode))
            self.assertEqual(os.geteuid(), path.stat().st_uid)

    def test_nobody_else_can_write_it_whatever_the_umask(self):
        self.addCleanup(os.umask, os.umask(0))
        self.cache = self.temporary / 'other' / 'images'
        self.cache.parent.mkdir(0o755)
        store = self._store()
        store.current()
        for path in (self.cache, store.directory(self.digest)):
            self.assertFalse(path.stat().st_mode & 0o022)

    def test_changed_members(self):
        for name in image_file.MEMBERS:
            for use in (self.store.current,
                        lambda: self.store.ensure(self.digest),
                        self._store(expected_digest=self.digest).current):
                self._change(name)
                self._assert_again(use)

    def test_members_that_are_gone_or_others_files(self):
        root = self.directory / image_file.ROOT

        def link():
            root.rename(self.temporary / 'elsewhere')
            root.symlink_to(self.temporary / 'elsewhere')

        for step in (root.unlink, lambda: root.chmod(0o646), link,
                     lambda: self.directory.chmod(0o777)):
            step()
            self._assert_again(self.store.current)

    def test_a_link_in_place_of_the_folder(self):
        elsewhere = self.temporary / 'elsewhere'
        self.directory.rename(elsewhere)
        elsewhere.chmod(0o777)
        self.directory.symlink_to(elsewhere)
        self._assert_again(self.store.current)
        self.assertFalse(self.directory.is_symlink())
        self.assertTrue((elsewhere / image_file.ROOT).exists())

    def test_changed_and_glance_has_none(self):
        self._change()
        self.glance.clear()
        for use in (self.store.current,
                    lambda: self.store.ensure(self.digest)):
            self.assertRaises(exception.ImageError, use)

    def test_a_folder_on_the_way_that_others_can_write(self):
        for use in (self.store.current, self._store(
                expected_digest=self.digest).current):
            for mode in (0o770, 0o707):
                self.cache.parent.chmod(mode)
                error = self.assertRaises(exception.ImageError, use)
                self.assertIn('[dmore] image_cache_dir', str(error))
                self.assertIn(str(self.cache.parent), str(error))
        self.api.download.assert_not_called()

    def test_a_cache_of_ours_is_closed(self):
        for use in (self.store.current,
                    lambda: self.store.ensure(self.digest)):
            self.cache.chmod(0o775)
            use()
            self.assertEqual(0o755, stat.S_IMODE(self.cache.stat().st_mode))
        self.api.download.assert_not_called()


class GivenAwayTest(CacheTestCase):
    """libvirt has given members to QEMU's user."""

    def setUp(self):
        super().setUp()
        self.others = set()
        self.useFixture(fixtures.MockPatchObject(os, 'fstat', self._fstat))
        self._give_away(image_file.KERNEL, image_file.INITRD,
                        image_file.ROOT)
        # Only the next image is there.
        self.glance.clear()
        self._upload(make_image(self.temporary, '2.0'))

    def _fstat(self, descriptor, fstat=os.fstat):
        status = fstat(descriptor)
        if status.st_ino not in self.others:
            return status
        fields = list(status)
        fields[stat.ST_UID] = os.geteuid() + 1000
        return os.stat_result(fields)

    def _give_away(self, *names):
        self.before = {}
        for name in names:
            path = self.directory / name
            self.before[name] = path.read_bytes()
            self.others.add(path.stat().st_ino)

    def test_taken_back(self):
        # A QEMU has it open, whose descriptor stays what it is.
        with open(self.directory / image_file.ROOT, 'rb') as opened:
            self.store.ensure(self.digest)
            self.assertEqual(self.before[image_file.ROOT], opened.read())
        self.api.download.assert_not_called()
        image_file.load(self.directory)
        self.assertEqual([self.directory], list(self.cache.iterdir()))
        self.assertEqual(0o555, stat.S_IMODE(self.directory.stat().st_mode))
        for name, content in self.before.items():
            path = self.directory / name
            self.assertEqual(content, path.read_bytes())
            self.assertNotIn(path.stat().st_ino, self.others)
            self.assertEqual(0o444, stat.S_IMODE(path.stat().st_mode))

    def test_by_its_digest(self):
        store = self._store(expected_digest=self.digest)
        self.assertEqual(self.digest, store.current())
        self.api.download.assert_not_called()

    def _assert_refused(self):
        self.assertRaises(exception.ImageError, self.store.ensure,
                          self.digest)
        self.assertEqual([self.directory], list(self.cache.iterdir()))

    def test_changed(self):
        for name in self.before:
            path = self.directory / name
            path.chmod(0o644)
            path.write_bytes(self.before[name] + b'x')
            self._assert_refused()
            path.write_bytes(self.before[name])
        self.store.ensure(self.digest)

    def test_changed_while_it_is_copied(self):
        path = self.directory / image_file.ROOT
        path.chmod(0o644)

        def copy(directory, target, copy=image_file.copy):
            path.write_bytes(b'changed')
            copy(directory, target)

        with mock.patch.object(image_file, 'copy', copy):
            self._assert_refused()

    def test_others_can_write_it_too(self):
        (self.directory / image_file.ROOT).chmod(0o646)
        self._assert_refused()

    def test_the_manifest(self):
        # It says what the others are to be.
        self._give_away(image_file.MANIFEST)
        self._assert_refused()

    def test_no_room(self):
        with mock.patch.object(image_file.os, 'fsync', side_effect=OSError(
                28, 'No space')):
            self._assert_refused()
        self.assertRegex(self.log.output, 'cannot (write|copy) .*No space')
        with mock.patch.object(image_store.ImageStore, '_discard',
                               side_effect=OSError(28, 'No space')):
            self._assert_refused()
