# SPDX-License-Identifier: Apache-2.0
"""Remembers which image Glance named last, and when it did not answer.

A host that has been booted while Glance is away has the image, and pairs to
make of it.
"""

import json
import os
import pathlib
import time

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt import limited
from nova_dmore.virt.images import image_source

LOG = logging.getLogger(__name__)

#: A Glance that did not answer at all is not asked again for so long, in
#: seconds: when nova-compute starts, each instance would wait for it.
_SILENT_S = 60.0


class LastImage:
    """In a file, which outlives nova-compute.

    :param path: of the file.
    :param image: name or id in Glance (``[dmore] image``).
    """

    def __init__(self, path: pathlib.Path, image: str) -> None:
        self._path = path
        self._image = image

    def digest(self) -> str | None:
        """The one that Glance named last for this image; None: not known."""
        try:
            said = json.loads(self._path.read_bytes())
            digest = said['digest'] if said['image'] == self._image else ''
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (digest if isinstance(digest, str)
                and image_source.DIGEST.fullmatch(digest) else None)

    def note(self, digest: str) -> None:
        """Glance has named this one. Called for each pair that is made; what
        cannot be written is logged."""
        if digest == self.digest():
            return
        written = self._path.with_name(self._path.name + '.new')
        try:
            written.write_text(json.dumps(
                {'image': self._image, 'digest': digest}))
            os.replace(written, self._path)
        except OSError as error:
            LOG.warning('The image of Domain R is not known when Glance is '
                        'away: %s', text.printable(error))


class Silence:
    """The silence of a Glance that does not answer."""

    def __init__(self) -> None:
        self._until = 0.0
        self._error = ''

    def check(self) -> None:
        """Called before Glance is asked.

        :raises nova_dmore.exception.GlanceAwayError: it did not answer just
            now, which took long.
        """
        if time.monotonic() < self._until:
            raise exception.GlanceAwayError(self._error)

    def note(self, error: exception.GlanceAwayError, took_s: float) -> None:
        """It was away.

        :param took_s: how long it was waited for, in seconds.
        """
        if took_s >= limited.ANSWER_S / 2:
            self._until = time.monotonic() + _SILENT_S
            self._error = str(error)
