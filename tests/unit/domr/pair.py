# SPDX-License-Identifier: Apache-2.0
"""A host end, a region and an agent in one process, for tests."""

import asyncio
import contextlib
import mmap
import os
import socket
import unittest
from collections.abc import Callable
from typing import Any

import asyncssh

from nova_dmore.channel import control
from nova_dmore.channel import display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.domr import agent
from nova_dmore.domr import config as config_module
from nova_dmore.domr import screen
from nova_dmore.domr.servers import rms
from nova_dmore.domr import supervisor
from nova_dmore import wire

SERVERS = {'ssh': 'nova_dmore.domr.servers.ssh',
           'serial': 'nova_dmore.domr.servers.serial_tcp'}
UUID = '6f1c7a3c-0b56-4a06-9d0b-0f9d5c2a1e11'


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def config(**changes: Any) -> dict[str, Any]:
    """A valid CONFIG message for servers on 127.0.0.1."""
    return {
        'type': wire.CONFIG, 'instance_uuid': UUID, 'instance_name': 'web-1',
        'host_key': asyncssh.generate_private_key(
            'ssh-ed25519').export_private_key().decode(),
        'authorized_keys': [], 'address': '127.0.0.1/8', 'gateway': None,
        'mac': '52:54:00:12:34:56', 'mtu': 1500, 'ssh_port': free_port(),
        'serial_port': free_port(), 'serial_networks': ['127.0.0.0/8'],
        'scrollback_bytes': 65536, 'stall_ms': 2000, 'vnc': None,
        **changes}


def vnc(**changes: Any) -> dict[str, Any]:
    """A valid ``vnc`` field for 127.0.0.1."""
    return {'port': free_port(), 'proxy_networks': ['127.0.0.1/32'],
            'direct_networks': [], 'password': None,
            'view_only_password': None, 'tls': None, **changes}


class Device:
    """Stands for the UIO device: interrupts are an eventfd.

    :ivar loses: interrupts do not arrive, as may be at a destination
    """

    def __init__(self) -> None:
        self.loses = False
        self._event = os.eventfd(0, os.EFD_NONBLOCK)

    def fileno(self) -> int:
        return self._event

    def acknowledge(self) -> None:
        with contextlib.suppress(BlockingIOError):  # as the real one does
            os.eventfd_read(self._event)

    def interrupt(self, vector: wire.Vector) -> None:
        if not self.loses:
            os.eventfd_write(self._event, 1)

    def close(self) -> None:
        os.close(self._event)


async def ended(reader: asyncio.StreamReader, seconds: float = 5) -> bool:
    """Whether a connection is ended by the server in this time."""
    with contextlib.suppress(ConnectionError):
        try:
            async with asyncio.timeout(seconds):
                await reader.read()
        except TimeoutError:
            return False
    return True


class NoInit:
    """Stands for init: the loopback interface needs no set-up.

    :ivar configs: for which the network was asked for
    :ivar problem: why that fails from now on
    """

    def __init__(self,
                 start: Callable[[], socket.socket] | None = None) -> None:
        """:param start: starts a VNC process; None: there can be none"""
        self.configs: list[config_module.Config] = []
        self.problem: str | None = None
        self._start = start

    async def set_up_network(self, config: config_module.Config) -> None:
        self.configs.append(config)
        if self.problem is not None:
            raise supervisor.NetworkError(self.problem)

    def start_vnc(self) -> socket.socket:
        if self._start is None:
            raise supervisor.VncError('no VNC process in this test')
        return self._start()


