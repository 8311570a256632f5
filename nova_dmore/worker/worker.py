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


def main():
    """Process entry; see :mod:`nova_dmore.keeper.keeper`."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--link', type=int, required=True)
    parser.add_argument('--debug', action='store_true')
    args = parser.parse_args()
    log.set_up('worker', args.debug)
    keeper = os.getppid()
    privileges.restrict()
    link = socket.socket(fileno=args.link)
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
    privileges.die_with(keeper)
    asyncio.run(_run(link, start, descriptors))


if __name__ == '__main__':
    main()
