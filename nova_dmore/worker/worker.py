# SPDX-License-Identifier: Apache-2.0
"""The worker of a pair, as a process.

Started by the keeper only, which hands it all that it holds.
"""

import argparse
import asyncio
import os
import socket

from nova_dmore.link import messages
from nova_dmore.posix import crash
from nova_dmore.posix import log
from nova_dmore.posix import privileges
from nova_dmore.worker import pair


async def _run(link, start, descriptors):
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


def run(link, instance, debug):
    """The life of a worker, in a process of its own.

    :param link: descriptor of its end of :func:`messages.pair`.
    :raises SystemExit: there is no keeper, or none that it can serve.
    """
    log.set_up(f'worker {instance}', debug)
    privileges.restrict()
    with socket.socket(fileno=link) as sock:
        sock.setblocking(True)
        start, descriptors = messages.receive(sock)
        if start is None:
            raise SystemExit('the keeper is gone')
        if start.get('version') != messages.VERSION:
            # It was started before an upgrade. nova-compute sees that nobody
            # answers, and makes the pair anew.
            raise SystemExit('the keeper is of another version')
        sock.setblocking(False)
        privileges.become_nobody()
        asyncio.run(_run(sock, start, descriptors))


def main():
    """Process entry: started by a keeper of 0.2, which had no host service.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument('--link', type=int, required=True)
    parser.add_argument('--debug', action='store_true')
    args = parser.parse_args()
    run(args.link, '', args.debug)


if __name__ == '__main__':
    main()
