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
"""Fetches Domain R images from Glance and keeps them unpacked on the host."""

import pathlib
import re
import tempfile
import threading

from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from nova import exception as nova_exception
from nova.image import glance
from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_dmore import exception
from nova_dmore import image_file

LOG = logging.getLogger(__name__)

_DIGEST = re.compile(r'[0-9a-f]{64}')
#: What a call to Glance may raise: Nova translates some of its errors.
_GLANCE_ERRORS = (nova_exception.NovaException,
                  glance_exceptions.ClientException,
                  keystone_exceptions.ClientException)


class ImageStore:
    """The Domain R images of one host, by digest.

    :param image: name or id in Glance (``[dmore] image``).
    :param expected_digest: ``[dmore] image_digest``, or None.
    :param cache_dir: ``[dmore] image_cache_dir``.
    :param make_context: returns the context with which Glance is asked;
        :func:`nova_dmore.virt.credentials.service_context`.
    """

    def __init__(self, image: str, expected_digest: str | None,
                 cache_dir: str, make_context):
        self._image = image
        self._expected_digest = expected_digest
        self._cache_dir = pathlib.Path(cache_dir)
        self._make_context = make_context
        self._lock = threading.Lock()
        self._api = glance.API()

    def directory(self, digest: str) -> pathlib.Path:
        """Where the image of a digest is, or would be, unpacked."""
        return self._cache_dir / digest

    def current(self) -> str:
        """The digest that new pairs use; its image is on this host then.

        Called when a pair is made.

        :raises nova_dmore.exception.ImageError: no such image, another
            digest than the configured one, or it cannot be fetched.
        """
        if (self._expected_digest
                and self.directory(self._expected_digest).is_dir()):
            return self._expected_digest
        record = self._find()
        digest = self._digest_of(record)
        if self._expected_digest and digest != self._expected_digest:
            raise exception.ImageError(
                f'[dmore] image: {self._image!r} in Glance has digest '
                f'{digest}, but [dmore] image_digest is '
                f'{self._expected_digest}; upload the right image or change '
                'the option')
        self._fetch(record, digest)
        return digest

    def ensure(self, digest: str) -> None:
        """Have the image of a running Domain R on this host.

        Called at a destination before anything moves, and when a pair is
        rebuilt.

        :raises nova_dmore.exception.ImageError: Glance has another image by
            now, or it cannot be fetched.
        """
        if not _DIGEST.fullmatch(digest):
            raise exception.ImageError(
                f'{digest[:80]!r} is no digest of a Domain R image')
        if self.directory(digest).is_dir():
            return
        record = self._find()
        if self._digest_of(record) != digest:
            raise exception.ImageError(
                f'the running Domain R was started from image {digest}, but '
                f'[dmore] image {self._image!r} has digest '
                f'{self._digest_of(record)}; copy '
                f'{self.directory(digest)} from the source host')
        self._fetch(record, digest)

    def manifest(self, digest: str) -> image_file.Manifest:
        """What the image of a digest says about itself.

        :raises nova_dmore.exception.ImageError: it is damaged.
        """
        path = self.directory(digest) / image_file.MANIFEST
        try:
            return image_file.parse_manifest(path.read_bytes())
        except OSError as error:
            raise exception.ImageError(
                f'cannot read {path}: {error.strerror}') from error

    def _find(self):
        try:
            context = self._make_context()
            if uuidutils.is_uuid_like(self._image):
                return self._api.get(context, self._image)
            named = [record for record in self._api.get_all(
                context, filters={'name': self._image})
                if record['status'] == 'active']
        except _GLANCE_ERRORS as error:
            raise exception.ImageError(
                f'[dmore] image: {self._image!r}: Glance says: {error}'
            ) from error
        if not named:
            raise exception.ImageError(
                f'[dmore] image: no image {self._image!r} in Glance; make it '
                'with "nova-dmore-image build" and "nova-dmore-image upload"')
        trusted = [record for record in named
                   if self._is_trusted(record, context)]
        if not trusted:
            raise exception.ImageError(
                f'[dmore] image: anybody may have made the private image '
                f'{self._image!r} ({named[0]["id"]}); make it public, or put '
                'its id into [dmore] image or its digest into [dmore] '
                'image_digest')
        # The newest of the name wins: an upload of a new release takes
        # effect without an interval in which there is none.
        return max(trusted, key=lambda record: record['created_at'])

    def _is_trusted(self, record, context) -> bool:
        """Whether an image that was found by its name is the operator's.

        Every user may give an image this name, and Nova's own user may see
        those of all projects. Only an operator makes one public.
        """
        return (record['is_public']
                or record['owner'] == context.project_id
                or self._expected_digest is not None
                and self._expected_digest == record['properties'].get(
                    image_file.DIGEST_PROPERTY))

    def _digest_of(self, record) -> str:
        digest = str(record['properties'].get(
            image_file.DIGEST_PROPERTY, ''))
        if not _DIGEST.fullmatch(digest):
            raise exception.ImageError(
                f'[dmore] image: {self._image!r} ({record["id"]}) has no '
                f'usable property {image_file.DIGEST_PROPERTY}; upload it '
                'with "nova-dmore-image upload"')
        return digest

    def _fetch(self, record, digest: str) -> None:
        with self._lock:
            if self.directory(digest).is_dir():
                return
            LOG.info('Fetching Domain R image %s (%s)', record['id'], digest)
            try:
                self._cache_dir.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(
                        dir=self._cache_dir, prefix='.fetch-') as scratch:
                    self._api.download(
                        self._make_context(), record['id'],
                        dest_path=scratch.name)
                    path = pathlib.Path(scratch.name)
                    found = image_file.digest(path)
                    if found != digest:
                        raise exception.ImageError(
                            f'[dmore] image: {record["id"]} has digest '
                            f'{found}, but its property '
                            f'{image_file.DIGEST_PROPERTY} says {digest}; '
                            'upload it again')
                    self._unpack(record, path, digest)
            except _GLANCE_ERRORS as error:
                raise exception.ImageError(
                    f'[dmore] image: {record["id"]} cannot be fetched: '
                    f'{error}') from error
            except OSError as error:
                raise exception.ImageError(
                    f'[dmore] image_cache_dir: {self._cache_dir}: '
                    f'{error.strerror}') from error

    def _unpack(self, record, path: pathlib.Path, digest: str) -> None:
        try:
            image_file.unpack(path, self.directory(digest))
        except exception.ImageError as error:
            raise exception.ImageError(
                f'[dmore] image: {record["id"]}: {error}') from error
