# SPDX-License-Identifier: Apache-2.0
"""Reads a file that nobody but this user can have written.

Runs in nova-compute and ``nova-dmore-manage``, for the records of the pairs,
and in the exporter, for what nova-compute has counted.
"""

import os
import stat


def read(path: str | os.PathLike[str], most: int) -> str:
    """-> its text.

    :param most: at most ``most`` + 1 characters are returned; a result that is
        longer than ``most`` means that the file is too large.
    :raises OSError: it cannot be read, or is a symbolic link.
    :raises ValueError: it is another's, no plain file, or no text.
    """
    # A FIFO would hold the reader up.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                         | os.O_CLOEXEC)
    with open(descriptor, encoding='utf-8') as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError('it is no plain file')
        if (status.st_uid not in (0, os.geteuid()) or
                status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            raise ValueError('another user could write it')
        return file.read(most + 1)
