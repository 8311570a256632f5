# SPDX-License-Identifier: Apache-2.0
"""What a Domain R serves: its network and its servers, as CONFIG says."""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

from nova_dmore.domr import config as config_module
from nova_dmore.domr import console as console_module
from nova_dmore.domr.servers import rms
from nova_dmore.domr import supervisor
from nova_dmore import wire

#: How long after the network could not be set up it is tried again; the host
#: says what it is to be in a new epoch alone.
RETRY_S = 5.0


class Serving:
    """The servers of an agent.

    :param modules: name and module of each server (see rms)
    :param init: sets up the network
    :param take: is given each configuration that is good, with what the
        servers may use by the one before, if any; returns what they may use
    :param serves: called when what is served has changed
    :param failed: called with an error that nobody expects

    :ivar servers: those that run, by name
    """

    def __init__(self, modules: dict[str, str], init: supervisor.Supervisor,
                 log: console_module.Log,
                 take: Callable[[config_module.Config, rms.Context | None],
                                rms.Context],
                 serves: Callable[[], None],
                 failed: Callable[[BaseException], None]) -> None:
        self._modules = modules
        self._init = init
        self._log = log
        self._take = take
        self._serves = serves
        self._failed = failed
        self.servers: dict[str, rms.Server] = {}
        #: Closed ones, whose clients stay.
        self._closed: list[rms.Server] = []
        self._context: rms.Context | None = None
        self._configuring = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        #: When the servers began, in seconds after the boot.
        self._boot_s: float | None = None
        self._served: config_module.Config | None = None
        self._newest: dict[str, Any] | None = None  # CONFIG that is good
        #: Until that is tried again, if its network failed.
        self._retry: asyncio.TimerHandle | None = None
        self._network_trouble: str | None = None    # that was logged

    def configure(self, message: dict[str, Any], again: bool = False) -> None:
        """Begin to serve as a CONFIG message says.

        :param again: its network failed before
        """
        task = asyncio.get_running_loop().create_task(
            self._configure(message, again))
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        """A task of the agent's own has no reason to fail."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    async def _configure(self, message: dict[str, Any],
                         again: bool = False) -> None:
        """Serve as a CONFIG message says; repeating one changes nothing.

        They come one after the other, in their order, and the newest good one
        is tried until there is a network.
        """
        async with self._configuring:
            if again and message is not self._newest:
                return      # a newer one came at that moment
            try:
                config = config_module.parse(message)
            except config_module.ConfigError as error:
                self._log('warning', f'the configuration is refused: {error}')
                return
            self._newest = message
            if self._retry is not None:
                self._retry.cancel()
                self._retry = None
            self._context = self._take(config, self._context)
            old = self._served
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
                    RETRY_S, self.configure, message, True)
                return
            self._network_trouble = None
            self._served = config
            self._serves()

    def _network_failed(self, trouble: str) -> None:
        """Log it, but not again each time that it is tried."""
        if trouble != self._network_trouble:
            self._log('warning', f'network: {trouble}; it is tried again '
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
                self._log('warning', f'server {name}: {ascii(error)}')

    async def _reconfigure(self) -> None:
        """Tell the servers; start those that could not be started before."""
        self._closed = [each for each in self._closed if each.clients]
        for name, server in [*self.servers.items(), *(
                ('before', each) for each in self._closed)]:
            try:
                server.reconfigure()
            except (OSError, ValueError) as error:
                self._log('warning', f'server {name} goes on as before: '
                          f'{ascii(error)}')
        await self._start()

    async def _set_up_network(self, config: config_module.Config,
                              old: config_module.Config | None) -> None:
        """Unless all of it, who may reach what included, is as it was."""
        if old is None or (supervisor.network_request(old)
                           != supervisor.network_request(config)):
            await self._init.set_up_network(config)

    def message(self) -> dict[str, Any] | None:
        """The SERVING message; None: nothing is served yet."""
        if not self.servers:
            return None
        message = {'type': wire.SERVING, 'boot_s': self._boot_s,
                   'memory_kib': memory_used_kib(), 'ends_sessions': 1,
                   'hears_boots': 1}
        if self._context is not None and self._context.config.recorded:
            message['tells_recording'] = 1
        for name, server in self.servers.items():
            message[name] = server.clients
        return message


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
