# SPDX-License-Identifier: Apache-2.0
"""Domain R with a way to read it from inside, on a network that a test owns.

The image is built as ever; what reads it is put into a copy of it.
"""

import asyncio
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
from collections.abc import Callable
from typing import Any, TypeVar

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory import namespaces
from nova_dmore.channel import control
from nova_dmore.image_builder import root
from nova_dmore import image_file
from nova_dmore import wire
from tests.integration import inside_probe
from tests.integration import test_domr_image
from tests.unit.domr import pair

HERE = pathlib.Path(__file__).parent
PROBE = 'probe'
BUSYBOX = f'/{PROBE}/busybox'
ADDRESS, ADDRESS6 = '192.0.2.15', 'fd00::15'
#: Of the machine next to it: may use all ports, and SSH alone.
ALLOWED, OTHER = inside_probe.NEIGHBOUR, '192.0.2.99'
ALLOWED6, OTHER6 = 'fd00::1', 'fd00::99'

#: In the place of init: a shell that stays root, then init itself.
_INIT = f'''#!{BUSYBOX} sh
{BUSYBOX} sh /{PROBE}/shell &
exec /{root.AGENT}/{root.INIT}
'''
_SHELL = f'''{BUSYBOX} stty -F /dev/ttyS1 raw -echo
while :; do
    {BUSYBOX} sh /dev/ttyS1 >/dev/ttyS1 2>&1 </dev/null
done
'''
_ETH_P_ALL = 3

Result = TypeVar('Result')


