# SPDX-License-Identifier: Apache-2.0
"""Whether a path leads to what others cannot exchange."""

import os
import pathlib
import stat

#: So many links of a path are followed, as the kernel does (path_resolution).
_LINKS_MAX = 40


class UnsafeError(Exception):
    """Another user can put something else at a path; says where, and what
    to do."""


def check(path: pathlib.Path) -> None:
    """Check every folder that a path leads through, and its end.

    Called by :mod:`nova_dmore.virt.images.image_store` before the path of an
    image goes into the XML of Domain R: what was read is what QEMU opens only
    if nobody else can exchange it. It may block.

    :param path: absolute.
    :raises UnsafeError: root and the user of this process are not the only
        ones who can write one of them.
    :raises OSError: one of them is not there.
    """
    todo = list(path.parts[1:])
    here = pathlib.Path(path.anchor)
    links = 0
    _check_one(here)
    while todo:
        here = here / todo.pop(0)
        if here.name == '..':
            here = here.parent.parent
        if not here.is_symlink():
            _check_one(here)
            continue
        links += 1
        if links > _LINKS_MAX:
            raise UnsafeError(f'{path} leads through too many links')
        # The mode of a symbolic link means nothing; who may exchange it is
        # said by that of its folder.
        target = pathlib.Path(os.readlink(here))
        here = pathlib.Path(target.anchor) if target.anchor else here.parent
        todo[:0] = target.parts[1:] if target.anchor else target.parts


def _check_one(path: pathlib.Path) -> None:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()):
        raise UnsafeError(
            f'{path} belongs to user {status.st_uid}; give it to root or to '
            'the user of nova-compute')
    # In a sticky folder nobody can exchange what is another's.
    if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
        raise UnsafeError(
            f'others can write {path}; set its mode to '
            f'{mode & ~(stat.S_IWGRP | stat.S_IWOTH):04o}')
