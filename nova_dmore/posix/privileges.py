# SPDX-License-Identifier: Apache-2.0
"""Give up what a process does not need."""

import logging
import os
import resource
import signal

from nova_dmore.posix import libc

LOG = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

#: The ids of the user and the group ``nobody``, who own nothing.
_NOBODY = 65534


def restrict() -> None:
    """For keeper and worker: no new privileges, no core dumps.

    Their memory holds an SSH host key.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc.call('prctl', _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.call('prctl', _PR_SET_DUMPABLE, 0, 0, 0, 0)


def become_nobody() -> None:
    """For the worker, once it has its descriptors: own nothing.

    Only root can, and needs to; another user has no capabilities, and what it
    owns is kept from the worker in another way
    (:mod:`nova_dmore.worker.confinement`).
    """
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError as e:
        # In a user namespace that does not map it.
        LOG.warning('The worker keeps its user: %s', e)
    libc.call('prctl', _PR_SET_DUMPABLE, 0, 0, 0, 0)


def die_with(parent: int) -> None:
    """Be killed when the process ``parent`` ends, which started this one.

    A change of user undoes it.
    """
    libc.call('prctl', _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit('the keeper is gone')
