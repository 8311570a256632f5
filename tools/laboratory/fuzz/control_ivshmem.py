# SPDX-License-Identifier: Apache-2.0
"""The ivshmem server, with a hostile QEMU of Domain R."""

import os
import socket

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import errors
from nova_dmore.channel.host import ivshmem

SEEDS = [bytes(range(64)), b'\x00\x05\x01\x00\x05\x02', b'\x03\x03\x00\x01']


def run(data: bytes) -> None:
    """QEMU hangs up, sends, does not read, comes again."""
    reader = reader_module.Reader(data)
    # Any descriptor will do: what is passed is not looked at.
    with socket.socket() as passed:
        server = ivshmem.IvshmemServer(
            passed.fileno(), [passed.fileno()] * 4, [passed.fileno()] * 4)
        peers = []
        try:
            for _ in reader.steps(12):
                _step(reader, server, peers)
        finally:
            server.disconnected()
            for peer in peers:
                peer.close()


def _step(reader, server, peers) -> None:
    kind = reader.byte() % 6
    if kind < 2:
        ours, peer = socket.socketpair()
        peers.append(peer)
        if kind:
            peer.close()
        try:
            server.connected(ours)
        except errors.IvshmemError:
            oracle.check(server.connection is None and ours.fileno() < 0,
                         'a broken connection is kept')
            peer.close()
    elif kind == 2 and peers and peers[-1].fileno() >= 0:
        peers[-1].send(reader.take(1 + reader.byte()) or b'\0')
        oracle.check(server.readable(), 'a connection was given up')
    elif kind == 3 and peers:
        peers[-1].close()
    elif kind == 4 and peers and peers[-1].fileno() >= 0:
        _take(peers[-1], reader.byte() % 12)
    else:
        alive = bool(peers) and peers[-1].fileno() >= 0
        oracle.check(server.readable() or not alive,
                     'a connection was given up')


def _take(peer: socket.socket, count: int) -> None:
    """Read some messages of the greeting."""
    peer.setblocking(False)
    for _ in range(count):
        try:
            data, descriptors, _, _ = socket.recv_fds(peer, 8, 1)
        except BlockingIOError:
            return
        for descriptor in descriptors:
            os.close(descriptor)
        oracle.check(len(data) == 8, 'a message of %d bytes', len(data))
