# SPDX-License-Identifier: Apache-2.0
"""How many clients the Domain R of a pair has."""

from nova_dmore import wire

#: A Domain R takes fewer clients of each; more are not believed.
_CLIENTS_MAX = 10000


def of(status: wire.Status) -> dict[str, int] | None:
    """How many clients each server has, as Domain R says, which may lie.

    :returns: None: it has said nothing yet, or nothing that can be so.
    """
    if not isinstance(status.serving, dict):
        return None
    counts = {name: status.serving.get(name, 0)
              for name in wire.SESSION_SERVERS}
    if not all(type(count) is int and 0 <= count <= _CLIENTS_MAX
               for count in counts.values()):
        return None
    return counts
