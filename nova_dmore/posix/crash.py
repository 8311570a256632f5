# SPDX-License-Identifier: Apache-2.0
"""The processes of a pair, the host service and the recorder are crash-only:
none goes on half-changed."""

import logging
import os
import sys
import threading

LOG = logging.getLogger(__name__)


def install() -> None:
    """Have whatever nobody expected end the process, wherever it is raised.

    Called by keeper and worker before their loop runs, and by
    ``nova-dmore-hostd`` and ``nova-dmore-recorder`` when they begin. The loop
    does not catch what a callback raises: it ends the process. A worker's
    successor goes on from what is kept, after a pause that grows
    (:mod:`nova_dmore.keeper.worker_process`); nova-compute makes a pair anew
    whose keeper ends, likewise. The other two are started again by systemd,
    and go on from what they find.
    """
    threading.excepthook = lambda raised: _end('a thread', raised.exc_value)
    # An exception that leaves the loop ends the process anyway, but Python
    # would print it without the limits and the escapes of the log.
    sys.excepthook = lambda kind, raised, trace: _end(
        'the main thread', raised)
    sys.unraisablehook = lambda raised: _end('a finalizer', raised.exc_value)


def _end(where: str, raised: BaseException | None) -> None:
    LOG.critical('This was not expected in %s: the process ends', where,
                 exc_info=raised)
    logging.shutdown()
    os._exit(1)
