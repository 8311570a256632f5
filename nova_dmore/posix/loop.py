# SPDX-License-Identifier: Apache-2.0
"""The event loop of the host service, of keepers and of workers.

It has what they need of asyncio's, by the same names. Each process would
write 0.5 to 0.8 MiB of memory of its own to run that: all that Python uses it
counts, and so copies. And what is forked from this one finds no task under
way.
"""

import functools
import heapq
import itertools
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

_EVENTS = (selectors.EVENT_READ, selectors.EVENT_WRITE)
#: So many timers are kept before those that were cancelled are looked for.
_TIMERS_MIN = 64


class Handle:
    """A call that will be made, unless it is cancelled."""

    def __init__(self, callback: Callable[..., Any],
                 arguments: tuple[Any, ...]) -> None:
        self._call: tuple[Callable[..., Any], tuple[Any, ...]] | None = (
            callback, arguments)

    def cancel(self) -> None:
        """Do not call."""
        self._call = None

    @property
    def is_cancelled(self) -> bool:
        """Whether it will not be called."""
        return self._call is None

    def run(self) -> None:
        """Call, unless it is cancelled."""
        if self._call is not None:
            callback, arguments = self._call
            callback(*arguments)


class Loop:
    """Calls back; what a call raises leaves :meth:`turn`."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Handle]] = []
        self._order = itertools.count()     # of timers of the same time
        self._many_timers = _TIMERS_MIN
        self._handlers: dict[int, Callable[[], None]] = {}
        self._wakeup: tuple[socket.socket, socket.socket] | None = None

    def add_reader(self, descriptor: Any, callback: Callable[..., Any],
                   *arguments: Any) -> None:
        """Call whenever a descriptor, or a socket, can be read."""
        self._set(descriptor, 0, Handle(callback, arguments))

    def remove_reader(self, descriptor: Any) -> None:
        """Do so no more; it must be open."""
        self._set(descriptor, 0, None)

    def add_writer(self, descriptor: Any, callback: Callable[..., Any],
                   *arguments: Any) -> None:
        """Call whenever it can be written."""
        self._set(descriptor, 1, Handle(callback, arguments))

    def remove_writer(self, descriptor: Any) -> None:
        """Do so no more; it must be open."""
        self._set(descriptor, 1, None)

    def _set(self, descriptor: Any, which: int, handle: Handle | None
             ) -> None:
        key = self._selector.get_map().get(descriptor)
        handles: list[Handle | None] = (
            [None, None] if key is None else list(key.data))
        if (before := handles[which]) is not None:
            before.cancel()
        handles[which] = handle
        events = sum(event for event, each in zip(_EVENTS, handles)
                     if each is not None)
        if not events:
            if key is not None:
                self._selector.unregister(descriptor)
        elif key is None:
            self._selector.register(descriptor, events, handles)
        else:
            self._selector.modify(descriptor, events, handles)

    def call_later(self, delay: float, callback: Callable[..., Any],
                   *arguments: Any) -> Handle:
        """Call once, after so many seconds."""
        handle = Handle(callback, arguments)
        if len(self._timers) >= self._many_timers:
            self._forget_cancelled()
        heapq.heappush(self._timers, (
            time.monotonic() + delay, next(self._order), handle))
        return handle

    def _forget_cancelled(self) -> None:
        """Those that were cancelled would stay until their time, which may be
        in days, and somebody may make as many as he likes."""
        self._timers = [each for each in self._timers
                        if not each[2].is_cancelled]
        heapq.heapify(self._timers)
        # Seldom enough to take no time.
        self._many_timers = max(_TIMERS_MIN, 2 * len(self._timers))

    def call_soon(self, callback: Callable[..., Any], *arguments: Any
                  ) -> Handle:
        """Call once, when whoever calls this has returned to the loop."""
        return self.call_later(0.0, callback, *arguments)

    def add_signal_handler(self, number: int, callback: Callable[[], None]
                           ) -> None:
        """Call when the process gets a signal."""
        if self._wakeup is None:
            self._wakeup = ours, theirs = socket.socketpair()
            for each in self._wakeup:
                each.setblocking(False)
            signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
            self.add_reader(ours, self._signalled)
        self._handlers[number] = callback
        # The number comes through the wakeup descriptor.
        signal.signal(number, lambda *of_signal: None)

    def _signalled(self) -> None:
        assert self._wakeup is not None
        for number in self._wakeup[0].recv(4096):
            if number in self._handlers:
                self._handlers[number]()

    def turn(self, most_s: float | None = None) -> None:
        """Wait until something is to be called, and call what is.

        :param most_s: wait no longer than so many seconds.
        """
        timeout = most_s
        if self._timers:
            due_s = max(0.0, self._timers[0][0] - time.monotonic())
            timeout = due_s if most_s is None else min(due_s, most_s)
        ready = [handle for key, events in self._selector.select(timeout)
                 for event, handle in zip(_EVENTS, key.data)
                 if events & event and handle is not None]
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            ready.append(heapq.heappop(self._timers)[2])
        for handle in ready:
            handle.run()    # an earlier one may have cancelled it


class Watches:
    """What is waited for at descriptors, each by a name of its user's: once,
    and for as long as it is wanted."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._ends: dict[str, Callable[[], None]] = {}

    def reader(self, what: str, wanted: bool, descriptor: int,
               callback: Callable[[], None]) -> None:
        """Call whenever a descriptor can be read, or no more."""
        self._set(what, wanted, self._loop.add_reader,
                  self._loop.remove_reader, descriptor, callback)

    def writer(self, what: str, wanted: bool, descriptor: int,
               callback: Callable[[], None]) -> None:
        """Call whenever a descriptor can be written, or no more."""
        self._set(what, wanted, self._loop.add_writer,
                  self._loop.remove_writer, descriptor, callback)

    def end(self) -> None:
        """Wait for nothing any more."""
        for end in self._ends.values():
            end()
        self._ends.clear()

    def _set(self, what: str, wanted: bool,
             add: Callable[[int, Callable[[], None]], None],
             remove: Callable[[int], None], descriptor: int,
             callback: Callable[[], None]) -> None:
        if wanted and what not in self._ends:
            add(descriptor, callback)
            self._ends[what] = functools.partial(remove, descriptor)
        elif not wanted and what in self._ends:
            self._ends.pop(what)()
