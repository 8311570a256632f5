# SPDX-License-Identifier: Apache-2.0
"""What the state machine of a pair asks its worker to do.

The machine (:mod:`nova_dmore.worker.state_machine`) returns actions, and
:mod:`nova_dmore.worker.pair` performs them.
"""

import enum


class Action(enum.Enum):
    """What the worker has to do."""

    #: Raise the epoch; this host's own positions stand.
    OPEN_AS_HOST = 'open as host'
    #: Raise the epoch with what the source carried over.
    OPEN_CARRIED = 'open carried'
    #: Raise the epoch; Domain R froze at the source, its positions stand.
    OPEN_AS_DOMAIN_R = 'open as Domain R'
    #: The same, but what the source still had is lost: report it.
    OPEN_UNKNOWN = 'open unknown'
    #: The instance stopped for a migration: count input and output,
    #: publish, and ask Domain R to freeze.
    STOP = 'stop'
    #: The freeze is over, acknowledged or not: make the carry-over.
    CARRY = 'carry'
    #: The migration came to nothing: read the device on.
    THAW = 'thaw'
    #: No Domain R is there: stop waiting for one to take output.
    CLOSE = 'close'
    #: Domain R ended; what it alone had is lost: report it.
    DOMAIN_R_LOST = 'domain r lost'
