# SPDX-License-Identifier: Apache-2.0
"""One attachment to the serial console over SSH.

With a terminal the console behaves as one (greeting, escapes); without one
it is a plain pipe of bytes, for programs.
"""

from typing import Any, TYPE_CHECKING

import asyncssh

from nova_dmore.domr import console as console_module
from nova_dmore.domr import escape
from nova_dmore.domr import pace
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import ssh_commands
from nova_dmore.domr.servers import ssh_packets
from nova_dmore.domr.terminal import stream

if TYPE_CHECKING:       # it imports this one
    from nova_dmore.domr.servers import ssh

_Kind = ssh_commands.Kind

#: How a shell ends for which there is no such command.
_NO_COMMAND = 127


class Session(asyncssh.SSHServerSession[bytes]):
    """One attachment to the console; also the console's Port."""

    def __init__(self, server: 'ssh.SshServer',
                 connection: 'ssh.Connection') -> None:
        self._server = server
        self._connection = connection
        self._escapes: escape.EscapeParser | None = None
        self._terminal: stream.TerminalStream | None = None
        self._client: console_module.Client | None = None
        self._number: int | None = None     # of this session, for the host
        self._full = False
        self._command: ssh_commands.Command | None = None
        self._has_started = False
        self._size = 0, 0       # columns and rows of the terminal

    # -- asyncssh.SSHServerSession

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Keep the channel."""
        self._chan = chan
        ssh_packets.say_nothing(chan)
        ssh_packets.keep_no_environment(chan)
        chan.set_write_buffer_limits(high=pace.MOST)

    def pty_requested(self, term_type: str, term_size: tuple[int, ...],
                      term_modes: Any) -> bool:
        """A person's terminal: escapes are recognised."""
        self._terminal = stream.TerminalStream()
        self._escapes = escape.EscapeParser(
            self._server.context.config.escape)
        self._size = term_size[0], term_size[1]
        return True

    def shell_requested(self) -> bool:
        """The console is the shell.

        A channel has one shell or command, ever (RFC 4254, 6.5); asyncssh
        lets a client ask for more of them.
        """
        return not self._has_started

    def exec_requested(self, command: str) -> bool:
        """There is nothing else to run, but for a few commands.

        A refusal would have no reason, so one that there is not is taken,
        too, and says so.
        """
        if self._has_started:
            return False
        self._command = ssh_commands.parse(command)
        return True

    def session_started(self) -> None:
        """Greet, and attach to the console."""
        self._has_started = True
        if self._command is not None and self._does(self._command):
            return
        if not self._connection.may_attach():
            self._end(rms.FULL, 1)
            return
        self._server.attached.add(self)
        self._connection.sessions.add(self)
        if self._command is not None:       # the scroll-back
            self._client = self._server.context.console.attach(
                self, self._connection.name, self._terminal,
                finished=self._finished)
            self.flow_changed()
            self._server.context.changed()
            return
        if self._escapes is not None:
            config = self._server.context.config
            self._notice(f'Serial console of {config.instance_title} '
                         f'({config.instance_uuid}). '
                         f'{escape.help_of(self._escapes.escape)}.')
        self._client = self._server.context.console.attach(
            self, self._connection.name, self._terminal, is_person=True)
        self.flow_changed()
        self._number = self._server.context.sessions.begin(
            'ssh', self._connection.name, self._connection.end,
            self._connection.fingerprint)
        self._server.context.changed()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Send what was typed, or do what an escape asks for."""
        if self._client is None or self._command is not None:
            return
        if self._escapes is None:
            self._client.input(data)
            return
        for item in self._escapes.feed(data):
            if isinstance(item, bytes):
                self._client.input(item)
            elif item is escape.Action.BREAK:
                self._client.send_break()
            elif item is escape.Action.SIZE:
                self._type_size(self._client)
            elif item is escape.Action.HELP:
                self._notice(f'{escape.help_of(self._escapes.escape)}.')
            else:
                self.leave('left the console')
                self._chan.exit(0)
                return

    def _type_size(self, client: console_module.Client) -> None:
        columns, rows = self._size
        if columns and rows:
            client.input(b'stty rows %d cols %d\r' % (rows, columns))
        else:
            self._notice('your terminal does not tell its size')

    def _finished(self) -> None:
        if not self._chan.is_closing():
            self._chan.exit(0)

    def _does(self, command: ssh_commands.Command) -> bool:
        """Do what needs no attachment -> whether it was that."""
        if command.kind is _Kind.UNKNOWN:
            self._end(ssh_commands.UNKNOWN, _NO_COMMAND)
        elif command.kind is _Kind.BREAK:
            self._only_break()
        elif command.kind is _Kind.SESSIONS:
            end = '\n' if self._escapes is None else '\r\n'
            for line in ssh_commands.described(
                    self._server.context.sessions.all()):
                self._chan.write((line + end).encode('ascii'))
            self._chan.exit(0)
        elif command.kind is _Kind.END_SESSION:
            self._end_session(command.number)
        else:
            return False
        return True

    def _end(self, reason: str, status: int) -> None:
        self._notice(reason)
        self._chan.exit(status)

    def _end_session(self, number: int | None) -> None:
        context = self._server.context
        if not context.sessions.knows(number):
            self._end(f'there is no session {number}', 1)
            return
        context.log('info', f'{self._connection.name} ends session {number}; '
                    f'its key is {self._connection.fingerprint}')
        # First, for it may be of the same connection.
        self._chan.exit(0)
        context.sessions.end(number)

    def _only_break(self) -> None:
        """Send a break, for a client that has no way to ask for one."""
        context = self._server.context
        client = context.console.attach(self, self._connection.name)
        client.send_break()     # or it is told why not
        client.detach()
        self._chan.exit(0 if context.instance.takes_input else 1)

    def leave(self, reason: str) -> None:
        """Leave the terminal as it was found, and say why."""
        if self._terminal is not None and not self._chan.is_closing():
            self._chan.write(self._terminal.cut()
                             + self._terminal.modes.at_rest())
        self._notice(reason)

    def break_received(self, msec: int) -> bool:
        """Send a break (RFC 4335)."""
        if self._client is None:
            return False
        self._client.send_break()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int,
                              pixheight: int) -> None:
        """A serial line has no size to pass on, but it can be typed."""
        self._size = width, height

    def eof_received(self) -> bool:
        """The client sends no more, but still listens."""
        return True

    def pause_writing(self) -> None:
        """The channel is full."""
        self._full = True
        self.flow_changed()

    def resume_writing(self) -> None:
        """The channel has room."""
        self._full = False
        self.flow_changed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Detach."""
        self._connection.channels -= 1
        self._connection.sessions.discard(self)
        self._server.attached.discard(self)
        if self._client is not None:
            self._client.detach()
            self._client = None
            if self._number is not None:
                self._server.context.sessions.ended(self._number)
            self._server.context.changed()

    # -- console.Port

    def flow_changed(self) -> None:
        """Tell the console whether this client has room."""
        if self._client is None:
            return
        if self._full or self._connection.full:
            self._client.pause_writing()
        else:
            self._client.resume_writing()

    def write(self, data: bytes) -> None:
        """Hand output to the client."""
        if not self._chan.is_closing():
            self._chan.write(data)

    def tell(self, text: str) -> None:
        """Show a notice; without a terminal it goes to standard error."""
        if self._chan.get_write_buffer_size() <= rms.TOLD_MAX:
            self._notice(text)

    def _notice(self, text: str) -> None:
        if self._chan.is_closing():
            return
        if self._escapes is None:
            self._chan.write(f'[nova-dmore: {text}]\n'.encode(),
                             asyncssh.EXTENDED_DATA_STDERR)
        else:
            self._chan.write(f'\r\n[nova-dmore: {text}]\r\n'.encode())

    def pause_input(self, on: bool) -> None:
        """Stop or go on reading what the client sends."""
        if on:
            self._chan.pause_reading()
        else:
            self._chan.resume_reading()

    def progress(self) -> object:
        """What the channel still buffers and what the peer acknowledged."""
        acked = self.taken() if self._connection.full else 0
        return self._chan.get_write_buffer_size(), acked

    def taken(self) -> int:
        """Bytes that the peer has acknowledged.

        Of a connection with several sessions it is what all of them take.
        """
        return rms.bytes_acked(self._connection.conn.get_extra_info('socket'))

    def bound(self, size: int) -> None:
        """Let no more than so many bytes wait."""
        self._connection.bound(size)
        if not self._chan.is_closing():
            self._chan.set_write_buffer_limits(high=size)
