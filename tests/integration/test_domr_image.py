# SPDX-License-Identifier: Apache-2.0
"""Boots the image in QEMU (TCG) and uses the console over SSH and TCP."""

import asyncio
import mmap
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import unittest
from typing import Any

import asyncssh

from nova_dmore.channel import control
from nova_dmore.channel import display
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import ivshmem
from nova_dmore.channel.host import journal
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.image_builder import build
from nova_dmore.image_builder import cli
from nova_dmore.image_builder import root
from nova_dmore import image_file
from nova_dmore import wire
from tests.integration import rfb
from tests.unit.domr import pair

BOOT_LIMIT_S = 60
MAC = '52:54:00:12:34:56'
_KEY = asyncssh.generate_private_key('ssh-ed25519')
HOST_KEY = asyncssh.generate_private_key(
    'ssh-ed25519').export_private_key().decode()


WIDTH, HEIGHT = 1920, 1080


def noise(seed: int) -> bytes:
    """A picture that no encoder makes small, other than that of a seed."""
    return random.Random(seed).randbytes(WIDTH * 4) * HEIGHT


def setUpModule() -> None:
    """Build the image, or find the one that was built."""
    if os.geteuid() != 0 or shutil.which('qemu-system-x86_64') is None:
        raise unittest.SkipTest('needs root and QEMU')
    global _image
    _image = build.build(cli.DEFAULT_OUTPUT, print)


