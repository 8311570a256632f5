# SPDX-License-Identifier: Apache-2.0
"""Both processes of a pair are crash-only: none goes on half-changed."""

import asyncio
import logging
import os
import sys
import threading
from typing import Any

LOG = logging.getLogger(__name__)


def install(loop: asyncio.AbstractEventLoop | None = None) -> None:
    """Have whatever nobody expected end the process, wherever it is raised.

    Called by keeper and worker before their loop runs. A worker's successor
    goes on from what is kept, after a pause that grows
    (:mod:`nova_dmore.keeper.worker_process`); nova-compute makes a pair anew
    whose keeper ends, likewise.

    :param loop: asyncio's, which would log and go on.
    """
    if loop is not None:
        loop.set_exception_handler(end_process)
    threading.excepthook = lambda raised: _end('a thread', raised.exc_value)
    # An exception that leaves the loop ends the process anyway, but Python
    # would print it without the limits and the escapes of the log.
    sys.excepthook = lambda kind, raised, trace: _end(
        'the main thread', raised)
    sys.unraisablehook = lambda raised: _end('a finalizer', raised.exc_value)


def end_process(loop: asyncio.AbstractEventLoop,
                context: dict[str, Any]) -> None:
    """Exception handler of an asyncio loop, which would log and go on."""
    loop.default_exception_handler(context)
    _end('the event loop')


def watch(task: asyncio.Task[Any]) -> None:
    """Have a task whose result nobody awaits end the process if it fails.

    asyncio itself says so only when the task is garbage-collected.
    """
    task.add_done_callback(_done)


def _done(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        task.get_loop().call_exception_handler({
            'message': 'A task failed', 'exception': task.exception(),
            'task': task})


def _end(where: str, raised: BaseException | None = None) -> None:
    LOG.critical('This was not expected in %s: the process ends', where,
                 exc_info=raised)
    logging.shutdown()
    os._exit(1)