def open_image(image: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Copy an image so that it can be read from inside; returns the file."""
    members, tree = directory / 'members', directory / 'tree'
    manifest = image_file.unpack(image, members)
    subprocess.run(['unsquashfs', '-q', '-n', '-d', tree,
                    members / image_file.ROOT], check=True,
                   stdout=subprocess.DEVNULL)
    (tree / PROBE).mkdir()
    shutil.copy('/bin/busybox', tree / PROBE)
    (tree / 'sbin/init').unlink()
    for path, text in (('sbin/init', _INIT), (f'{PROBE}/shell', _SHELL),
                       (f'{PROBE}/none.ko', '\0' * 4096)):
        (tree / path).write_text(text)
        (tree / path).chmod(0o755)
    agent = tree / root.AGENT
    shutil.copy(inside_probe.__file__, agent / 'inside_probe.py')
    subprocess.run(['gcc', '-O1', HERE / 'inside_vnc.c', '-o',
                    agent / 'nova-dmore-vnc'], check=True)
    servers = (tree / root.RMS_FILE).read_text().splitlines()
    (tree / root.RMS_FILE).write_text('\n'.join(
        [line for line in servers if not line.startswith('vnc ')]
        + ['probe = inside_probe\n']))
    (members / image_file.ROOT).unlink()
    subprocess.run(['mksquashfs', tree, members / image_file.ROOT, '-quiet',
                    '-no-progress', '-all-root', '-comp', 'lz4'], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    sha256 = {**manifest.sha256, image_file.ROOT: image_file.digest(
        members / image_file.ROOT)}
    target = directory / 'opened.tar'
    image_file.pack(members, dataclasses.replace(manifest, sha256=sha256),
                    target)
    return target


class Namespace:
    """A network of its own with one device, for QEMU and the test.

    :ivar frames: what the machine with ``test_domr_image.MAC`` sent
    """

    TAP = 'tap0'

    def __init__(self) -> None:
        self.name = f'dmore-inside-{os.getpid()}'
        self.frames: list[bytes] = []

    async def __aenter__(self) -> 'Namespace':
        subprocess.run(['ip', 'netns', 'add', self.name], check=True)
        for arguments in (
                f'tuntap add {self.TAP} mode tap',
                f'addr add {ALLOWED}/24 dev {self.TAP}',
                f'addr add {OTHER}/24 dev {self.TAP}',
                f'addr add {ALLOWED6}/64 dev {self.TAP} nodad',
                f'addr add {OTHER6}/64 dev {self.TAP} nodad',
                f'link set {self.TAP} up', 'link set lo up'):
            subprocess.run(['ip', '-n', self.name, *arguments.split()],
                           check=True)
        self.packets = self.run(self._packet_socket)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.packets, self._seen)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._loop.remove_reader(self.packets)
        self.packets.close()
        subprocess.run(['ip', 'netns', 'del', self.name], check=True)

    def _packet_socket(self) -> socket.socket:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                socket.htons(_ETH_P_ALL))
        packets.bind((self.TAP, _ETH_P_ALL))
        packets.setblocking(False)
        return packets

    def _seen(self) -> None:
        frame = self.packets.recv(65536)
        if frame[6:12] == bytes.fromhex(
                test_domr_image.MAC.replace(':', '')):
            self.frames.append(frame)

    def run(self, function: Callable[[], Result]) -> Result:
        """Call a function in the namespace; sockets it makes stay there."""
        with namespaces.network(self.name):
            return function()

    async def connect(self, source: str, target: str, port: int,
                      seconds: float = 3) -> socket.socket | None:
        """A TCP connection, None if nothing answers in time.

        :raises ConnectionRefusedError: that is the answer
        """
        def make() -> socket.socket:
            sock = socket.socket(socket.AF_INET6 if ':' in source
                                 else socket.AF_INET)
            sock.bind((source, 0))
            sock.setblocking(False)
            return sock

        sock = self.run(make)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_connect(
                    sock, (target, port))
            return sock
        except OSError as error:
            sock.close()
            if isinstance(error, TimeoutError):
                return None
            raise

    def send(self, frame: bytes) -> None:
        """Put a frame on the wire, from the device's own address."""
        self.packets.send(frame)


class Machine(test_domr_image.Machine):
    """Domain R from an opened image, in a namespace.

    :ivar changes: fields of the CONFIG message other than the first ones
    """

    def __init__(self, image: pathlib.Path, directory: pathlib.Path,
                 namespace: Namespace) -> None:
        super().__init__(image, directory)
        self.namespace = namespace
        self.changes: dict[str, Any] = {}
        self._commands = 0

    def arguments(self) -> list[str]:
        return ['ip', 'netns', 'exec', self.namespace.name,
                *super().arguments(),
                '-serial', f'unix:{self.directory}/shell,server=on,wait=off']

    def network(self) -> list[str]:
        return ['-netdev', f'tap,id=net,ifname={Namespace.TAP},script=no,'
                'downscript=no']

    def config(self) -> dict[str, Any]:
        return {**super().config(), 'address': f'{ADDRESS}/24',
                'gateway': ALLOWED, 'serial_networks': [f'{ALLOWED}/32'],
                'vnc': pair.vnc(port=5900, proxy_networks=[f'{ALLOWED}/32']),
                **self.changes}

    def configure(self, **changes: Any) -> None:
        """Send another CONFIG message; nothing tells when it is served."""
        self.changes = changes
        self.host.produce(wire.Stream.CONTROL_TO_DOMAIN_R,
                          control.encode(self.config()))

    async def shell(self, command: str, seconds: float = 120) -> str:
        """What a command of root prints; ``B`` is its busybox."""
        if not self._commands:
            self._reader, self._writer = await asyncio.open_unix_connection(
                str(self.directory / 'shell'))
        self._commands += 1
        end = f'END-{self._commands}'
        self._writer.write(f'B={BUSYBOX}\n{command}\n$B echo {end}\n'
                           .encode())
        async with asyncio.timeout(seconds):
            text = await self._reader.readuntil(f'{end}\n'.encode())
        return text.decode(errors='replace').removesuffix(f'{end}\n')

    def probed(self) -> dict[str, str]:
        """What the probe in the agent has logged."""
        return dict(each['text'].removeprefix('probe ').split(None, 1)
                    for each in self.messages if each['type'] == wire.LOG
                    and each['text'].startswith('probe '))
