# SPDX-License-Identifier: Apache-2.0
"""The images in Glance that may hold Domain R, and their bytes.

Every user may give an image any name and any property, and Nova's own user
may see those of all projects. So a property is only a hint at which image to
try: it is the digest of the bytes that decides.
"""

import collections
import dataclasses
import hashlib
import re
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any, IO, TYPE_CHECKING

from cryptography import exceptions as signature_exceptions
from nova.image import glance
from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt import limited
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova import context as nova_context

LOG = logging.getLogger(__name__)

DIGEST = re.compile(r'[0-9a-f]{64}')
#: So many images of the operator's are tried, the newest first, which
#: nobody but an operator can push out.
_OPERATORS_MAX = 100
#: Of all other projects so many are tried at a time that are not known as bad:
#: however many newer ones say that they are the one, it has its turn.
_OTHERS_MAX = 8
#: Glance is asked for those so many at a time, and so often at most.
_PAGE = 100
_PAGES_MAX = 50
#: So many images are remembered as bad: as many as may be tried.
_BAD_MAX = _PAGE * _PAGES_MAX
#: So many reasons an error gives.
_REASONS_MAX = 6


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An image that may be the one that is wanted."""

    image_id: str
    #: What it says of itself; 0 bytes: it does not say.
    digest: str
    size: int


class RefusedError(Exception):
    """A candidate cannot be used; says why, without its id.

    :param lasting: it is the same in every further try.
    :param away: Glance, or the store behind it, does not answer: nothing is
        wrong with the candidate.
    """

    def __init__(self, reason: str, lasting: bool = True, away: bool = False
                 ) -> None:
        super().__init__(reason)
        self.lasting = lasting
        self.away = away


class ImageSource:
    """Glance, as one host asks it.

    :param image: name or id in Glance (``[dmore] image``).
    :param make_context: returns the context with which Glance is asked;
        :func:`nova_dmore.virt.images.credentials.service_context`.
    """

    def __init__(self, image: str,
                 make_context: 'Callable[[], nova_context.RequestContext]'
                 ) -> None:
        self._image = image
        self._make_context = make_context
        self._api = glance.API()
        #: Why not, by id and digest. The bytes of an image never change.
        self._bad: collections.OrderedDict[tuple[str, str], str] = (
            collections.OrderedDict())

    def candidates(self, digest: str | None, of_all: bool,
                   reasons: list[str]) -> Iterator[Candidate]:
        """The images to be tried, one after the other.

        By its name only an image is trusted that is owned by the project of
        Nova's own user, or public: only an operator makes one public. If the
        digest is known from elsewhere, any may hold it; the trusted come
        first, so that nobody can have others tried before them.

        :param digest: that it must have; None: that of the newest.
        :param of_all: whether it may be of any project, because the operator
            has named the digest.
        :param reasons: gets why others cannot be used, with their ids.
        :raises nova_dmore.exception.ImageError: Glance does not answer.
        """
        strangers = 0
        for record, is_trusted in self._records(digest):
            image_id = record['id']
            declared = record['properties'].get(image_file.DIGEST_PROPERTY)
            if not is_trusted and (image_id, declared) not in self._bad:
                strangers += 1
                if strangers > _OTHERS_MAX:
                    return
            if not isinstance(declared, str) or not DIGEST.fullmatch(declared):
                reasons.append(
                    f'{image_id} has no usable property '
                    f'{image_file.DIGEST_PROPERTY}; upload it with '
                    '"nova-dmore-image upload"')
            elif digest is not None and declared != digest:
                reasons.append(f'{image_id} has digest {declared}')
            elif not is_trusted and not of_all:
                reasons.append(
                    f'anybody may have made the private image {image_id}; '
                    'make it public, or put its id into [dmore] image or its '
                    'digest into [dmore] image_digest')
            elif (image_id, declared) in self._bad:
                reasons.append(
                    f'{image_id}: {self._bad[image_id, declared]}')
            else:
                yield Candidate(image_id, declared, record.get('size') or 0)

    def nothing(self, reasons: list[str]) -> exception.ImageError:
        """The error that says why there is no image."""
        if not reasons:
            return exception.ImageError(
                f'[dmore] image: no image {self._image!r} in Glance; make it '
                'with "nova-dmore-image build" and "nova-dmore-image upload"')
        shown = '; '.join(reasons[:_REASONS_MAX])
        if len(reasons) > _REASONS_MAX:
            shown += f'; and {len(reasons) - _REASONS_MAX} more'
        return exception.ImageError(
            f'[dmore] image: no image {self._image!r} in Glance can be used: '
            f'{shown}')

    def refused(self, candidate: Candidate, error: RefusedError) -> str:
        """Note a candidate that could not be used; logs it once.

        :returns: the reason, with the image's id.
        """
        reason = f'{candidate.image_id}: {error}'
        if error.lasting:
            self._bad[candidate.image_id, candidate.digest] = str(error)
            if len(self._bad) > _BAD_MAX:
                self._bad.popitem(last=False)
        LOG.warning('Image of Domain R: %s', text.printable(reason))
        return reason

    def download(self, candidate: Candidate, file: IO[bytes]) -> None:
        """Write the bytes of a candidate, if they have its digest.

        No more of them are taken than it says, and in no case more than
        :data:`nova_dmore.image_file.FILE_MAX`.

        :raises RefusedError: they have not, or cannot be had.
        :raises OSError: of the file.
        """
        limit = image_file.FILE_MAX
        if not 0 <= candidate.size <= limit:
            raise RefusedError(
                f'it has {candidate.size} bytes; no more than {limit} are '
                'taken')
        sink = _Sink(file, candidate.size or limit)
        try:
            limited.glance(
                limited.IMAGE_S, 'its bytes', lambda: self._api.download(
                    self._make_context(), candidate.image_id, data=sink))
        except _TooLongError as error:
            raise RefusedError(
                f'it has more than {sink.limit} bytes') from error
        except signature_exceptions.InvalidSignature as error:
            raise RefusedError('its signature is not valid') from error
        except (*service_errors.GLANCE, exception.GlanceAwayError,
                OSError) as error:
            if sink.error is not None:
                raise sink.error
            raise RefusedError(
                f'it cannot be fetched: {error}', lasting=False,
                away=isinstance(error, exception.GlanceAwayError)
                or service_errors.is_away(error)) from error
        file.flush()
        if sink.digest() == candidate.digest:
            return
        if sink.size < candidate.size:
            raise RefusedError(
                f'it has digest {sink.digest()}: Glance gave {sink.size} of '
                f'its {candidate.size} bytes', lasting=False)
        raise RefusedError(
            f'it has digest {sink.digest()}, but its property '
            f'{image_file.DIGEST_PROPERTY} says {candidate.digest}; upload it '
            'again')

    def _records(self, digest: str | None
                 ) -> Iterator[tuple[dict[str, Any], bool]]:
        """Glance's records, and whether they are trusted.

        Others are asked for when none before was good.
        """
        try:
            yield from self._asked_for(digest)
        except service_errors.GLANCE as error:
            raise self._silent(error) from error

    def _asked_for(self, digest: str | None
                   ) -> Iterator[tuple[dict[str, Any], bool]]:
        context = self._asked(self._make_context)
        if uuidutils.is_uuid_like(self._image):
            yield self._asked(self._api.get, context, self._image), True
            return
        trusted = self._trusted(context)
        if digest is None:
            # An upload of a new release takes effect without an interval in
            # which there is none, whoever has made it.
            trusted = _newest_first(trusted)
        for record in trusted:
            yield record, True
        filters: dict[str, str] = {}
        if digest is not None:
            # An operator hides one that a newer one replaces: no new pair
            # gets it. Domain Rs that were started from it live on, and move.
            for record in self._trusted(context, os_hidden='true'):
                yield record, True
            filters[image_file.DIGEST_PROPERTY] = digest
        marker: dict[str, str] = {}
        for _page in range(_PAGES_MAX):
            page = self._page(context, _PAGE, filters, **marker)
            if not page:
                return
            # The last one in Glance's order.
            marker = {'marker': page[-1]['id']}
            for record in _newest_first(self._meant(page)):
                if (not record['is_public'] and
                        record.get('owner') != context.project_id):
                    yield record, False

    def _trusted(self, context: 'nova_context.RequestContext',
                 **filters: str) -> list[dict[str, Any]]:
        """Those of the project of Nova's own user, then the public ones."""
        own = [] if context.project_id is None else self._named(
            context, _OPERATORS_MAX, owner=context.project_id, **filters)
        public = self._named(
            context, _OPERATORS_MAX, is_public='true', **filters)
        own = [each for each in own
               if each.get('owner') == context.project_id]
        known = {each['id'] for each in own}
        return _newest_first(own) + _newest_first([
            each for each in public
            if each['is_public'] and each['id'] not in known])

    def _named(self, context: 'nova_context.RequestContext', limit: int,
               **filters: Any) -> list[dict[str, Any]]:
        """The newest active images of the name, as Glance sorts them."""
        return self._meant(self._page(context, limit, filters))

    def _page(self, context: 'nova_context.RequestContext', limit: int,
              filters: dict[str, Any], **marker: str) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = self._asked(
            self._api.get_all, context, limit=limit, filters={
                'name': self._image, 'status': 'active', **filters}, **marker)
        return page

    def _meant(self, page: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Glance may know filters that it does not heed."""
        return [record for record in page if record['status'] == 'active'
                and record['name'] == self._image]

    def _asked(self, function: Callable[..., Any], *arguments: Any,
               **keywords: Any) -> Any:
        return limited.glance(
            limited.ANSWER_S, f'[dmore] image: {self._image!r}', function,
            *arguments, **keywords)

    def _silent(self, error: Exception) -> exception.ImageError:
        kind = (exception.GlanceAwayError if service_errors.is_away(error)
                else exception.ImageError)
        return kind(
            f'[dmore] image: {self._image!r}: Glance says: {error}')


def _newest_first(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same order in each call and on each host."""
    return sorted(records, reverse=True, key=lambda record: (
        str(record.get('created_at')), record['id']))


class _TooLongError(Exception):
    """More bytes come than may."""


class _Sink:
    """What Nova's client of Glance writes to.

    :ivar size: bytes that came.
    :ivar error: of the file, which is no fault of Glance's.
    """

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.error: OSError | None = None
        self._file = file
        self._sha256 = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        if self.size > self.limit:
            raise _TooLongError
        self._sha256.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            self.error = error
            raise

    def truncate(self, size: int) -> None:
        """Called where the signature is wrong; nothing of it is used."""

    def digest(self) -> str:
        """The digest of what came."""
        return self._sha256.hexdigest()
