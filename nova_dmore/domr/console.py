# SPDX-License-Identifier: Apache-2.0
"""The instance's serial console as all its clients share it.

Output is kept once, up to the scroll-back limit; each client has a cursor
into it. Input of all clients goes out in the order in which it came.
"""

import functools
from collections.abc import Callable

from nova_dmore.domr import console_client
from nova_dmore.domr import input_queue
from nova_dmore.domr import instance_state
from nova_dmore.domr import notices
from nova_dmore.domr import pace
from nova_dmore.domr import ports
from nova_dmore.domr import scrollback
from nova_dmore.domr.terminal import answering
from nova_dmore.domr.terminal import rules
from nova_dmore.domr.terminal import stream as stream_module
from nova_dmore import wire

#: How much more than the scroll-back a client that is replaying it may lag.
REPLAY_SLACK = 1 << 16
#: Up to ``pace.MOST`` bytes that a client was given may still be on their way
#: to it. So one that takes at least some may hold the guest up for so many
#: seconds more; the host's own limit, for all of Domain R, comes 10 s later.
_SLACK_S = pace.MOST / wire.SERIAL_RATE_LEAST
#: Whoever types on is told again that it is for nothing after so long.
_REFUSED_AGAIN_S = 5.0

Log = Callable[[str, str], None]
Later = Callable[[Callable[[], None]], object]

Client = console_client.Client
ClientState = console_client.ClientState


