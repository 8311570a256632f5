# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Messages between a keeper and its worker."""

import json
import os
import socket

from fuzzlib import oracle, reader as reader_module
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
