# SPDX-License-Identifier: Apache-2.0
"""The program of Domain R: joins the channel and runs the servers.

Started by the init of the image, and again when it ends. Then what was in
its memory is lost and its clients are cut, but the console comes back: the
host sees a new incarnation and opens a new epoch.
"""

import asyncio
import gc
import sys
import time
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
from nova_dmore.domr import screen as screen_module
from nova_dmore.domr import sessions as sessions_module
from nova_dmore.domr.servers import rms
from nova_dmore.domr import supervisor
from nova_dmore.domr import uio
from nova_dmore import wire

#: How long after the network could not be set up it is tried again; the host
#: says what it is to be in a new epoch alone.
RETRY_S = 5.0

#: What a person is told of the streams that a GAP message may name.
_NOTICES = {
    wire.Stream.SERIAL0_OUT.name.lower(): (
        '{} bytes of output are missing', 'output may be missing'),
    wire.Stream.SERIAL0_IN.name.lower(): (
        '{} bytes of input did not arrive', 'input may not have arrived')}


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
        self._modules = server_modules
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
        self.servers: dict[str, rms.Server] = {}
        #: Closed ones, whose clients stay.
        self._closed: list[rms.Server] = []
        self._context: rms.Context | None = None
        self._configuring = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._boot_s: float | None = None
        self._holding = False
        #: Offset at which the output begins that this start has; None: there
        #: is no host yet.
        self._begins_at: int | None = None
        self._broken = False    # the epoch could not be joined or was left
        self._trouble: str | None = None        # that was logged
        self._served: config_module.Config | None = None
        self._newest: dict[str, Any] | None = None  # CONFIG that is good
        #: Until that is tried again, if its network failed.
        self._retry: asyncio.TimerHandle | None = None
        self._network_trouble: str | None = None    # that was logged
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
            self._begin_configure(message)
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

    def _begin_configure(self, message: dict[str, Any],
                         again: bool = False) -> None:
        task = asyncio.get_running_loop().create_task(
            self._configure(message, again))
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """A task of the agent's own has no reason to fail."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._woken.set()

    def _show_gap(self, message: dict[str, Any]) -> None:
        """Tell the clients of a gap that the host found."""
        notice = notice_of(message)
        if notice is None:
            return
        stream, at, ahead = wire.Stream.SERIAL0_OUT, message.get('at'), 0
        if message['stream'] == stream.name.lower() and type(at) is int:
            # The host may still have what was printed before.
            ahead = max(0, at - self._end.position(stream))
            if not ahead:
                self.console.cut()
        self.console.tell_all(notice, ahead)

    async def _configure(self, message: dict[str, Any],
                         again: bool = False) -> None:
        """Serve as a CONFIG message says; repeating one changes nothing.

        They come one after the other, in their order, and the newest good one
        is tried until there is a network.

        :param again: its network failed before
        """
        async with self._configuring:
            if again and message is not self._newest:
                return      # a newer one came at that moment
            try:
                config = config_module.parse(message)
            except config_module.ConfigError as error:
                self.log('warning', f'the configuration is refused: {error}')
                return
            self._newest = message
            if self._retry is not None:
                self._retry.cancel()
                self._retry = None
            # If it was started anew since, the console does not begin there.
            self.console.configure(
                config.scrollback_bytes, config.stall_ms, config.recorded,
                None if self._begins_at else config.evacuated_at)
            old = self._served
            if self._context is None:
                self._context = rms.Context(
                    config, self.console, self._screen, self._input, self.log,
                    self._clients_changed, self._init.start_vnc,
                    self.sessions, self.instance)
            self._context.config = config
            try:
                if old is None or _listeners(old) != _listeners(config):
                    await self._restart(config, old)
                else:
                    await self._set_up_network(config, old)
                    if config != old:
                        await self._reconfigure()
            except (supervisor.NetworkError, OSError) as error:
                # So that the same message tries again.
                self._served = None
                self._network_failed(ascii(str(error)))
                self._retry = asyncio.get_running_loop().call_later(
                    RETRY_S, self._begin_configure, message, True)
                return
            self._network_trouble = None
            self._served = config
            self._say_serving()

    def _network_failed(self, trouble: str) -> None:
        """Log it, but not again each time that it is tried."""
        if trouble != self._network_trouble:
            self.log('warning', f'network: {trouble}; it is tried again '
                     f'every {RETRY_S:g} s')
        self._network_trouble = trouble

    async def _restart(self, config: config_module.Config,
                       old: config_module.Config | None) -> None:
        assert self._context is not None
        for server in self.servers.values():
            await server.close()
        self._closed += self.servers.values()
        self.servers.clear()
        await self._set_up_network(config, old)
        await self._reconfigure()
        if self.servers and self._boot_s is None:
            self._boot_s = round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)
        # What was loaded stays: spare the collector, and the pages that its
        # marks would dirty during a migration.
        gc.collect()
        gc.freeze()

    async def _start(self) -> None:
        """Start the servers that do not run."""
        assert self._context is not None
        for name, module in self._modules.items():
            if name in self.servers:
                continue
            try:
                self.servers[name] = await rms.start(module, self._context)
            except (OSError, ValueError, ImportError) as error:
                self.log('warning', f'server {name}: {ascii(error)}')

    async def _reconfigure(self) -> None:
        """Tell the servers; start those that could not be started before."""
        self._closed = [each for each in self._closed if each.clients]
        for name, server in [*self.servers.items(), *(
                ('before', each) for each in self._closed)]:
            try:
                server.reconfigure()
            except (OSError, ValueError) as error:
                self.log('warning', f'server {name} goes on as before: '
                         f'{ascii(error)}')
        await self._start()

    async def _set_up_network(self, config: config_module.Config,
                              old: config_module.Config | None) -> None:
        """Unless all of it, who may reach what included, is as it was."""
        if old is None or (supervisor.network_request(old)
                           != supervisor.network_request(config)):
            await self._init.set_up_network(config)

    def _say_serving(self) -> None:
        if not self.servers:
            return
        message = {'type': wire.SERVING, 'boot_s': self._boot_s,
                   'memory_kib': memory_used_kib(), 'ends_sessions': 1,
                   'hears_boots': 1}
        if self._context is not None and self._context.config.recorded:
            message['tells_recording'] = 1
        for name, server in self.servers.items():
            message[name] = server.clients
        self._outbox.put(message)

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
            self._failure = context['exception']
            self._woken.set()

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
            self._failure = error
            self._woken.set()
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
                            for server in self.servers.values()))
        return wire.IDLE_POLL_INTERVAL_S if idle else wire.POLL_INTERVAL_S


def notice_of(message: dict[str, Any]) -> str | None:
    """What a GAP message says to the clients, in their stream of bytes.

    None when they are told nothing: of bytes that perhaps arrived nothing is
    known to be lost (a byte of input that was not taken is sent again), so
    that is left to the host's log and notifications.
    """
    known, unknown = _NOTICES.get(str(message.get('stream')), (None, None))
    count = message.get('bytes')
    match message.get('kind'):
        case wire.GapKind.EXACT if known and type(count) is int:
            return known.format(count)
        case wire.GapKind.UNKNOWN | wire.GapKind.EXACT:
            return unknown
        case _:
            return None


def _listeners(config: config_module.Config) -> tuple[Any, ...]:
    """What of a configuration has all servers listen anew if it changes."""
    return (config.mac, config.address, config.gateway, config.mtu,
            config.host_key, config.ssh_port, config.serial_port,
            config.vnc and config.vnc.port)


def memory_used_kib(meminfo: str = '/proc/meminfo') -> int:
    """Memory of this machine that is in use and cannot be reclaimed."""
    fields = {}
    with open(meminfo) as file:
        for line in file:
            name, _, value = line.partition(':')
            fields[name] = int(value.split()[0])
    return fields['MemTotal'] - fields['MemAvailable']


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
