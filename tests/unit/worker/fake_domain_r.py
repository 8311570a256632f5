# SPDX-License-Identifier: Apache-2.0
"""A Domain R, as the keeper and the worker see it: its QEMU, and its guest."""

import ctypes
import mmap
import os
import select
import socket
import struct
import threading

from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore import wire
from tests.unit.keeper import fake_qmp
from tests.unit.worker.devices.display import viewer

OUT = wire.Stream.SERIAL0_OUT
IN = wire.Stream.SERIAL0_IN


class FakeDomainR:
    """Domain R's QEMU, and with ``boot`` the guest in it."""

    tells_that_it_is_loaded = True

    def __init__(self, where, status='running', boot=True, is_earlier=False,
                 large=False):
        kind, path = (
            (fake_qmp.ListeningFakeQmp,
             os.path.join(where.own, wire.DOMAIN_R_QMP_SOCKET))
            if is_earlier else
            (fake_qmp.FakeQmp, os.path.join(where.domain_r, wire.QMP_SOCKET)))
        self.qmp = kind(path, status, on_stop=self._halt_processors,
                        on_cont=self._may_run)
        self._is_loaded = status != 'inmigrate'
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(os.path.join(
            where.own if is_earlier else where.domain_r,
            wire.LARGE_IVSHMEM_SOCKET if large else wire.IVSHMEM_SOCKET))
        self._memfd, self.interrupts, self._doorbells = self._greeting()
        self.memory = mmap.mmap(
            self._memfd, os.fstat(self._memfd).st_size)
        self.end = None
        self._first = self      # where the guest started
        self._host = self       # of the first: whose doorbells it rings
        self.got = {stream: b'' for stream in wire.Stream}
        self.running = status == 'running'
        self.viewer = None
        self._lock = threading.Lock()
        self._closing = False
        self._thread = None
        if boot:
            self.boot()

    def _greeting(self):
        vectors = len(wire.Vector)
        values, descriptors = [], []
        for _ in range(3 + 2 * vectors):
            data, received, _, _ = socket.recv_fds(self._socket, 8, 1)
            values.append(struct.unpack('<q', data)[0])
            descriptors += received
        assert values == (
            [0, wire.DOMAIN_R_PEER, -1] + [wire.HOST_PEER] * vectors
            + [wire.DOMAIN_R_PEER] * vectors), values
        return (descriptors[0], descriptors[1 + vectors:],
                descriptors[1:1 + vectors])

    def boot(self, end=None):
        """Start the guest, or go on with one that arrived."""
        if end is None:
            self._area = region.Region(self.memory)
            end = domr_end.DomainREnd(self._area, self.ring)
        self.end = end
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ring(self, vector):
        os.eventfd_write(self._host._doorbells[vector], 1)

    def arrive_from(self, source, mangle=lambda memory: None):
        """The guest of ``source``, which stands still, is here from now on.

        Its memory and the region are copied, as QEMU does.

        :param mangle: changes the copy of the region.
        """
        source.halt()
        region_copy = bytearray(source.memory)
        mangle(region_copy)
        self.memory[:] = bytes(region_copy)
        # The guest's mapping now shows this host's region.
        _map_over(source.memory, self._memfd)
        self.memory, self.got, self._lock, self._area, self.viewer = (
            source.memory, source.got, source._lock, source._area,
            source.viewer)
        self._first = source._first
        self._first._host = self
        self._is_loaded = True
        self.qmp.status = 'paused'
        if self.tells_that_it_is_loaded:
            self.qmp.event('MIGRATION', data={'status': 'completed'})
        self.boot(source.end)

    def types(self, data):
        with self._lock:
            self.end.send(IN, data)
            if self.running:
                self.end.poll()

    def sends(self, *events):
        """Keys and pointer, see :mod:`channel.input_event`."""
        with self._lock:
            self.end.send(wire.Stream.INPUT0_IN,
                          b''.join(map(input_event.pack, events)))
            if self.running:
                self.end.poll()

    def views(self, on=True):
        """The display has a viewer -> the Viewer, or it has none."""
        with self._lock:
            if self.viewer is None:
                self.viewer = viewer.Viewer(self.end, self._area)
            self.viewer.display.set_viewers(int(on))
            return self.viewer

    def asks_for_size(self, width, height):
        """A viewer would have the picture of another size."""
        with self._lock:
            self.viewer.display.ask_size(width, height)
            self.ring(wire.Vector.DISPLAY)

    def says(self, message):
        with self._lock:
            self.end.send(wire.Stream.CONTROL_TO_HOST,
                          control.encode(message))
            self.end.poll()

    def pause_output(self, on):
        with self._lock:
            (self.end.pause if on else self.end.resume)(OUT)

    @property
    def output(self):
        return self.got[OUT]

    def messages(self, kind):
        found = control.LineCodec().feed(
            self.got[wire.Stream.CONTROL_TO_DOMAIN_R])
        return [each for each in found if each['type'] == kind]

    def _halt_processors(self):
        self.running = False

    def stop(self):
        """The virtual CPUs stand still."""
        self._halt_processors()
        self.qmp.event('STOP', 'paused')

    def resume(self):
        self.running = True
        self.qmp.event('RESUME', 'running')

    def _may_run(self):
        """QEMU is told ``cont``, which is for nothing while it loads the
        state of a Domain R that stood still."""
        if self._is_loaded and not self.running:
            self.resume()

    def _run(self):
        if os.geteuid() == 0:
            # It has a QEMU of its own in truth. On a busy machine this thread
            # would have its turn later than a host waits for the freeze.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        while not self._closing:
            ready, _, _ = select.select(self.interrupts, [], [], 0.02)
            for each in ready:
                os.eventfd_read(each)
            if self.running:
                self._poll()

    def _poll(self):
        with self._lock:
            for stream in self.end.poll().readable:
                self.got[stream] += self.end.received(stream)
            if (self.viewer is not None and
                    self.end.state is domr_end.DomainRState.OPEN):
                before = self.viewer.updates
                self.viewer.poll()
                if self.viewer.updates != before:
                    self.ring(wire.Vector.DISPLAY)

    def halt(self):
        self._closing = True
        if self._thread is not None:
            self._thread.join(5)

    def close(self):
        self.halt()
        self._socket.close()
        os.close(self._memfd)
        self.qmp.close()
        for each in (*self.interrupts, *self._doorbells):
            os.close(each)


def _map_over(memory, descriptor):
    """Replace what an mmap shows."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [
        ctypes.c_int] * 3 + [ctypes.c_long]
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    flags = mmap.MAP_SHARED | 0x10      # MAP_FIXED
    result = libc.mmap(address, len(memory),
                       mmap.PROT_READ | mmap.PROT_WRITE, flags,
                       descriptor, 0)
    assert result == address, ctypes.get_errno()
