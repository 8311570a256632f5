# SPDX-License-Identifier: Apache-2.0
"""The worker of a pair, as a process.

Started by the keeper only, which hands it all that it holds.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys

from nova_dmore.link import messages
from nova_dmore.posix import crash
from nova_dmore.posix import log
from nova_dmore.posix import privileges
from nova_dmore.posix import seccomp
from nova_dmore.worker import confinement
from nova_dmore.worker import pair

LOG = logging.getLogger(__name__)


async def _serve(link, start, descriptors):
    loop = asyncio.get_running_loop()
    crash.install(loop)
    this = pair.Pair(loop, link, start, descriptors)
    ended = loop.create_future()

    def on_link():
        while True:
            try:
                message, received = messages.receive(link)
            except BlockingIOError:
                return
            if message is None:
                loop.remove_reader(link)
                ended.set_result(None)
                return
            this.on_message(message, received)

    loop.add_reader(link, on_link)
    # What the last worker left unfinished is settled before the region is
    # looked at: the keeper's first messages hand the connections over.
    on_link()
    this.start()
    await ended


def run(link, instance, debug, parent=None):
    """Be the worker, in a process that does nothing else; never returns.

    The process may be a fork of one that holds much: whatever else is open is
    closed, and no frame of the caller's is left or cleaned up.

    :param link: descriptor of the worker's end of :func:`messages.pair`.
    :param instance: whose it is; stands in each line of the log.
    :param debug: whether to log what is of interest to developers.
    :param parent: id of the process whose end ends this one, if there is one.
    """
    code = 1
    try:
        _run(link, instance, debug, parent)
        code = 0
    except SystemExit as e:
        LOG.error('%s', e)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        logging.shutdown()
        os._exit(code)


def _run(descriptor, instance, debug, parent):
    _leave_caller_behind(descriptor)
    log.set_up(f'worker {instance}'.rstrip(), debug)
    privileges.restrict()
    with socket.socket(fileno=descriptor) as link:
        link.setblocking(True)
        start, descriptors = messages.receive(link)
        if start is None:
            raise SystemExit('the keeper is gone')
        if start.get('version') != messages.VERSION:
            # It was started before an upgrade. nova-compute sees that nobody
            # answers, and makes the pair anew.
            raise SystemExit('the keeper is of another version')
        link.setblocking(False)
        privileges.become_nobody()
        if parent is not None:
            privileges.die_with(parent)
        runner = asyncio.Runner()
        runner.get_loop()       # has a descriptor, and two sockets
        try:
            confinement.confine()
        except seccomp.Unavailable as e:
            raise SystemExit(
                f'The worker cannot be confined, and ends: {e}')
        runner.run(_serve(link, start, descriptors))


def _leave_caller_behind(link):
    """Have no descriptor but the link and the log, and no signal handler."""
    # What the caller has is never cleaned up: it would close descriptors
    # that are others' by then.
    gc.freeze()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM,
                   signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1):
        os.dup2(nothing, standard)
    os.closerange(3, link)
    os.closerange(link + 1, os.sysconf('SC_OPEN_MAX'))


def main():
    """Process entry; see :mod:`nova_dmore.keeper.keeper`."""
    keeper = os.getppid()
    parser = argparse.ArgumentParser()
    parser.add_argument('--link', type=int, required=True)
    parser.add_argument('--debug', action='store_true')
    args = parser.parse_args()
    run(args.link, '', args.debug, keeper)


if __name__ == '__main__':
    main()
