# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed at any line, between a keeper and a Domain R.

The worker is a whole :class:`nova_dmore.worker.pair.Pair` in this process. It
is killed by an exception that nobody catches, and all that its successor has
is what a keeper keeps.
"""

import contextlib
import mmap
import os
import sys
from unittest import mock

from oslotest import base

from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import ivshmem
from nova_dmore.channel.host import journal
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.keeper import allowed
from nova_dmore.link import messages
from nova_dmore.link import notes
from nova_dmore import wire
from nova_dmore.worker import pair
from tests.unit.worker.devices.keyboard import killed_qemu
from tests.unit.worker import fake_loop

#: What a worker runs that changes what others see.
_TRACED = tuple(os.path.dirname(module.__file__)
                for module in (pair, journal, messages))


class Killed(BaseException):
    """The worker is no more."""


@contextlib.contextmanager
def killed_after(lines):
    """Kill the worker when it has run so many lines; None: let it live."""
    def trace(frame, event, _argument):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(_TRACED):
            return None
        if event == 'line':
            lines -= 1
            if lines < 0:
                raise Killed
        return trace
    before = sys.gettrace()
    if lines is not None:
        sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


class KilledCase(base.BaseTestCase):
    """Plays the keeper, as :mod:`nova_dmore.keeper.keeper` has it.

    :ivar held: what clients of Domain R hold down.
    """

    def setUp(self):
        super().setUp()
        self._stack = contextlib.ExitStack()
        self.addCleanup(self._stack.close)

    def begin(self):
        """Have an instance that runs, and a Domain R with a client."""
        self._stack.close()
        self.loop = fake_loop.FakeLoop()
        self._stack.enter_context(
            mock.patch('time.monotonic', self.loop.time))
        self._memory = [
            self._memfd(size) for size in (
                wire.REGION_SIZE, journal.journal_size(), notes.NOTES_SIZE)]
        self._given = [self._closed_later(each) for each in (
            *os.pipe2(os.O_NONBLOCK)[::-1], *os.pipe2(os.O_NONBLOCK))]
        self._eventfds = [
            self._closed_later(each)
            for each in ivshmem.make_eventfds() + ivshmem.make_eventfds()]
        self._area = region.Region(mmap.mmap(
            self._memory[0], wire.REGION_SIZE))
        self.qemu = killed_qemu.Qemu()
        self.held = set()
        self.asked_breaks = 0
        self._buttons = 0
        self._last_input = self._last_break = None
        self._starts = 0
        self._generation = 0
        self.domr = None
        self.domr_sleeps = False
        self._requests = []         # (which, params) that are not granted yet
        self._is_arriving = False   # Domain R
        self._count = None          # the keeper's, of this stop
        self._status = None         # of the instance, but running or paused
        self._migrations = 0
        self._is_armed = False
        self._link = self._worker_link = None
        #: Whether it has booted anew, and no worker has heard of that.
        self.boots = False
        self.new_worker()
        self.connect()
        self.quiesce()

    def _memfd(self, size):
        descriptor = self._closed_later(os.memfd_create('dmore'))
        os.ftruncate(descriptor, size)
        return descriptor

    def _memory_of_notes(self):
        return mmap.mmap(self._memory[2], notes.NOTES_SIZE)

    def _closed_later(self, descriptor):
        self._stack.callback(os.close, descriptor)
        return descriptor

    # -- the keeper

    def new_worker(self):
        """The worker ends, if there is one, and has a successor."""
        if self._link is not None:
            self._hear()
            self._link.close()
            self._worker_link.close()
        self.loop.timers.clear()
        self._link, self._worker_link = messages.pair()
        self._stack.callback(self._link.close)
        self._stack.callback(self._worker_link.close)
        self._starts += 1
        output, input_, *_ = self._given
        self.pair = pair.Pair(
            self.loop, self._worker_link,
            {'worker_starts': self._starts, 'keeper_pid': os.getpid(),
             'serial': {'written': 0, 'read': 0, 'dropped': 0},
             'last_input': self._last_input,
             'last_break': self._last_break},
            [*map(os.dup, self._memory), output, self._given[2],
             self._given[1], *self._eventfds])
        self._tell_domain_r()
        self._tell_instance()
        if self._count is not None:
            self._send(self._count)
        self._send_event(messages.BOOT if self.boots
                         else messages.TELLS_BOOTS)
        self.boots = False
        self._listen()
        self.pair.start()

    def _send(self, message):
        messages.send(self._link, message)

    def _send_event(self, event):
        self._send({'type': messages.ToWorker.EVENT, 'event': event,
                    'vm': messages.INSTANCE, 'at': self.loop.now})

    def reset(self):
        """The instance is reset."""
        self._send_event(messages.RESET)
        self._send_event(messages.BOOT)

    def _tell_domain_r(self):
        is_here = self.domr is not None
        self._send({'type': messages.ToWorker.DOMAIN_R,
                    'connected': is_here, 'generation': self._generation})
        self._send({'type': messages.ToWorker.VM, 'vm': messages.DOMAIN_R,
                    'connected': is_here,
                    'status': 'running' if is_here else None,
                    'arriving': is_here and self._is_arriving})

    def _tell_instance(self):
        self._send({'type': messages.ToWorker.VM, 'vm': messages.INSTANCE,
                    'connected': True, 'arriving': self._is_arriving,
                    'status': self._status or (
                        'running' if self.qemu.runs else 'paused')})

    def _hear(self):
        """Take what the worker has said, also if it is no more."""
        while True:
            try:
                message, _ = messages.receive(self._link)
            except BlockingIOError:
                return
            if message is None:
                return
            messages.check_to_keeper(message)
            if message['type'] == messages.ToKeeper.QMP:
                self._execute(message)

    def _execute(self, message):
        self.assertTrue(allowed.is_allowed(
            message['vm'], message['command'], message['arguments']))
        last = None
        if message['note'] is not None:
            self._last_input = last = {
                **message['note'], 'id': message['id'], 'answer': None}
        elif message['command'] == messages.BREAK:
            self._last_break = last = {'id': message['id'], 'answer': None}

        def answer(outcome):
            reply = {'type': messages.ToWorker.REPLY, 'id': message['id'],
                     **outcome}
            if message['command'] == messages.BREAK and (
                    self._count is not None):
                reply['late'] = messages.SAVED
            if last is not None:
                last['answer'] = reply
            self._send(reply)
        self.qemu.execute(message['command'], message['arguments'], answer)

    # -- the worker

    def turn(self, lines=None, seconds=0.02):
        """Have the worker do what there is to do -> whether it was killed.

        :param lines: it is killed when it has run so many.
        """
        is_killed = False
        try:
            with killed_after(lines):
                while self._requests:
                    # nova-compute asks again if a worker was killed.
                    self.pair._handler.handle(*self._requests[0])
                    del self._requests[0]
                self._listen()
                self.loop.run(seconds)
                self.pair._poll()
        except Killed:
            is_killed = True
            self.new_worker()
        self._hear()
        self._poll_domain_r()
        return is_killed

    def _poll_domain_r(self):
        if self.domr is not None and not self.domr_sleeps:
            self.domr.poll()

    def _listen(self):
        while True:
            try:
                message, descriptors = messages.receive(self._worker_link)
            except BlockingIOError:
                return
            self.pair.on_message(message, descriptors)

    def quiesce(self):
        """Time passes until nothing happens any more."""
        for _ in range(4):
            self.turn(seconds=0.11)
        while self.qemu.obey():
            for _ in range(3):
                self.turn(seconds=0.06)

    # -- Domain R and its clients

    def connect(self):
        """A Domain R comes, and is another one."""
        if self.domr is None:
            self._generation += 1
            self._is_arriving = False
            self._boot()
            self._tell_domain_r()

    def reboot(self):
        """Domain R's guest starts anew, so no client holds anything."""
        if self.domr is not None:
            self._boot()

    def _boot(self):
        self.domr = domr_end.DomainREnd(self._area, lambda vector: None)
        self.held.clear()
        self._buttons = 0

    def lose(self):
        """Domain R ends."""
        if self.domr is not None:
            self.domr = None
            self.held.clear()
            self._tell_domain_r()

    def press(self, number, down):
        """A client presses a key, or lets it go."""
        if self.domr is not None and down is not (number in self.held):
            (self.held.add if down else self.held.discard)(number)
            self._type(input_event.Key(number, down))

    def click(self, buttons):
        """A client's pointer has these buttons down, as a mask."""
        if self.domr is not None:
            names = input_event.BUTTONS
            self.held.difference_update(names)
            self.held.update(name for bit, name in enumerate(names)
                             if buttons >> bit & 1)
            self._type(input_event.Pointer(buttons, 5, 5))

    def ask_break(self):
        """A client asks for a break."""
        if self.domr is not None:
            self.asked_breaks += 1
            self.domr.send(wire.Stream.CONTROL_TO_HOST, control.encode({
                'type': wire.BREAK, 'stream': 'serial0_in',
                'at': self.domr.position(wire.Stream.SERIAL0_IN)}))
            self._poll_domain_r()

    def _type(self, event):
        self.domr.send(wire.Stream.INPUT0_IN, input_event.pack(event))
        self._poll_domain_r()

    def sleep(self, on):
        """Domain R has no processor, or has one again."""
        self.domr_sleeps = on

    def run_instance(self, on):
        """The instance is paused, or runs on."""
        if self.qemu.runs is not on:
            self.qemu.runs = on
            self._tell_instance()

    def request(self, which, **params):
        """nova-compute asks, until it was granted."""
        self._requests.append((which, params))
