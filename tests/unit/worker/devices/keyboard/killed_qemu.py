# SPDX-License-Identifier: Apache-2.0
"""The QEMU of an instance whose worker is killed."""

from nova_dmore.link import messages


class Qemu:
    """The instance's: what its guest takes for held down.

    It obeys when the test has it do so, in the order of the commands.
    """

    def __init__(self):
        self.runs = True
        self.keys = set()
        self.buttons = set()
        self.events = []            # (number or button, down)
        self.breaks = 0             # that its serial port has got
        self.has_saved = False      # its state, for a migration
        self._unsaved_breaks = 0    # that it got since
        self._commands = []         # (name, arguments, answer)

    def execute(self, command, arguments, answer):
        self._commands.append((command, arguments, answer))

    def obey(self):
        """Do what comes next -> whether there was anything."""
        if not self._commands:
            return False
        command, arguments, answer = self._commands.pop(0)
        if command == 'human-monitor-command':
            answer({'result': 'portb[0x0064] = 0x1c\\r\\n'})
        elif command == messages.BREAK:
            # It takes one also while its guest stands still.
            if self.has_saved:
                self._unsaved_breaks += 1
            else:
                self.breaks += 1
            answer({'result': None})
        elif not self.runs:
            answer({'error': 'VM not running',
                    'failure': messages.Failure.REFUSED})
        else:
            for each in arguments['events']:
                self._take(each['type'], each['data'])
            answer({'result': None})
        return True

    def stays(self):
        """A migration comes to nothing."""
        self.breaks += self._unsaved_breaks
        self.arrives()

    def arrives(self):
        """It is another one, that has loaded the state."""
        self._unsaved_breaks = 0
        self.has_saved = False

    def _take(self, kind, data):
        if kind == 'abs':
            return
        held, which = ((self.keys, data['key']['data']) if kind == 'key'
                       else (self.buttons, data['button']))
        if data['down'] and which in held:
            raise AssertionError(f'{which} is pressed twice')
        (held.add if data['down'] else held.discard)(which)
        self.events.append((which, data['down']))