class Pair:
    """An agent with its host; use as an asynchronous context manager.

    :ivar messages: what the agent sent to the host
    :ivar broken: why the host gave an epoch up
    :ivar typed: what the instance's serial device was given
    :ivar events: what its keyboard and pointer were given
    :ivar display: writes the instance's picture
    :ivar device: the agent's device
    :ivar init: what the agent takes for init
    """

    def __init__(self, message: dict[str, Any],
                 servers: dict[str, str] = SERVERS,
                 start_vnc: Callable[[int], socket.socket] | None = None,
                 region_size: int = wire.REGION_SIZE) -> None:
        """:param start_vnc: is given the file of the region"""
        self.config = message
        self.messages: list[dict[str, Any]] = []
        self.typed = b''
        self.events: list[input_event.Event] = []
        self.taking = True
        self.broken: list[str] = []
        self.waiting_output = bytearray()
        self.device = Device()
        # At one page, as it is in the device's file.
        self.file = os.memfd_create('region', os.MFD_CLOEXEC)
        os.ftruncate(self.file, mmap.PAGESIZE + region_size)
        memory = mmap.mmap(self.file, region_size, offset=mmap.PAGESIZE)
        self.init = NoInit(
            None if start_vnc is None else lambda: start_vnc(self.file))
        self.host = host_end.HostEnd(
            region.Region(memory), self.device.interrupt,
            journal.Journal(bytearray(
                journal.journal_size(journal.RETAIN_LIMITS))))
        self.display = display.HostDisplay(region.Region(memory))
        self._memory = memory
        self.end = domr_end.DomainREnd(region.Region(memory),
                                       lambda vector: None)
        self.agent = agent.Agent(self.end, self.screen(), servers,
                                 self.init)
        self._codec = control.LineCodec()

    def ring(self, vector: wire.Vector) -> None:
        """Interrupt the agent."""
        self.device.interrupt(vector)

    @property
    def servers(self) -> dict[str, rms.Server]:
        """Those that the agent runs, by name."""
        return self.agent.serving.servers

    def screen(self) -> screen.Screen:
        """A screen as an agent begins with it."""
        return screen.Screen(region.Region(self._memory), lambda vector: None)

    async def __aenter__(self) -> 'Pair':
        self.host.open(None)
        self.send(self.config)
        self._tasks = [asyncio.create_task(self.agent.run(self.device)),
                       asyncio.create_task(self._run_host())]
        await self.until(lambda: self.said(wire.SERVING))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self.servers.values():
            await server.close()
        asyncio.get_running_loop().remove_reader(self.device.fileno())
        self.device.close()
        os.close(self.file)

    async def _run_host(self) -> None:
        while True:
            self.step()
            await asyncio.sleep(0.002)

    def step(self) -> None:
        """One poll of the host: output goes in, input and messages come."""
        changes = self.host.poll()
        if changes.broken is not None:
            self.broken.append(changes.broken)
        room = self.host.room(wire.Stream.SERIAL0_OUT)
        if self.waiting_output and room:
            self.host.produce(wire.Stream.SERIAL0_OUT,
                              bytes(self.waiting_output[:room]))
            del self.waiting_output[:room]
        if self.taking:
            data = self.host.readable(wire.Stream.SERIAL0_IN)
            self.typed += data
            self.host.take(wire.Stream.SERIAL0_IN, len(data))
            records = self.host.readable(wire.Stream.INPUT0_IN)
            size = wire.INPUT_RECORD_SIZE
            self.events += [input_event.unpack(records[at:at + size])
                            for at in range(0, len(records), size)]
            self.host.take(wire.Stream.INPUT0_IN, len(records))
        data = self.host.readable(wire.Stream.CONTROL_TO_HOST)
        messages, used = self._codec.decode(data)
        self.host.take(wire.Stream.CONTROL_TO_HOST, used)
        self.messages += messages

    def send(self, message: dict[str, Any]) -> None:
        """Send a control message to the agent."""
        self.host.produce(wire.Stream.CONTROL_TO_DOMAIN_R,
                          control.encode(message))

    def print(self, data: bytes) -> None:
        """The instance prints."""
        self.waiting_output += data

    def said(self, kind: str) -> list[dict[str, Any]]:
        """The agent's messages of a type."""
        return [each for each in self.messages if each['type'] == kind]

    def logged(self, text: str) -> list[str]:
        """The agent's log lines that have a text in them."""
        return [each['text'] for each in self.said(wire.LOG)
                if text in each['text']]

    async def until(self, condition: Any, seconds: float = 10) -> None:
        """Wait until a condition holds.

        :raises TimeoutError: it does not
        """
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)


class PairTestCase(unittest.IsolatedAsyncioTestCase):
    """Runs pairs, and ends them."""

    async def _pair(self, **changes: object) -> Pair:
        running = Pair(config(**changes))
        await self.enterAsyncContext(running)
        return running
