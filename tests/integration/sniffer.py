# SPDX-License-Identifier: Apache-2.0
"""What goes over the cloud's own network, as somebody between the hosts sees
it."""

import contextlib
import ctypes
import ipaddress
import socket
import struct

from tests.integration import watcher

#: Where libvirt has QEMU listen for migrations, unless configured otherwise.
MIGRATIONS = range(49152, 49216)
#: How a migration begins in the clear, and a handshake of TLS.
PLAIN = b'QEVM'
TLS = b'\x16\x03'

_ETH_P_ALL = 3
_ETHERNET = 14
_IPV4 = b'\x08\x00'
_TCP = 6
_SYN, _ACK = 0x02, 0x10
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_BUFFER = 16 << 20
#: What Python takes of a flood of memory: segments to these ports that open a
#: connection, or begin as one of these does; classic BPF, as in
#: linux/filter.h: code, jump if true, if false, operand.
_FILTER = (
    (0x28, 0, 0, 12), (0x15, 0, 19, 0x0800),        # IPv4
    (0x30, 0, 0, 23), (0x15, 0, 17, _TCP),
    (0x28, 0, 0, 20), (0x45, 15, 0, 0x1fff),        # no fragment
    (0xb1, 0, 0, 14),                               # x = length of its header
    (0x48, 0, 0, 16), (0x35, 0, 12, MIGRATIONS.start),
    (0x35, 11, 0, MIGRATIONS.stop),
    (0x50, 0, 0, 27), (0x45, 10, 0, _SYN),
    (0x50, 0, 0, 26), (0x74, 0, 0, 4), (0x64, 0, 0, 2),
    (0x0c, 0, 0, 0), (0x07, 0, 0, 0),               # x += length of TCP's
    (0x40, 0, 0, 14), (0x15, 3, 0, int.from_bytes(PLAIN, 'big')),
    (0x48, 0, 0, 14), (0x15, 1, 0, int.from_bytes(TLS, 'big')),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0x40000))
#: Headers, and the first bytes of what is sent.
_SEEN = 160
_POLL_S = 0.2


class Sniffer(watcher.Watcher):
    """Notes how each connection to a port of migrations begins.

    :ivar begins: the first bytes, by source address and port and destination
        address and port
    :ivar opened: those connections, also such as begin otherwise
    """

    def __init__(self):
        super().__init__('sniffer')
        self.begins: dict[tuple[str, int, str, int], bytes] = {}
        self.opened: set[tuple[str, int, str, int]] = set()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                     socket.htons(_ETH_P_ALL))
        self._attach_filter()
        self._socket.settimeout(_POLL_S)

    def __exit__(self, *error):
        super().__exit__(*error)
        self._socket.close()

    def _attach_filter(self):
        program = b''.join(struct.pack('=HBBI', *each) for each in _FILTER)
        kept = ctypes.create_string_buffer(program)
        self._socket.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack(
                '@HP', len(_FILTER), ctypes.addressof(kept)))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)

    def run(self):
        while not self.ended.is_set():
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(_SEEN))

    def _take(self, frame):
        packet = frame[_ETHERNET:]
        if frame[_ETHERNET - 2:_ETHERNET] != _IPV4 or packet[9] != _TCP:
            return
        segment = packet[(packet[0] & 15) * 4:]
        source, destination = struct.unpack_from('>HH', segment)
        if destination not in MIGRATIONS:
            return
        connection = (str(ipaddress.ip_address(packet[12:16])), source,
                      str(ipaddress.ip_address(packet[16:20])), destination)
        if segment[13] & (_SYN | _ACK) == _SYN:
            self.opened.add(connection)
        payload = segment[(segment[12] >> 4) * 4:]
        # A client of another service may have got one of these ports, too.
        if payload and connection in self.opened:
            self.begins.setdefault(connection, payload)
