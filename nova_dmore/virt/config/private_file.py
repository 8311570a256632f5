# SPDX-License-Identifier: Apache-2.0
"""Reads files that options name and that others must not read."""

import os

from nova_dmore import exception


def read(option: str, path: str, limit: int, hint: str,
         forbidden: int = 0o077) -> bytes:
    """Read a file.

    :param option: its name in ``[dmore]``.
    :param limit: in bytes; what is longer is cut one byte after it.
    :param hint: what to do if it is not there.
    :param forbidden: mode bits that it must not have; 0 for a public file.
    :raises nova_dmore.exception.ConfigurationError: it cannot be read, or
        others may read it.
    """
    try:
        with open(path, 'rb') as private:
            mode = os.fstat(private.fileno()).st_mode
            content = private.read(limit + 1)
    except OSError as error:
        raise exception.ConfigurationError(
            f'[dmore] {option}: {path} cannot be read ({error.strerror}); '
            f'{hint}') from error
    if mode & forbidden:
        raise exception.ConfigurationError(
            f'[dmore] {option}: others may read or write {path}; set '
            f'its mode to {0o640 & ~forbidden:04o}')
    return content