class Console:
    """See the module. All methods are called from the event loop."""

    def __init__(self, line: ports.Line, log: Log, later: Later,
                 instance: instance_state.InstanceState | None = None
                 ) -> None:
        """Have no clients yet.

        :param log: called with a level ('info', 'warning') and a text
        :param later: has a function called when others had their turn
        :param instance: tells what the instance does; None: nobody does
        """
        self._line = line
        self._log = log
        self._later = later
        self._output = scrollback.Scrollback()
        self._now = 0.0         # of the last ``tick``
        self._answering = answering.Answering()
        self._instance = instance or instance_state.InstanceState()
        self._instance.subscribe(self._instance_changed)
        #: What persons were told last.
        self._shown: wire.InstanceState | None = None
        self._clients: list[Client] = []
        self._input = input_queue.InputQueue(line)
        self._output_paused = False
        self._scrollback = 1 << 16
        self._stall_s = 0.0
        self._is_recorded = False
        self._evacuated_at: int | None = None

    def configure(self, scrollback: int, stall_ms: int,
                  recorded: bool = False, evacuated_at: int | None = None
                  ) -> None:
        """Set the scroll-back in bytes, how long a client may stall, and
        whether the output is recorded, of which everybody is told; and when
        the host before was lost, if it was (``wire.CONFIG``)."""
        self._evacuated_at = evacuated_at
        if recorded and not self._is_recorded:
            self.tell_all(notices.RECORDED)
        self._is_recorded = recorded
        self._scrollback = scrollback
        self._stall_s = stall_ms / 1000
        self._update_flow()

    @property
    def end(self) -> int:
        """Offset after the last byte of output."""
        return self._output.end

    @property
    def output_paused(self) -> bool:
        """Whether the guest is being slowed."""
        return self._output_paused

    # -- clients

    def attach(self, port: ports.Port, name: str,
               stream: stream_module.TerminalStream | None = None,
               is_person: bool = False,
               finished: Callable[[], None] | None = None) -> Client:
        """Add a client.

        It gets nothing, then the scroll-back first, before its
        ``resume_writing`` is called.

        :param name: for the log, printable
        :param stream: what parses the output for its terminal
        :param is_person: it is told what the instance does
        :param finished: see Client
        """
        client = Client(
            self, port, name,
            self._output.line_start(self.end - self._scrollback), stream,
            is_person, finished)
        self._clients.append(client)
        if stream is not None and finished is None:
            client.restores = stream.restored(
                self._output.modes_at(client.cursor))
        if (is_person and self._evacuated_at is not None
                and client.cursor == 0):
            # In the place of what was printed on the host before.
            client.notices.put(notices.of_evacuation(self._evacuated_at), 0,
                               client.cursor)
        if self._is_recorded:
            client.notices.put(notices.RECORDED, self.end, client.cursor)
        text = notices.of_state(self._instance.now)
        if is_person and text is not None:
            client.notices.put(text, self.end, client.cursor)
        return client

    def detach(self, client: Client) -> None:
        """Remove a client; harmless if it is removed already."""
        if client in self._clients:
            self._clients.remove(client)
            self._answering.forget(client)
            client.writable = client.input_paused = False
            if not self._input.leave(client):
                self._log('warning', f'{client.name} is gone; what it typed '
                          'is not sent, for others have left too much')
            self._update_flow()

    def cut(self) -> None:
        """Output is missing from here on: what follows is no part of a
        sequence that has begun, which would swallow it."""
        for client in list(self._clients):
            if (client.stream is not None and client.cursor == self.end
                    and client.stream.swallows):
                interrupt = client.stream.cut()
                if interrupt:
                    client.port.write(interrupt)

    def tell_all(self, text: str, ahead: int = 0) -> None:
        """Show a notice to every client.

        :param ahead: after so many bytes of output that are yet to come
        """
        for client in list(self._clients):
            self._notify(client, text, ahead)

    def _notify(self, client: Client, text: str, ahead: int = 0) -> None:
        client.notices.put(text, self.end + ahead, client.cursor)

    def _instance_changed(self, state: wire.InstanceState | None) -> None:
        """Tell persons of it; what was typed and not sent is not for later.
        """
        for client in self._clients:
            client.refused = None
        if not self._instance.takes_input:
            self._input.drop(self._refuse)
        if state in (None, self._shown):
            return
        before, self._shown = self._shown, state
        text = notices.of_state(state, before)
        for client in list(self._clients):
            # A full-screen program draws on, and nothing is lost.
            is_drawn_on = client.stream is not None and (
                client.stream.modes.is_alternate
                and wire.InstanceState.MIGRATING in (state, before))
            if text is not None and client.is_person and not is_drawn_on:
                self._notify(client, text)

    # -- output

    def output(self, data: bytes) -> None:
        """The instance printed something."""
        self._output.append(data)
        for client in list(self._clients):
            self._give(client)
        self._update_flow()

    def pump(self, client: Client) -> None:
        """Give a client what it lacks and has room for."""
        self._give(client)
        self._update_flow()

    def _give(self, client: Client) -> None:
        if client.has_turn:
            return
        end = client.printed_before if client.finished else self.end
        if client.writable and client.restores:
            client.port.write(client.restores)
            client.restores = b''
        if client.writable and client.cursor < end:
            if client.cursor < self._output.base:
                self._skip(client)
            if client.state is ClientState.STALLED:
                client.state = ClientState.REPLAYING
            self._write(client, self._output.read(
                client.cursor, self._piece(client, end)))
            client.since = None
        if client.cursor >= end:
            client.state = ClientState.LIVE
            if client.finished is not None and client.writable:
                client.finished()
        elif client.writable:
            client.has_turn = True
            self._later(functools.partial(self._go_on, client))

    def _piece(self, client: Client, end: int) -> int:
        """How many bytes a client is given at once, at most."""
        cursor = client.cursor
        end = min(end, cursor + client.pace.limit)
        if cursor < client.printed_before:
            end = min(end, client.printed_before)
        notice = client.notices.next_after(cursor)
        if notice is not None:
            end = min(end, notice)
        # It may lack so much that all it asked for is gone.
        return max(0, end - cursor)

    def _write(self, client: Client, data: bytes) -> None:
        """Give a client what follows, or what its terminal may have of it."""
        start = client.cursor
        client.cursor += len(data)
        if client.stream is None:
            client.port.write(data)
            return
        if start < client.printed_before:
            shown = client.stream.feed(data, rules.Policy.DRAW)
        else:
            shown = self._for_its_answers(client, client.stream, start, data)
        if shown:
            client.port.write(shown)
        client.notices.show(client.cursor)

    def _for_its_answers(self, client: Client,
                         stream: stream_module.TerminalStream, start: int,
                         data: bytes) -> bytes:
        """What a terminal may have, some of which it may have to answer.

        It is written at once: a packet for each time that another user has
        typed would cost more than all else that is done with the output.
        """
        shown = b''
        while data:
            change = self._answering.next_after(start)
            count = len(data) if change is None else min(
                change - start, len(data))
            is_its = self._answering.is_of(client, start, self._clients)
            shown += stream.feed(data[:count], (
                rules.Policy.ALL if is_its else rules.Policy.NO_ANSWERS))
            start, data = start + count, data[count:]
        return shown

    def _go_on(self, client: Client) -> None:
        client.has_turn = False
        self._line.poll_freeze()
        if client in self._clients:
            self.pump(client)

    def _skip(self, client: Client) -> None:
        start = self._output.line_start(self._output.base)
        missing = start - client.cursor
        client.cursor = start
        client.patience.restart()
        self._log('warning', f'{client.name} could not keep up: {missing} '
                  'bytes of output were not shown to it')
        if client.stream is not None:
            client.notices.show(client.cursor, now=True)
            client.port.write(client.stream.cut() + client.stream.restored(
                self._output.modes_at(start)))
        client.port.tell(f'{missing} bytes of output are missing here: this '
                         'client was too slow')

    def _holds(self, client: Client) -> bool:
        """Whether the guest must wait for this client."""
        if (self._stall_s == 0 or client.state is ClientState.STALLED
                or client.finished is not None):
            return False
        limit = (client.pace.limit if client.state is ClientState.LIVE
                 else self._scrollback + REPLAY_SLACK)
        return self.end - client.cursor > limit

    def _update_flow(self) -> None:
        """Forget what nobody needs; slow the guest, or let it go on."""
        needed = min((client.cursor for client in self._clients
                      if self._stall_s and client.finished is None
                      and client.state is not ClientState.STALLED),
                     default=self.end)
        self._output.forget(min(needed, self.end - self._scrollback))
        pause = any(map(self._holds, self._clients))
        if pause != self._output_paused:
            self._output_paused = pause
            self._line.pause_output(pause)

    def tick(self, now: float) -> None:
        """Find the clients that do not move; called several times a second.

        :param now: monotonic seconds
        """
        self._now = now
        for client in list(self._clients):
            self._measure(client, now)
            client.notices.tick(client.cursor, now)
            holds = self._holds(client)
            held = client.patience.update(now, client.cursor, holds)
            if not holds:
                client.since = None
                continue
            seen = client.port.progress()
            if client.since is None or seen != client.seen:
                client.since, client.seen = now, seen
            if now - client.since >= self._stall_s:
                self._give_up(client, 'takes no output since '
                              f'{now - client.since:.1f} s')
            elif held >= self._stall_s + _SLACK_S:
                self._give_up(client, 'takes less than '
                              f'{wire.SERIAL_RATE_LEAST} bytes a second')
        self._update_flow()

    def _give_up(self, client: Client, why: str) -> None:
        client.state = ClientState.STALLED
        self._log('warning', f'{client.name} {why}; the instance no longer '
                  'waits for it')

    def _measure(self, client: Client, now: float) -> None:
        """Let as much wait for a client as it takes in some time."""
        if not client.writable:
            client.pace.is_full()
        if client.pace.measure(now, client.port.taken):
            client.port.bound(client.pace.limit)

    # -- input

    def queue_input(self, client: Client, data: bytes | None) -> None:
        """Send input of a client, or a break (None), when its turn comes."""
        if data == b'':
            return
        self._line.poll_freeze()
        if client.stream is not None:
            self._answering.typed(client, self.end)
        if not self._instance.takes_input:
            self._refuse(client)
        elif not self._input.put(client, data):
            self._tell_again(client, notices.NO_BREAK)

    def drop_input(self) -> None:
        """The instance boots anew: what was typed and not sent was for what
        ran before, and its clients are told."""
        self._output.begin_boot()
        self._input.drop(
            lambda client: self._notify(client, notices.TYPED_BEFORE))

    def _refuse(self, client: Client) -> None:
        """Tell a client that what it types reaches nobody."""
        self._tell_again(client, f'{notices.of_state(self._instance.now)}: '
                         'what is typed now is not sent, nor kept')

    def _tell_again(self, client: Client, text: str) -> None:
        """Tell a client what it was told before, if that is some time ago."""
        if (client.refused is not None
                and self._now - client.refused < _REFUSED_AGAIN_S):
            return
        client.refused = self._now
        if client in self._clients:
            self._notify(client, text)

    def flush_input(self) -> None:
        """Send what there is room for; called when room has grown."""
        self._input.flush()
