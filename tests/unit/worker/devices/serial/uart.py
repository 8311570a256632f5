# SPDX-License-Identifier: Apache-2.0
"""A model of QEMU's serial port over two FIFOs, and of its migration.

What it does and when is that of ``serial_xmit``, ``serial_can_receive`` and
``serial_post_load`` (hw/char/serial.c), ``fd_chr_write`` (chardev/char-fd.c)
and ``migration_completion`` (migration/migration.c), 7.2 and 10.0.
"""

import os

from nova_dmore.posix import fifos

#: The UART's FIFO and its shift register.
TRANSMIT = 17
RECEIVE = 16


_MOST = 1 << 18

#: What the guest prints, and what is typed: the bytes of a long stream.
PRINTED = bytes((number * 7 + number // 251) % 256 for number in range(_MOST))
TYPED = bytes((number * 11 + number // 241) % 256 for number in range(_MOST))


class Guest:
    """What a guest has printed, and got; it moves with its memory."""

    def __init__(self):
        self.printed = 0
        self.got = []


class Qemu:
    """One QEMU, on one host.

    :param arrives: it waits for the state of another one.
    """

    def __init__(self, directory, guest, arrives=False):
        self._input, self._output = fifos.open_both(directory)
        self.guest = guest
        self.runs = not arrives
        self.waits_for_state = arrives
        self.transmit, self.receive = [], []
        self.stands_still = False       # the big lock is held
        self._events = []

    def close(self):
        os.close(self._input)
        os.close(self._output)

    # -- the guest's processor

    def prints(self, count):
        """The guest prints as long as its UART takes it."""
        while count and self.runs and len(self.transmit) < TRANSMIT:
            self.transmit.append(PRINTED[self.guest.printed])
            self.guest.printed += 1
            count -= 1
            # An empty shift register is written at once, by whoever fills it.
            if not self.stands_still:
                self._push()

    def reads(self, count):
        """The guest takes what it was sent."""
        if self.runs:
            self.guest.got += self.receive[:count]
            del self.receive[:count]

    # -- QEMU's main loop

    def main_loop(self):
        """One turn: what waited for room is written, what came is read."""
        if self.stands_still or self.waits_for_state:
            return
        self._push()
        room = RECEIVE - len(self.receive)
        if room:
            try:
                self.receive += os.read(self._input, room)
            except BlockingIOError:
                pass

    def _push(self):
        while self.transmit:
            try:
                os.write(self._output, bytes(self.transmit[:1]))
            except BlockingIOError:
                return
            del self.transmit[0]

    # -- its monitor

    def say(self, name):
        """An event can be read from the monitor from now on."""
        self._events.append(name)

    def heard(self):
        """-> what it has said since the last time."""
        events, self._events = self._events, []
        return events

    # -- a migration

    def stop(self):
        """The guest stands still, to be moved."""
        self.runs = False
        self.say('STOP')

    def save(self):
        """-> the state that is sent; the main loop stands still for it.

        It was told to by a command, which the main loop had to take.
        """
        self.main_loop()
        self.say('saving')
        self.stands_still = True
        return list(self.transmit), list(self.receive)

    def completed(self):
        """Everything was sent; the main loop goes on."""
        self.say('saved')
        self.stands_still = False

    def load(self, state):
        """Take the state of another QEMU; what waits for room is written,
        even before the guest runs."""
        self.transmit, self.receive = list(state[0]), list(state[1])
        self.waits_for_state = False
        self._push()

    def resume(self):
        """The guest runs, after a migration or one that was given up."""
        self.runs = True
        self.stands_still = False
        self.say('RESUME')
