# SPDX-License-Identifier: Apache-2.0
"""A model of QEMU's serial port over two FIFOs, and of its migration.

What it does and when is that of ``serial_xmit``, ``serial_can_receive`` and
``serial_post_load`` (hw/char/serial.c), ``fd_chr_write`` (chardev/char-fd.c),
``migration_completion``, ``postcopy_start`` and ``migration_iteration_finish``
(migration/migration.c), 7.2 and 10.0.
"""

import enum
import os

from nova_dmore.link import messages
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


class Version(enum.Enum):
    """Whose migration is modelled."""

    OLD = '7.2'
    NEW = '10.0'


class Qemu:
    """One QEMU, on one host.

    :param now: tells the time.
    :param arrives: it waits for the state of another one.
    """

    def __init__(self, directory, guest, now, arrives=False):
        self._input, self._output = fifos.open_both(directory)
        self.guest = guest
        self.runs = not arrives
        self.waits_for_state = arrives
        self.transmit, self.receive = [], []
        self.stands_still = False       # the big lock is held
        self._now = now
        self._events = []               # (name, when)

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
        """An event can be read from the monitor from now on: QEMU writes it in
        the thread that does what it tells of."""
        self._events.append((name, self._now()))

    def heard(self):
        """-> what it has said since the last time, and when."""
        events, self._events = self._events, []
        return events

    def unheard_since(self, *names):
        """-> when it said one of these first, which nobody has heard yet."""
        return next((at for name, at in self._events if name in names), None)

    # -- a migration: these follow each other, and after each of them QEMU may
    # go back (``resume``), for it was told to, or something has failed. Those
    # who wait for a command or for the network let the main loop turn.

    def stop(self):
        """The guest stands still, to be moved, or for its user."""
        self.runs = False
        self.say('STOP')

    def announce(self, version, is_postcopy):
        """It goes on, by a command, which the main loop has to take.

        The old one says so before it takes the big lock to save its state
        (``migration_maybe_pause``): it may go back before it has.
        """
        self.main_loop()
        if version is Version.OLD:
            self.say(messages.SAVING_POSTCOPY if is_postcopy
                     else messages.SAVING)

    def save(self, version, is_postcopy):
        """-> the state that is sent; the main loop stands still for it."""
        if version is Version.NEW:
            self.say(messages.SAVING)
        self.stands_still = True
        state = list(self.transmit), list(self.receive)
        if version is Version.NEW and is_postcopy:
            self.say(messages.SAVING_POSTCOPY)
        return state

    def unlock(self):
        """The main loop goes on: the destination has yet to say that it has
        everything."""
        self.stands_still = False

    def complete(self):
        """Everything was sent."""
        self.say(messages.SAVED)

    def load(self, state):
        """Take the state of another QEMU; what waits for room is written,
        even before the guest runs."""
        self.transmit, self.receive = list(state[0]), list(state[1])
        self.waits_for_state = False
        self._push()

    def resume(self):
        """The guest runs, after a migration or one that was given up.

        ``vm_start`` says so first. What became of the migration is in no
        event that matters: ``failed`` comes before it, ``cancelled`` after.
        """
        self.stands_still = False
        self.say('RESUME')
        self.runs = True
