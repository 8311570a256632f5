# SPDX-License-Identifier: Apache-2.0
"""What a worker has its keeper do."""

from nova_dmore.link import messages


class Commands:
    """Sends QMP commands, and other wishes; calls back with the answers.

    :param link: the worker's end of :func:`messages.pair`.
    :param worker_starts: keeps the ids of workers apart.
    """

    def __init__(self, link, worker_starts):
        self._link = link
        self._next = worker_starts << 32
        self._waiting = {}
        self._display = None

    def execute(self, command, arguments, replied, note=None,
                vm=messages.INSTANCE):
        """Have a QEMU run a command.

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

    def expect(self, number, replied):
        """The answer to an earlier worker's command is yet to come."""
        self._waiting[number] = replied

    def replied(self, message):
        """A REPLY came."""
        callback = self._waiting.pop(message['id'], None)
        if callback is not None:
            callback(message)

    def send_break(self, done):
        """Send a serial break.

        :param done: called with whether QEMU took it.
        """
        self.execute('chardev-send-break', {'id': messages.SERIAL0_CHARDEV},
                     lambda message: done('error' not in message))

    def stop_domain_r(self, done):
        """Stop Domain R, which is about to leave.

        :param done: called with QEMU's error, or None.
        """
        self.execute('stop', {}, lambda message: done(message.get('error')),
                     vm=messages.DOMAIN_R)

    def leaving(self, on):
        """The instance is about to leave, or it is not."""
        messages.send(self._link, {
            'type': messages.ToKeeper.LEAVING, 'on': on})

    def adopted(self):
        """The instance belongs to this host."""
        messages.send(self._link, {'type': messages.ToKeeper.ADOPTED})

    def shut_down(self):
        """The keeper is to end."""
        messages.send(self._link, {'type': messages.ToKeeper.SHUTDOWN})

    def open_display(self, opened):
        """Have the keeper connect to the display of the instance's QEMU.

        :param opened: called with (descriptor or None, error or None).
        """
        self._display = opened
        messages.send(self._link, {'type': messages.ToKeeper.OPEN_DISPLAY})

    def display_opened(self, message, descriptors):
        """A DISPLAY came."""
        opened, self._display = self._display, None
        opened(descriptors[0] if descriptors else None, message['error'])
