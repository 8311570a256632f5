# SPDX-License-Identifier: Apache-2.0
"""The worker of a pair, as a process.

The host service forks it for a keeper, which hands it all that it holds.
"""

import argparse
import os
import socket

from nova_dmore.link import messages
from nova_dmore.posix import crash
from nova_dmore.posix import locks
from nova_dmore.posix import log
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import privileges
from nova_dmore.posix import seccomp
from nova_dmore.worker import confinement
from nova_dmore.worker import pair


def _serve(loop: loop_module.Loop, link: socket.socket,
           start: messages.Message, descriptors: list[int]) -> None:
    """Be the worker until the keeper hangs up."""
    this = pair.Pair(loop, link, start, descriptors)
    is_linked = True

    def on_link() -> None:
        nonlocal is_linked
        while True:
            try:
                message, received = messages.receive(link)
            except BlockingIOError:
                return
            if message is None:
                is_linked = False
                return
            this.on_message(message, received)

    # What the last worker left unfinished is completed before the region is
    # polled: the keeper's first messages hand the connections over.
    on_link()
    this.start()
    loop.add_reader(link, on_link)
    while is_linked:
        loop.turn()


def run(descriptor: int, instance: str, debug: bool,
        folder: str | None = None, parent: int | None = None) -> None:
    """Be the worker, in a process that does nothing else.

    :param descriptor: the worker's end of :func:`messages.pair`.
    :param instance: whose it is; stands in each line of the log.
    :param debug: whether to log what is of interest to developers.
    :param folder: the keeper's own, by whose lock the host service knows it.
    :param parent: id of the process whose end ends this one, if there is one.
    :raises SystemExit: there is no keeper, or none that it can serve, or it
        cannot be confined.
    """
    log.set_up(f'worker {instance}'.rstrip(), debug)
    privileges.restrict()
    if folder is not None:
        locks.acquire_as_worker(folder)
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
        loop = loop_module.Loop()       # has a descriptor
        crash.install()
        try:
            confinement.confine()
        except seccomp.Unavailable as e:
            raise SystemExit(
                f'The worker cannot be confined, and ends: {e}')
        _serve(loop, link, start, descriptors)


def main() -> None:
    """Process entry: started by a keeper of 0.2, which knew no host service.
    """
    keeper = os.getppid()
    parser = argparse.ArgumentParser()
    parser.add_argument('--link', type=int, required=True)
    parser.add_argument('--debug', action='store_true')
    args = parser.parse_args()
    run(args.link, '', args.debug, parent=keeper)


if __name__ == '__main__':
    main()
