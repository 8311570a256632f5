# SPDX-License-Identifier: Apache-2.0
"""Keeps Domain R images unpacked on the host, as QEMU opens them.

QEMU's user can read them and nothing more: files and folders belong to
nova-compute, nobody else can write them, and the XML of Domain R forbids
libvirt to give them to QEMU's user (:mod:`nova_dmore.virt.pair.xml`). An image
is verified whenever a Domain R is to be started from it: about 0.1 s for the
45 MB that one has. (fs-verity would do it as exactly for nothing, but few file
systems have it.) Since nobody else can write it, what was verified is what
QEMU opens.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from collections.abc import Collection
from typing import TYPE_CHECKING

from oslo_log import log as logging
from oslo_utils import uuidutils

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt.images import fetches
from nova_dmore.virt.images import image_source
from nova_dmore.virt.images import last_image
from nova_dmore.virt.images import safe_path
if TYPE_CHECKING:
    from nova import context as nova_context

LOG = logging.getLogger(__name__)

_CACHE_MODE = 0o755
_IMAGE_MODE = 0o555
#: An image is not removed for so long after somebody here has used it, in
#: seconds: the record of the pair that is made of it may not be written yet.
#: So it is with what is left of one that could not be unpacked or removed.
JUST_USED_S = 3600.0
#: How the names of these begin.
_SCRATCH = ('.fetch-', '.copied-', '.discarded-')
#: Which image Glance named last.
_LAST = '.last'


@dataclasses.dataclass(frozen=True)
class CachedImage:
    """An image that is on this host."""

    digest: str
    #: What it says of itself, None: it is damaged.
    version: str | None
    size: int
    #: When it was last taken for a Domain R, in seconds since 1970.
    used_at: float


class ImageStore:
    """The Domain R images of one host, by digest.

    :param image: name or id in Glance (``[dmore] image``).
    :param expected_digest: ``[dmore] image_digest``, or None.
    :param cache_dir: ``[dmore] image_cache_dir``.
    :param make_context: returns the context with which Glance is asked;
        :func:`nova_dmore.virt.images.credentials.service_context`.
    """

    def __init__(self, image: str, expected_digest: str | None, cache_dir: str,
                 make_context: 'Callable[[], nova_context.RequestContext]'
                 ) -> None:
        self._expected_digest = expected_digest
        self._cache_dir = pathlib.Path(cache_dir)
        self._source = image_source.ImageSource(image, make_context)
        self._last = last_image.LastImage(self._cache_dir / _LAST, image)
        self._silence = last_image.Silence()
        self._lock = threading.RLock()
        self._fetches = fetches.Fetches(self._fetch)

    def directory(self, digest: str) -> pathlib.Path:
        """Where the image of a digest is, or would be, unpacked."""
        return self._cache_dir / digest

    def current(self, or_last: bool = False) -> str:
        """The digest that new pairs use; its image is on this host then.

        Called when a pair is made, and when Domain Rs are renewed.

        :param or_last: if Glance is away, that of the last time will do.
        :raises nova_dmore.exception.ImageError: no such image, another
            digest than the configured one, or it cannot be fetched.
        """
        expected = self._expected_digest
        if expected is not None and self._is_good(expected):
            return expected
        try:
            if expected is None:
                return self._newest_here(or_last)
            return self._have(expected, True)
        except _NothingError as error:
            if expected is None:
                raise
            raise exception.ImageError(
                f'{error}; [dmore] image_digest is {expected}: upload the '
                'right image or change the option') from error

    def _newest_here(self, or_last: bool) -> str:
        began = time.monotonic()
        try:
            self._silence.check()
            digest = self._have(None, False)
        except exception.GlanceAwayError as error:
            self._silence.note(error, time.monotonic() - began)
            last = self._last.digest() if or_last else None
            if last is None or not self._is_good(last):
                raise
            LOG.warning('Domain R gets the image of the last time, %s: %s',
                        last, error)
            return last
        self._last.note(digest)
        return digest

    def ensure(self, digest: str) -> None:
        """Have the image of a running Domain R on this host.

        Called at a destination before anything moves, and when a pair is
        rebuilt.

        :raises nova_dmore.exception.ImageError: Glance has another image by
            now, or it cannot be fetched.
        """
        if not image_source.DIGEST.fullmatch(digest):
            raise exception.ImageError(
                f'{digest[:80]!a} is no digest of a Domain R image')
        if self._is_good(digest):
            return
        try:
            self._have(digest, digest == self._expected_digest)
        except _NothingError as error:
            raise exception.ImageError(
                f'the running Domain R was started from image {digest}: '
                f'{error}; or copy {self.directory(digest)} from the source '
                'host') from error

    def newest(self) -> str:
        """As :meth:`current`, but nothing is fetched: the image may turn out
        to be none.

        :raises nova_dmore.exception.ImageError: there is none in Glance.
        """
        if self._expected_digest is not None:
            return self._expected_digest
        reasons: list[str] = []
        for candidate in self._source.candidates(None, False, reasons):
            return candidate.digest
        raise self._source.nothing(reasons)

    def cached(self) -> list[CachedImage]:
        """The images that are on this host, the last used one first.

        :raises nova_dmore.exception.ImageError: they cannot be read.
        """
        try:
            return sorted(
                (self._describe(path) for path in self._in_cache()
                 if image_source.DIGEST.fullmatch(path.name)),
                key=lambda image: image.used_at, reverse=True)
        except OSError as error:
            raise self._no_cache(error) from error

    def prune(self, used: Collection[str]) -> list[str]:
        """Remove the images that nobody needs.

        Called when Domain Rs were renewed, now and then, and by
        ``nova-dmore-manage image prune``. A QEMU that has one open keeps what
        it has.

        :param used: digests of the pairs of this host.
        :returns: the digests of those that were removed.
        :raises nova_dmore.exception.ImageError: they cannot be read.
        """
        with self._lock:
            removed = [
                image.digest for image in self.cached()
                if image.digest not in used
                and image.digest != self._expected_digest
                and not _is_just_used(image.used_at)]
            try:
                for digest in removed:
                    self._discard(self.directory(digest))
                for path in self._in_cache():
                    if path.name.startswith(_SCRATCH) and (
                            not _is_just_used(path.lstat().st_mtime)):
                        _remove(path)
            except OSError as error:
                raise self._no_cache(error) from error
        return removed

    def _in_cache(self) -> list[pathlib.Path]:
        try:
            return list(self._cache_dir.iterdir())
        except FileNotFoundError:
            return []       # nothing was fetched yet

    @staticmethod
    def _describe(path: pathlib.Path) -> CachedImage:
        version = None
        with contextlib.suppress(exception.ImageError):
            version = image_file.read_manifest(path).version
        return CachedImage(path.name, version, sum(
            each.lstat().st_size for each in path.iterdir()),
            path.stat().st_mtime)

    def manifest(self, digest: str) -> image_file.Manifest:
        """What the image of a digest says about itself.

        :raises nova_dmore.exception.ImageError: it is damaged.
        """
        return image_file.read_manifest(self.directory(digest))

    def _is_good(self, digest: str) -> bool:
        """Whether an image is here, and as it was unpacked.

        :raises nova_dmore.exception.ImageError: others could write it.
        """
        directory = self.directory(digest)
        if not directory.exists():
            return False
        self._check_cache()
        try:
            safe_path.check(directory)
            try:
                image_file.load(directory)
            except image_file.OwnerError:
                self._take_back(directory)
            os.utime(directory)     # it is used: prune() leaves it
        except (exception.ImageError, safe_path.UnsafeError,
                OSError) as error:
            LOG.warning('The image of Domain R in %s is not used: %s',
                        directory, error)
            return False
        return True

    def _take_back(self, directory: pathlib.Path) -> None:
        """Have an image of our own in place of one whose members libvirt has
        given to QEMU's user, as it did for a version before this one. Glance
        may not have that image any more.

        :raises nova_dmore.exception.ImageError: it is not good otherwise.
        :raises OSError: it cannot be replaced.
        """
        with self._lock:
            try:
                image_file.load(directory)
                return      # another thread was as quick
            except image_file.OwnerError as error:
                LOG.info('Copying the image of Domain R in %s: %s',
                         directory, error)
            copied = self._cache_dir / f'.copied-{uuidutils.generate_uuid()}'
            try:
                image_file.copy(directory, copied)
                self._discard(directory)
                copied.rename(directory)
            finally:
                shutil.rmtree(copied, ignore_errors=True)
            directory.chmod(_IMAGE_MODE)

    def _check_cache(self) -> None:
        try:
            self._close_cache()
            safe_path.check(self._cache_dir)
        except safe_path.UnsafeError as error:
            raise exception.ImageError(
                f'[dmore] image_cache_dir: {error}') from error
        except OSError as error:
            raise self._no_cache(error) from error

    def _close_cache(self) -> None:
        """Let nobody else write a cache of ours, as the umask of a version
        before this one left it. What is in it is verified all the same."""
        status = self._cache_dir.stat()
        if (stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
                and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            self._cache_dir.chmod(_CACHE_MODE)

    def _have(self, digest: str | None, of_all: bool) -> str:
        """Have the first image here that can be used.

        :param digest: that it must have, None: any.
        :param of_all: see :meth:`image_source.ImageSource.candidates`.
        :returns: its digest.
        :raises nova_dmore.exception.GlanceAwayError: there is one, and Glance
            does not give its bytes now.
        """
        reasons: list[str] = []
        away = False
        for candidate in self._source.candidates(digest, of_all, reasons):
            # Already here: of another pair.
            if digest is None and self._is_good(candidate.digest):
                return candidate.digest
            try:
                self._fetches.have(candidate)
            except image_source.RefusedError as error:
                reasons.append(self._source.refused(candidate, error))
                away = away or error.away
            else:
                return candidate.digest
        nothing = str(self._source.nothing(reasons))
        if away:
            raise exception.GlanceAwayError(nothing)
        raise _NothingError(nothing)

    def _fetch(self, candidate: image_source.Candidate) -> None:
        if self._is_good(candidate.digest):
            return      # another thread was as quick
        LOG.info('Fetching Domain R image %s (%s)', candidate.image_id,
                 candidate.digest)
        try:
            self._make_cache()
            with tempfile.NamedTemporaryFile(
                    dir=self._cache_dir, prefix='.fetch-') as scratch:
                # Without the lock: Glance may take long.
                self._source.download(candidate, scratch)
                with self._lock:
                    if not self._is_good(candidate.digest):
                        self._unpack(pathlib.Path(scratch.name),
                                     self.directory(candidate.digest))
        except OSError as error:
            raise self._no_cache(error) from error

    def _make_cache(self) -> None:
        self._cache_dir.mkdir(_CACHE_MODE, parents=True, exist_ok=True)
        self._check_cache()

    def _unpack(self, file: pathlib.Path, directory: pathlib.Path) -> None:
        self._discard(directory)
        try:
            image_file.unpack(file, directory)
        except exception.ImageError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__
            raise image_source.RefusedError(str(error)) from error
        directory.chmod(_IMAGE_MODE)

    def _discard(self, directory: pathlib.Path) -> None:
        """Remove an image that is not good; a QEMU that has it open keeps
        what it has."""
        if not directory.exists() and not directory.is_symlink():
            return
        # Under another name: it may be used no more even if it cannot be
        # removed.
        aside = self._cache_dir / f'.discarded-{uuidutils.generate_uuid()}'
        directory.rename(aside)
        _remove(aside)

    def _no_cache(self, error: OSError) -> exception.ImageError:
        return exception.ImageError(
            f'[dmore] image_cache_dir: {self._cache_dir}: {error.strerror}; '
            'nova-compute\'s user has to be able to write it, and it needs '
            'room for an image')


def _is_just_used(when: float) -> bool:
    return time.time() - when < JUST_USED_S


def _remove(path: pathlib.Path) -> None:
    """Remove what is used no more; what cannot be is tried again later."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            path.chmod(_CACHE_MODE)
        else:
            path.unlink()
    shutil.rmtree(path, ignore_errors=True)


class _NothingError(exception.ImageError):
    """No image in Glance can be used."""
