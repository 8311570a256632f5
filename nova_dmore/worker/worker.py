# SPDX-License-Identifier: Apache-2.0
"""The worker of a pair, as a process.

The host service forks it for a keeper, which hands it all that it holds.
"""

import argparse
import asyncio
import os
import signal
import socket

from nova_dmore.link import messages
from nova_dmore.posix import crash
from nova_dmore.posix import log
from nova_dmore.posix import privileges
from nova_dmore.posix import seccomp
from nova_dmore.worker import confinement
from nova_dmore.worker import pair


async def _serve(link: socket.socket, start: messages.Message,
                 descriptors: list[int]) -> None:
    loop = asyncio.get_running_loop()
    crash.install(loop)
    this = pair.Pair(loop, link, start, descriptors)
    ended = loop.create_future()

    def on_link() -> None:
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


def run(descriptor: int, instance: str, debug: bool,
        parent: int | None = None) -> None:
    """Be the worker, in a process that does nothing else.

    :param descriptor: the worker's end of :func:`messages.pair`.
    :param instance: whose it is; stands in each line of the log.
    :param debug: whether to log what is of interest to developers.
    :param parent: id of the process whose end ends this one, if there is one.
    :raises SystemExit: there is no keeper, or none that it can serve, or it
        cannot be confined.
    """
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
        # Or the runner would have a handler for it, which it then may not.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        runner = asyncio.Runner()
        runner.get_loop()       # has a descriptor, and two sockets
        try:
            confinement.confine()
        except seccomp.Unavailable as e:
            raise SystemExit(
                f'The worker cannot be confined, and ends: {e}')
        runner.run(_serve(link, start, descriptors))


def main() -> None:
    """Process entry: started by a keeper of 0.2, which knew no host service.
    """
    keeper = os.getppid()
    parser = argparse.ArgumentParser()
    parser.add_argument('--link', type=int, required=True)
    parser.add_argument('--debug', action='store_true')
    args = parser.parse_args()
    run(args.link, '', args.debug, keeper)


if __name__ == '__main__':
    main()
