# SPDX-License-Identifier: Apache-2.0
"""The program of Domain R: joins the channel and runs the servers.

Started by the init of the image, and again when it ends. Then what was in
its memory is lost and its clients are cut, but the console comes back: the
host sees a new incarnation and opens a new epoch.
"""

import asyncio
import sys
from typing import Any

from nova_dmore.channel import changes as changes_module
from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import region as region_module
from nova_dmore.domr import config as config_module
from nova_dmore.domr import console as console_module
from nova_dmore.domr import hold
from nova_dmore.domr import instance_state
from nova_dmore.domr import lines
from nova_dmore.domr import notices
from nova_dmore.domr import screen as screen_module
from nova_dmore.domr import sessions as sessions_module
from nova_dmore.domr.servers import rms
from nova_dmore.domr import serving
from nova_dmore.domr import supervisor
from nova_dmore.domr import uio
from nova_dmore import wire


class Agent:
    """Moves bytes between the channel and the servers' console."""

    def __init__(self, end: domr_end.DomainREnd,
                 screen: screen_module.Screen,
                 server_modules: dict[str, str],
                 init: supervisor.Supervisor) -> None:
        """:param server_modules: name and module of each server (see rms)
        :param init: sets up the network, and starts the VNC process
        """
        self._end = end
        self._screen = screen
        self._init = init
        self._codec = control.LineCodec()
        self._outbox = lines.Outbox(end)
        self.log = self._outbox.log
        self.sessions = sessions_module.Sessions(self._outbox.put)
        self._woken = asyncio.Event()
        self.instance = instance_state.InstanceState()
        self.console = console_module.Console(
            lines.SerialLine(end, self._outbox, self._woken.set, self.poll),
            self.log,
            lambda function: asyncio.get_running_loop().call_soon(function),
            self.instance)
        self._input = lines.InputLine(end)
        self.serving = serving.Serving(
            server_modules, init, self.log, self._take, self._say_serving,
            self._fail)
        self._holding = False
        #: Offset at which the output begins that this start has; None: there
        #: is no host yet.
        self._begins_at: int | None = None
        self._broken = False    # the epoch could not be joined or was left
        self._trouble: str | None = None        # that was logged
        self._interval = wire.POLL_INTERVAL_S   # until the next poll
        #: What was raised outside of ``run``, and ends it.
        self._failure: BaseException | None = None

    def poll(self) -> None:
        """Poll the region: on each interrupt, and now and then."""
        changes = self._end.poll()
        self._broken = changes.broken is not None
        # First: pixels are not good after a freeze, and somebody waits.
        self._screen.poll(self._end, changes)
        if changes.broken not in (None, self._trouble):
            self.log('warning', f'the channel waits: {changes.broken}')
        self._trouble = changes.broken
        if changes.opened:
            self.instance.forget()
            if self._begins_at is None:
                self._begins_at = self._end.position(wire.Stream.SERIAL0_OUT)
        for gap in changes.gaps:
            self._report_gap(gap)
        # Always, not only if told so: a freeze and a resume leave bytes too.
        data = self._end.received(wire.Stream.SERIAL0_OUT)
        if data:
            self.console.output(data)
        for message in self._codec.feed(
                self._end.received(wire.Stream.CONTROL_TO_DOMAIN_R)):
            self._handle(message)
        self._outbox.flush()
        self.console.flush_input()
        if changes.opened:
            self._say_serving()
            self.sessions.say_all()

    def _report_gap(self, gap: changes_module.Gap) -> None:
        self.log('warning', f'{gap.count} bytes of {gap.stream.name.lower()} '
                 f'at {gap.at} are missing: {gap.reason}')
        if gap.stream is wire.Stream.SERIAL0_OUT:
            self.console.cut()
            self.console.tell_all(f'{gap.count} bytes of output are missing')

    def _handle(self, message: dict[str, Any]) -> None:
        if message['type'] == wire.CONFIG:
            self.serving.configure(message)
        elif message['type'] == wire.GAP:
            self._show_gap(message)
        elif message['type'] == wire.STATE:
            self.instance.told(message)
        elif message['type'] == wire.BOOT:
            self._begin_boot(message.get('number'))
        elif message['type'] == wire.END_SESSION:
            self.sessions.end(message.get('number'))

    def _begin_boot(self, number: object) -> None:
        """Say what was typed by now: it is not for what runs from now on."""
        self.console.drop_input()
        self._outbox.put({
            'type': wire.BOOT_HEARD, 'number': number,
            'at': self._end.position(wire.Stream.SERIAL0_IN)})

    def _show_gap(self, message: dict[str, Any]) -> None:
        """Tell the clients of a gap that the host found."""
        notice = notices.of_gap(message)
        if notice is None:
            return
        stream, at, ahead = wire.Stream.SERIAL0_OUT, message.get('at'), 0
        if message['stream'] == stream.name.lower() and type(at) is int:
            # The host may still have what was printed before.
            ahead = max(0, at - self._end.position(stream))
            if not ahead:
                self.console.cut()
        self.console.tell_all(notice, ahead)

    def _take(self, config: config_module.Config,
              context: rms.Context | None) -> rms.Context:
        """Take a configuration -> what its servers may use.

        :param context: that by the one before
        """
        # If it was started anew since, the console does not begin there.
        self.console.configure(
            config.scrollback_bytes, config.stall_ms, config.recorded,
            None if self._begins_at else config.evacuated_at)
        if context is not None:
            context.config = config
            return context
        return rms.Context(
            config, self.console, self._screen, self._input, self.log,
            self._clients_changed, self._init.start_vnc,
            self.sessions, self.instance)

    def _say_serving(self) -> None:
        message = self.serving.message()
        if message is not None:
            self._outbox.put(message)

    def _fail(self, error: BaseException) -> None:
        """Have ``run`` raise an error."""
        self._failure = error
        self._woken.set()

    def _clients_changed(self) -> None:
        self._say_serving()
        self._woken.set()       # the first one has it poll more often

    def _unexpected(self, loop: asyncio.AbstractEventLoop,
                    context: dict[str, Any]) -> None:
        """Exception handler of the loop, which would log and go on.

        A fault of one connection, or an accept for which something lacks, is
        not the agent's: no client can end it so.
        """
        loop.default_exception_handler(context)
        if 'handle' in context and 'exception' in context:
            self._fail(context['exception'])

    async def run(self, device: uio.UioDevice) -> None:
        """Serve for ever.

        :raises ChannelError: the channel cannot be used; start anew. Whatever
            else a callback of the loop raised is raised here, too.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        loop.add_reader(device.fileno(), self._rung, device)
        try:
            await self._poll_for_ever(loop)
        finally:
            loop.remove_reader(device.fileno())

    async def _poll_for_ever(self, loop: asyncio.AbstractEventLoop) -> None:
        holder = hold.Holder()
        while True:
            self.poll()
            self.console.tick(loop.time())
            self._holding = self._end.hold_wanted
            holder.want(self._holding)
            self._interval = self.interval()
            try:
                async with asyncio.timeout(self._interval):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            if self._failure is not None:
                raise self._failure

    def _rung(self, device: uio.UioDevice) -> None:
        device.acknowledge()
        try:
            # At once, not in the next turn of the loop.
            self.poll()
        except Exception as error:
            # The loop would log it and go on: ``run`` raises it.
            self._fail(error)
            return
        if (self._end.hold_wanted != self._holding
                or self.interval() < self._interval):
            self._woken.set()

    def interval(self) -> float:
        """Seconds after which to poll the region without an interrupt.

        Interrupts are rung for everything, but an arrival at a destination
        may lose one. Whoever was held or frozen for it, or has clients,
        polls often; nobody waits for a Domain R that is idle.
        """
        idle = (self._end.state is domr_end.DomainRState.OPEN
                and not self._broken and not self._end.hold_wanted
                and not any(server.clients
                            for server in self.serving.servers.values()))
        return wire.IDLE_POLL_INTERVAL_S if idle else wire.POLL_INTERVAL_S


async def _main() -> None:
    device = uio.UioDevice()
    region = region_module.Region(device.region)
    end = domr_end.DomainREnd(region, device.ring)
    screen = screen_module.Screen(region, device.ring)
    await Agent(end, screen, rms.modules(),
                supervisor.Supervisor.inherited()).run(device)


def main() -> int:
    """Entry point: runs until the channel breaks; returns an exit status."""
    asyncio.run(_main())
    return 1


if __name__ == '__main__':
    sys.exit(main())
