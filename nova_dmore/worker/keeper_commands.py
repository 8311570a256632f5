# SPDX-License-Identifier: Apache-2.0
"""What a worker has its keeper do."""

import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from nova_dmore.link import messages

#: Called with a REPLY message.
Replied: TypeAlias = Callable[[messages.Message], None]
#: Called with a descriptor, or None and an error.
DisplayOpened: TypeAlias = Callable[[int | None, str | None], None]


class Commands:
    """Sends QMP commands, and other wishes; calls back with the answers.

    :param link: the worker's end of :func:`messages.pair`.
    :param worker_starts: keeps the ids of workers apart.
    """

    def __init__(self, link: socket.socket, worker_starts: int) -> None:
        self._link = link
        self._next = worker_starts << 32
        self._waiting: dict[int, Replied] = {}
        self._display: DisplayOpened | None = None

    def execute(self, command: str, arguments: dict[str, Any],
                replied: Replied, note: messages.Message | None = None,
                vm: str = messages.INSTANCE) -> int:
        """Have a QEMU run a command -> its number, as messages have it.

        :param replied: called with the REPLY message.
        :param note: for an event of input: what the keeper remembers, see
            :attr:`messages.ToKeeper.QMP`.
        """
        self._next += 1
        self._waiting[self._next] = replied
        messages.send(self._link, {
            'type': messages.ToKeeper.QMP, 'id': self._next,
            'vm': vm, 'command': command,
            'arguments': arguments, 'note': note})
        return self._next

    def expect(self, number: int, replied: Replied) -> None:
        """The answer to an earlier worker's command is yet to come."""
        self._waiting[number] = replied

    def replied(self, message: messages.Message) -> None:
        """A REPLY came."""
        callback = self._waiting.pop(message['id'], None)
        if callback is not None:
            callback(message)

    def send_break(self, replied: Replied, announce: Callable[[int], None]
                   ) -> None:
        """Send a serial break.

        :param announce: called with its number first.
        """
        announce(self._next + 1)
        self.execute(messages.BREAK, {'id': messages.SERIAL0_CHARDEV},
                     replied)

    def stop_domain_r(self, done: Callable[[str | None], None]) -> None:
        """Stop Domain R, which is about to leave.

        :param done: called with QEMU's error, or None.
        """
        self.execute('stop', {}, lambda message: done(message.get('error')),
                     vm=messages.DOMAIN_R)

    def leaving(self, on: bool) -> None:
        """The instance is about to leave, or it is not."""
        messages.send(self._link, {
            'type': messages.ToKeeper.LEAVING, 'on': on})

    def heard(self, written: int) -> None:
        """What the keeper was given before a boot was heard of, are so many
        bytes in all."""
        messages.send(self._link, {
            'type': messages.ToKeeper.HEARD, 'written': written})

    def adopted(self) -> None:
        """The instance belongs to this host."""
        messages.send(self._link, {'type': messages.ToKeeper.ADOPTED})

    def shut_down(self) -> None:
        """The keeper is to end."""
        messages.send(self._link, {'type': messages.ToKeeper.SHUTDOWN})

    def open_display(self, opened: DisplayOpened) -> None:
        """Have the keeper connect to the display of the instance's QEMU.

        :param opened: called with (descriptor or None, error or None).
        """
        self._display = opened
        messages.send(self._link, {'type': messages.ToKeeper.OPEN_DISPLAY})

    def display_opened(self, message: messages.Message,
                       descriptors: list[int]) -> None:
        """A DISPLAY came."""
        opened, self._display = self._display, None
        assert opened is not None   # one is asked for at a time
        opened(descriptors[0] if descriptors else None, message['error'])