class Machine:
    """Domain R in QEMU, with its host end; an asynchronous context."""

    def __init__(self, image: pathlib.Path, directory: pathlib.Path) -> None:
        self.manifest = image_file.unpack(image, directory / 'image')
        self.directory = directory
        self.ssh_port, self.serial_port = pair.free_port(), pair.free_port()
        self.vnc_port = pair.free_port()
        self.output = bytearray()
        self.typed = bytearray()
        self.messages: list[dict[str, Any]] = []
        self._codec = control.LineCodec()
        self._memfd = os.memfd_create('region')
        os.ftruncate(self._memfd, wire.REGION_SIZE)
        self._host_events = ivshmem.make_eventfds()
        self._domain_r_events = ivshmem.make_eventfds()
        self.memory = mmap.mmap(self._memfd, wire.REGION_SIZE)
        self.host = host_end.HostEnd(
            region.Region(self.memory), self._ring,
            journal.Journal(bytearray(journal.journal_size())))
        self.display = display.HostDisplay(region.Region(self.memory))
        self.picture = noise(0)
        self.events: list[input_event.Event] = []

    def _ring(self, vector: wire.Vector) -> None:
        os.eventfd_write(self._domain_r_events[vector], 1)

    def arguments(self) -> list[str]:
        files = self.directory / 'image'
        return [
            'qemu-system-x86_64', '-accel', 'tcg', '-machine', 'pc,usb=off',
            '-cpu', 'qemu64', '-m', str(self.manifest.memory_mib),
            '-nodefaults', '-display', 'none', '-no-reboot',
            '-kernel', str(files / image_file.KERNEL),
            '-initrd', str(files / image_file.INITRD),
            '-append', self.manifest.command_line,
            '-drive', f'file={files / image_file.ROOT},format=raw,if=none,'
            'id=root,readonly=on', '-device', 'virtio-blk-pci,drive=root',
            '-object', 'rng-random,filename=/dev/urandom,id=rng',
            '-device', 'virtio-rng-pci,rng=rng',
            '-device', f'virtio-net-pci,netdev=net,romfile=,mac={MAC}',
            '-chardev', f'socket,id=ivs,path={self.directory}/ivshmem.sock',
            '-device', 'ivshmem-doorbell,chardev=ivs,vectors=4,master=on',
            '-serial', f'file:{self.directory}/console.log',
            *self.network()]

    def network(self) -> list[str]:
        """QEMU's arguments for the network, which has the id ``net``."""
        return [
            '-netdev', 'user,id=net,'
            f'hostfwd=tcp:127.0.0.1:{self.ssh_port}-10.0.2.15:22,'
            f'hostfwd=tcp:127.0.0.1:{self.serial_port}-10.0.2.15:7000,'
            f'hostfwd=tcp:127.0.0.1:{self.vnc_port}-10.0.2.15:5900']

    async def __aenter__(self) -> 'Machine':
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.directory / 'ivshmem.sock'))
        listener.listen(1)
        self.process = await asyncio.create_subprocess_exec(
            *self.arguments())
        listener.setblocking(False)
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        listener.close()
        self.ivshmem = ivshmem.IvshmemServer(
            self._memfd, self._host_events, self._domain_r_events)
        self.ivshmem.connected(connection)
        self.host.open()
        for descriptor in self._host_events:
            asyncio.get_running_loop().add_reader(
                descriptor, self._rung, descriptor)
        self._poller = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._poller.cancel()
        for descriptor in self._host_events:
            asyncio.get_running_loop().remove_reader(descriptor)
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        self.ivshmem.disconnected()

    def _rung(self, descriptor: int) -> None:
        os.eventfd_read(descriptor)
        self._step()

    async def _poll(self) -> None:
        while True:
            self._step()
            await asyncio.sleep(wire.POLL_INTERVAL_S)

    def _step(self) -> None:
        changes = self.host.poll()
        if changes.broken is not None:
            self.host.open()
        if changes.opened:
            self.host.produce(wire.Stream.CONTROL_TO_DOMAIN_R,
                              control.encode(self.config()))
        room = self.host.room(wire.Stream.SERIAL0_OUT)
        if self.output and room:
            self.host.produce(wire.Stream.SERIAL0_OUT,
                              bytes(self.output[:room]))
            del self.output[:room]
        data = self.host.readable(wire.Stream.SERIAL0_IN)
        self.typed += data
        self.host.take(wire.Stream.SERIAL0_IN, len(data))
        records = self.host.readable(wire.Stream.INPUT0_IN)
        for at in range(0, len(records), wire.INPUT_RECORD_SIZE):
            self.events.append(input_event.unpack(
                records[at:at + wire.INPUT_RECORD_SIZE]))
        self.host.take(wire.Stream.INPUT0_IN, len(records))
        if (self.host.state is host_end.HostState.OPEN
                and self.display.viewers and not self.display.is_open):
            self.paint(self.picture)
        messages, used = self._codec.decode(
            self.host.readable(wire.Stream.CONTROL_TO_HOST))
        self.host.take(wire.Stream.CONTROL_TO_HOST, used)
        self.messages += messages

    def paint(self, pixels: bytes) -> None:
        """Show a picture, all of it anew."""
        self.picture = pixels
        self.display.set_mode(WIDTH, HEIGHT)
        self.display.framebuffer[:len(pixels)] = pixels
        self.display.open(self.host.epoch, [(0, 0, WIDTH, HEIGHT)])
        self._ring(wire.Vector.DISPLAY)

    def config(self) -> dict[str, Any]:
        """What Domain R is told: the addresses of QEMU's user network."""
        return {**pair.config(), 'host_key': HOST_KEY,
                'authorized_keys': [_KEY.export_public_key().decode()],
                'address': '10.0.2.15/24', 'gateway': '10.0.2.2', 'mac': MAC,
                'ssh_port': 22, 'serial_port': 7000,
                'serial_networks': ['10.0.2.2/32'],
                'vnc': pair.vnc(port=5900, proxy_networks=['10.0.2.2/32'])}

    def serving(self) -> dict[str, Any] | None:
        """The last SERVING message."""
        said = [each for each in self.messages
                if each['type'] == wire.SERVING]
        return said[-1] if said else None

    async def until(self, condition: Any, seconds: float = 20) -> None:
        """Wait; a failure shows what Domain R printed."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            log = (self.directory / 'console.log').read_text(
                errors='replace')
            raise AssertionError(f'{self.messages}\n{log}') from error


class VersionTest(unittest.TestCase):
    """The unit tests of the SSH console show something of the image."""

    def test_asyncssh_is_that_of_the_tests(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            image_file.unpack(_image, pathlib.Path(folder, 'image'))
            text = subprocess.run(
                ['unsquashfs', '-cat',
                 pathlib.Path(folder, 'image', image_file.ROOT),
                 f'{root.DEBIAN_PYTHON}/asyncssh/version.py'],
                check=True, capture_output=True, text=True).stdout
        self.assertIn(f"__version__ = '{asyncssh.__version__}'\n", text,
                      'change that in constraints.txt')


class ImageTest(unittest.IsolatedAsyncioTestCase):
    """One machine for all: booting is what takes long."""

    async def _boot(self) -> Machine:
        directory = pathlib.Path(tempfile.mkdtemp(prefix='dmore-'))
        self.addCleanup(shutil.rmtree, directory)
        machine = Machine(_image, directory)
        await self.enterAsyncContext(machine)
        await machine.until(lambda: machine.serving(), BOOT_LIMIT_S)
        return machine

    async def test_console(self) -> None:
        machine = await self._boot()
        serving = machine.serving()
        assert serving is not None
        print(f'Domain R: {serving["boot_s"]} s to the first server, '
              f'{serving["memory_kib"] / 1024:.1f} MiB used of '
              f'{machine.manifest.memory_mib} MiB')
        self.assertLessEqual(machine.manifest.memory_mib, 128)
        connection = await asyncssh.connect(
            '127.0.0.1', machine.ssh_port, username='x', client_keys=[_KEY],
            known_hosts=None, config=None, agent_path=None)
        self.addAsyncCleanup(connection.wait_closed)
        self.addCleanup(connection.abort)
        self.assertEqual(
            asyncssh.import_private_key(HOST_KEY).public_data,
            connection.get_server_host_key().public_data)
        process = await connection.create_process(encoding=None)
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', machine.serial_port)
        self.addCleanup(writer.close)
        await machine.until(lambda: (machine.serving()['ssh'] == 1
                                     and machine.serving()['serial'] == 1))
        text = b''.join(b'%07d\n' % number for number in range(50000))
        machine.output += text
        keys = b''
        for number in range(5):     # in the middle of it, five new epochs
            process.stdin.write(b'<%d>' % number)
            keys += b'<%d>' % number
            await machine.until(
                lambda: machine.host.state is host_end.HostState.OPEN)
            machine.host.freeze()
            await machine.until(lambda: machine.host.acknowledged)
            machine.host.open()
        got = await asyncio.wait_for(asyncio.gather(
            process.stdout.readexactly(len(text)),
            reader.readexactly(len(text))), 60)
        self.assertEqual([text, text], got)
        await machine.until(lambda: machine.typed == keys)
        writer.write(b'raw')
        await machine.until(lambda: machine.typed == keys + b'raw')
        await self._check_vnc(machine)
        print('all clients attached: '
              f'{machine.serving()["memory_kib"] / 1024:.1f} MiB used')

    async def _check_vnc(self, machine: Machine) -> None:
        client = await rfb.connect(machine.vnc_port)
        self.addAsyncCleanup(client.close)
        self.assertEqual((WIDTH, HEIGHT), (client.width, client.height))
        self.assertEqual(f'web-1 ({pair.UUID})', client.name)
        client.request(incremental=False)
        await client.update_to(machine.picture, 30)
        machine.host.freeze()
        await machine.until(lambda: machine.host.acknowledged)
        client.type('a')
        machine.host.open()
        await machine.until(
            lambda: machine.host.state is host_end.HostState.OPEN)
        machine.paint(noise(1))
        await client.update_to(machine.picture, 30)
        client.pointer(0, WIDTH - 1, 0)
        await machine.until(lambda: len(machine.events) == 3)
        self.assertEqual([
            input_event.Key(0x1e, True), input_event.Key(0x1e, False),
            input_event.Pointer(0, (WIDTH - 1) * 0x7fff // WIDTH, 0)],
            machine.events)
        await machine.until(lambda: machine.serving()['vnc'] == 1)
