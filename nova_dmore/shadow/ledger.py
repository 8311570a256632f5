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
"""What a serial device has to remember when its worker is killed.

A page of memory that the keeper owns: words that each change with one
machine access. A new worker compares it with the journal and with the
socket, whose content the kernel kept.
"""

import enum

LEDGER_SIZE = 4096

_W_IN_STEP, _W_IN_OFFSET = 0, 1
_W_OUT_STEP, _W_OUT_OFFSET, _W_OUT_COUNT, _W_OUT_QUEUED = 8, 9, 10, 11
_W_CONNECTION = 16
_W_DROPPED = 17


class Sending(enum.IntEnum):
    """How far the byte of input at ``in_offset`` is."""

    IDLE = 0
    BEFORE = 1      # it is about to be written to the socket
    AFTER = 2       # it was written; the device has read it, or not


class Reading(enum.IntEnum):
    """What became of the ``out_count`` bytes at the head of the socket."""

    IDLE = 0
    #: They were, or were about to be, produced at ``out_offset``, and then
    #: read from the socket.
    PRODUCED = 1
    #: They were produced and must stay in the socket: see ``SerialDevice``.
    KEPT = 2


class Ledger:
    """The words of one serial device.

    :param buffer: LEDGER_SIZE writable bytes, zero at first.
    """

    def __init__(self, buffer):
        self._words = memoryview(buffer).cast('B').cast('Q')

    def close(self):
        """Give the buffer up, so that its mmap can be closed."""
        self._words.release()

    @property
    def connection(self):
        """Number of the connection that the rest speaks of; 0: none."""
        return self._words[_W_CONNECTION]

    def set_connection(self, number):
        """Begin with a connection, of which nothing is known yet."""
        self._words[_W_IN_STEP] = Sending.IDLE
        self._words[_W_OUT_STEP] = Reading.IDLE
        self._words[_W_CONNECTION] = number

    @property
    def dropped(self):
        """Bytes of output dropped and not reported yet."""
        return self._words[_W_DROPPED]

    @dropped.setter
    def dropped(self, count):
        self._words[_W_DROPPED] = count

    @property
    def sending(self):
        """A :class:`Sending`."""
        return Sending(self._words[_W_IN_STEP])

    @property
    def in_offset(self):
        """Offset of the byte that ``sending`` speaks of."""
        return self._words[_W_IN_OFFSET]

    def set_sending(self, step, offset):
        """Record a step of the byte at ``offset``."""
        self._words[_W_IN_OFFSET] = offset
        self._words[_W_IN_STEP] = step

    @property
    def reading(self):
        """A :class:`Reading`."""
        return Reading(self._words[_W_OUT_STEP])

    @property
    def out_offset(self):
        """Offset in the stream of the first byte ``reading`` speaks of."""
        return self._words[_W_OUT_OFFSET]

    @property
    def out_count(self):
        """How many bytes ``reading`` speaks of."""
        return self._words[_W_OUT_COUNT]

    @out_count.setter
    def out_count(self, count):
        self._words[_W_OUT_COUNT] = count

    @property
    def out_queued(self):
        """How many bytes were in the socket then."""
        return self._words[_W_OUT_QUEUED]

    def set_reading(self, step, offset, count, queued):
        """Record that bytes are produced before they are read."""
        words = self._words
        words[_W_OUT_STEP] = Reading.IDLE
        words[_W_OUT_OFFSET] = offset
        words[_W_OUT_COUNT] = count
        words[_W_OUT_QUEUED] = queued
        words[_W_OUT_STEP] = step

    def end_reading(self):
        """Nothing is at the head of the socket that was produced."""
        self._words[_W_OUT_STEP] = Reading.IDLE
