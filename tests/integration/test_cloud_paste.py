# SPDX-License-Identifier: Apache-2.0
"""Megabytes that are pasted, and printed, while the instance is migrated.

``ssh`` is a plain pipe here, without a terminal. The bytes flow until the last
migration is over, however fast they are.
"""

import abc
import contextlib
import threading
import time

from tests.integration import cloud
from laboratory.users import subject as demo_subject
from guest import paste
from guest import protocol
from laboratory.testbed import settings

_MIGRATIONS = 4
_LEAST = 10 * 10 ** 6
#: More than can be under way between the client and the guest.
_AHEAD = 1 << 19
#: Enough for what the guest says at the end of its output.
_LEDGER_SPACE = 1000
#: Without a byte for so long, none comes any more, in seconds.
_STALL_S = 90.0
_POLL_S = 0.02
#: For what is still under way at the end, in seconds.
_REST_S = 300.0


def setUpModule():
    PasteTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class Flow(contextlib.AbstractContextManager):
    """Moves bytes from when it is entered, in a thread of its own."""

    def __init__(self, console):
        self.console = console
        self.error = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._ending.set()
        # What waits for room waits no more.
        self.console.close()
        self._thread.join()

    @property
    @abc.abstractmethod
    def length(self):
        """How many bytes have been moved."""

    @abc.abstractmethod
    def _move(self):
        """Move some.

        :raises OSError, AssertionError: the session has ended
        """

    def _run(self):
        try:
            while not self._ending.is_set():
                self._move()
        except (OSError, AssertionError) as error:
            self.error = error

    def wait_for(self, condition, what):
        """Until something is so, for as long as bytes flow.

        :raises AssertionError: they do not any more, and it is not so
        """
        length, since = self.length, time.monotonic()
        while not condition():
            if self.error is not None:
                raise AssertionError(f'{what}, {self.length} bytes: '
                                     f'{self.error}') from self.error
            if self.length > length:
                length, since = self.length, time.monotonic()
            elif time.monotonic() > since + _STALL_S:
                raise AssertionError(f'{what}: no byte for {_STALL_S} s, '
                                     f'after {length} of them')
            time.sleep(_POLL_S)

    def end(self):
        """Move no more.

        :raises AssertionError: the last of it stays under way
        """
        self._ending.set()
        self.wait_for(lambda: not self._thread.is_alive(), 'the end')
        if self.error is not None:
            raise AssertionError(str(self.error)) from self.error


class Paste(Flow):
    """Text that seems random, typed as fast as it is taken."""

    def __init__(self, console, seed):
        super().__init__(console)
        self.material = paste.Material(seed)

    @property
    def length(self):
        return self.material.length

    def _move(self):
        self.console.type(self.material.block())


class Output(Flow):
    """All that the console shows.

    :ivar shown: it
    """

    def __init__(self, console):
        super().__init__(console)
        self.shown = bytearray()

    @property
    def length(self):
        return len(self.shown)

    def _move(self):
        try:
            self.console.read()
        finally:
            self.shown += self.console.shown
            self.console.shown = b''
        time.sleep(_POLL_S)


class PasteTest(cloud.CloudTest):

    subject_class = cloud.PlainSubject
    trial = demo_subject.Trial('paste', 'm1.guest', {})

    def open(self, subject):
        """A shell at a plain pipe."""
        console = cloud.Console(self.machine, subject.server, terminal=False)
        self.addCleanup(console.close)
        console.find_shell()
        return console

    def migrate(self, subject, flow):
        """Move there and back while bytes flow; wait until they are enough."""
        flow.wait_for(lambda: flow.length > _AHEAD, 'before the migrations')
        hosts = list(settings.COMPUTES)
        begun = time.monotonic()
        first = flow.length
        for number in range(1, _MIGRATIONS + 1):
            before = flow.length
            seconds = self.machine.api.migrate(subject.server, *hosts)
            grown = flow.length - before
            self.note(f'migration {number}: {seconds:.1f} s, {grown} bytes '
                      'meanwhile')
            self.assertGreater(grown, 0)
            # All that was under way at its end has arrived before the next.
            enough = flow.length + _AHEAD
            flow.wait_for(lambda enough=enough: flow.length > enough,
                          f'after migration {number}')
            hosts.reverse()
        flow.wait_for(lambda: flow.length >= _LEAST, 'after the migrations')
        rate = (flow.length - first) / (time.monotonic() - begun) / 1000
        self.note(f'{flow.length} bytes, {rate:.0f} kB/s')

    @cloud.repeated
    def test_pasted(self, subject):
        console = self.open(subject)
        console.type(f'{paste.COMMAND}\r'.encode())
        console.wait_for(paste.READY)
        with Paste(console, seed=1) as flow:
            self.migrate(subject, flow)
            flow.end()
            console.type(bytes([protocol.STOP]))
            taken = paste.taken(console.wait_for(paste.SUM_END, _REST_S))
        self.assertEqual((flow.length, flow.material.sum()),
                         (taken.length, taken.sum),
                         f'the guest itself dropped {taken.dropped} bytes')

    @cloud.repeated
    def test_printed(self, subject):
        console = self.open(subject)
        console.type(b'dmore-print\r')
        console.wait_for(b'READY dmore-print\r\n')
        with Output(console) as flow:
            self.migrate(subject, flow)
            console.type(bytes([protocol.STOP]))
            flow.wait_for(
                lambda: paste.printed(bytes(flow.shown[-_LEDGER_SPACE:])),
                'the ledger')
        made = paste.printed(bytes(flow.shown))
        self.assertIsNone(made.fault())
        self.assertEqual(made.length, len(made.received))
