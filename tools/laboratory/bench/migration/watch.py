# SPDX-License-Identifier: Apache-2.0
"""Looks at both hosts' QEMUs and at what comes from Domain R, all the time."""

import collections
import contextlib
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator

from laboratory.bench.migration import stops
from laboratory.bench.migration.stops import Event, Stop
from laboratory.cloud import machines
from laboratory.testbed import settings

#: The controller's end of the operator's network.
_DEVICE = 'br-data'
_ETHERTYPE_IPV4 = 0x0800
_PACKET_SIZE = 2048
_SO_TIMESTAMPNS = 35
_TIME = struct.Struct('qq')
#: Linux counts milliseconds in the time stamps of its TCP segments.
_TICK_S = 0.001
#: So many segments of a connection are remembered.
_TICKS = 4096


class Machines(contextlib.ExitStack):
    """What QEMU says on each host, while the context lasts."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._events: list[Event] = []
        for host in settings.COMPUTES:
            process = subprocess.Popen(
                machines.virsh(host, 'qemu-monitor-event', '--loop'),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            self.callback(process.wait)
            self.callback(process.terminate)
            threading.Thread(target=self._read, args=(host, process.stdout),
                             daemon=True).start()

    def _read(self, host: str, lines: Iterator[str]) -> None:
        for line in lines:
            if event := stops.event(host, line):
                with self._lock:
                    self._events.append(event)

    def forget(self) -> None:
        """What was until now."""
        with self._lock:
            self._events.clear()

    def stop(self, domain: str, source: str, destination: str
             ) -> Stop | None:
        """When a domain that has moved stood still."""
        with self._lock:
            events = list(self._events)
        return stops.of_migration(events, domain, source, destination)


class TcpClocks:
    """The clocks of what sends TCP segments to the controller."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticks: dict[tuple, collections.deque] = collections.defaultdict(
            lambda: collections.deque(maxlen=_TICKS))
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((_DEVICE, _ETHERTYPE_IPV4))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            packet, ancillary, _, _ = self._socket.recvmsg(
                _PACKET_SIZE, socket.CMSG_SPACE(_TIME.size))
            found = stops.timestamp(packet)
            if found is None or not ancillary:
                continue
            seconds, nanoseconds = _TIME.unpack(ancillary[0][2])
            with self._lock:
                self._ticks[found[0]].append(
                    (found[1] * _TICK_S, seconds + nanoseconds * 1e-9))

    def stop_ms(self, address: str, stop: Stop) -> float | None:
        """For how long the clock at an address stood still.

        Of several connections, what the one says that was delayed least.
        """
        with self._lock:
            ticks = [list(each) for (source, *_), each in self._ticks.items()
                     if source == address]
        found = [value for each in ticks if (
            value := stops.clock_stop_ms(each, stop)) is not None]
        return min(found, default=None)
