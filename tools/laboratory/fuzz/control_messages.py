# SPDX-License-Identifier: Apache-2.0
"""Messages between a keeper and its worker."""

import json
import os
import socket

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.link import messages

SEEDS = [b'\x00{"type":"count","output":null,"unread":3}', b'\x01',
         b'\x00[]', b'\x00' + b'[' * 800, b'\x02' + b'{"a":1}',
         b'\x03' + bytes(range(60))]


def run(data: bytes) -> None:
    """A peer sends one message of any bytes, with descriptors or without."""
    reader = reader_module.Reader(data)
    kind = reader.byte()
    keeper, worker = messages.pair()
    with keeper, worker, open(os.devnull, 'rb') as null:
        passed = [null.fileno()] * (kind >> 4)
        sent = reader.rest()
        if kind & 2:
            sent = sent[:1] * (len(sent) * 40)
        sent = sent[:messages.MESSAGE_MAX * 2]
        try:
            socket.send_fds(worker, [sent], passed)
        except OSError:
            return      # too long for the socket
        if kind & 1:
            worker.close()
        try:
            message, descriptors = messages.receive(keeper)
        except (BlockingIOError, ValueError):
            return
        for descriptor in descriptors:
            os.close(descriptor)
        oracle.check(message is None or isinstance(message, dict),
                     'a message %r', message)
        oracle.check(message is None or json.loads(sent) is not None,
                     'a message out of nothing')
