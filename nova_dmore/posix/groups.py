# SPDX-License-Identifier: Apache-2.0
"""Groups of users, as options name them."""

import grp


def group_id(group: str | int | None) -> int | None:
    """-> the id of a group given as name or number, or None.

    :raises KeyError: there is none of that name.
    """
    if group is None:
        return None
    name = str(group)
    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
