# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""One instance whose picture is shown by QEMU itself and by a Domain R, both
at the same time. It is not known to libvirt or Nova."""

import contextlib
import os
import pathlib
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence

import asyncssh

from nova_dmore import image_file
from nova_dmore.shadow import client, spawn
from nova_dmore import wire
from testbedlib.layout import Layout
from testbedlib.progress import Failure
from vnclib import rfb

_QEMU = 'qemu-system-x86_64'
_PROCESSORS = {'tcg': ('-accel', 'tcg,tb-size=128', '-cpu', 'qemu64'),
               'kvm': ('-accel', 'kvm', '-cpu', 'host')}
#: The only network of this process is that between us and Domain R.
_OUR_ADDRESS = '10.99.0.1'
_DOMAIN_R_ADDRESS = '10.99.0.2'
_TAP = 'domr0'
_MAC = '52:54:00:99:00:02'
_VNC_PORT = 5900
#: An odd size, as instances have that may be migrated; in KiB.
_MEMORY_KIB = 262152
_READY = 'GUEST-READY'
_BOOT_S = 180
_LIVE_S = 120
#: As long as a server may be silent that owes an answer.
_SILENT_S = 20
#: Between two keys of a command.
_KEY_S = 0.02
_RECEIVE_SIZE = 1 << 18
#: How often a command is typed, and seconds until it must be seen to work.
_ATTEMPTS = 4
_SEEN_S = 10


class Viewing(rfb.Connection):
    """A client of one of the two servers."""

    def __init__(self, connection: socket.socket, asked: Sequence[int]
                 ) -> None:
        self.socket = connection
        super().__init__(lambda: connection.recv(_RECEIVE_SIZE),
                         connection.sendall, asked)

    def __enter__(self) -> 'Viewing':
        return self

    def __exit__(self, *_exception: object) -> None:
        self.socket.close()


class Rig(contextlib.ExitStack):
    """Everything of it lives as long as the context.

    :param folder: for sockets and logs; its path must be short
    :param accelerator: ``tcg`` or ``kvm``
    """

    def __init__(self, layout: Layout, folder: pathlib.Path,
                 accelerator: str) -> None:
        super().__init__()
        self._processor = _PROCESSORS[accelerator]
        self._layout = layout
        self.folder = folder
        self._pair = folder / 'pair'
        self._shadow = client.ShadowClient(str(self._pair))
        self._processes: dict[str, subprocess.Popen] = {}
        self.instance_pid = self.domain_r_pid = 0

    # Starting.

    def start_instance(self) -> None:
        """:raises Failure: it does not boot"""
        self.callback(self._shadow.close)
        spawn.start_keeper(str(self._pair), str(self.folder / 'shadow.log'))
        self.callback(self._shadow.shutdown)
        serial = self.folder / 'serial.log'
        self.instance_pid = self._start('instance', [
            '-m', f'{_MEMORY_KIB}k', '-vga', 'std',
            '-drive', f'file={self._layout.guest_image},if=virtio,snapshot=on',
            '-vnc', f'unix:{self.folder}/qemu.vnc',
            # From here on as the plugin has it, see virt/xml.py.
            '-vnc', f'unix:{self._pair / wire.DISPLAY_SOCKET}',
            '-chardev', 'socket,id=charserial0,reconnect=1,path='
            f'{self._pair / wire.SERIAL0_SOCKET},logfile={serial}',
            '-device', 'isa-serial,chardev=charserial0',
            '-qmp', f'unix:{self._pair / wire.INSTANCE_QMP_SOCKET},server=on,'
            'wait=off'])
        self._wait('the guest', _BOOT_S, lambda: serial.exists() and (
            _READY in serial.read_text(errors='replace')))

    def start_domain_r(self) -> None:
        """:raises Failure: it does not serve"""
        image = self._layout.domr_image()
        if image is None:
            raise Failure('Domain R', 'there is no image')
        for argv in (['tuntap', 'add', _TAP, 'mode', 'tap'],
                     ['addr', 'add', f'{_OUR_ADDRESS}/24', 'dev', _TAP],
                     ['link', 'set', _TAP, 'up'], ['link', 'set', 'lo', 'up']):
            subprocess.run(['ip', *argv], check=True)
        self._shadow.configure(self._config())
        files = self.folder / 'image'
        manifest = image_file.unpack(image, files)
        self.domain_r_pid = self._start('domain-r', [
            '-m', f'{(manifest.memory_mib << 10) + 8}k',
            '-kernel', f'{files / image_file.KERNEL}',
            '-initrd', f'{files / image_file.INITRD}',
            '-append', manifest.command_line,
            '-drive', f'file={files / image_file.ROOT},format=raw,if=virtio,'
            'readonly=on',
            '-object', 'rng-random,id=rng,filename=/dev/urandom',
            '-device', 'virtio-rng-pci,rng=rng',
            '-netdev', f'tap,id=net,ifname={_TAP},script=no,downscript=no',
            '-device', 'virtio-net-pci,netdev=net,romfile=,csum=off,gso=off,'
            f'guest_csum=off,mac={_MAC}',
            '-chardev', f'socket,id=shm,path={self._pair}/ivshmem.sock',
            '-device', 'ivshmem-doorbell,chardev=shm,master=on,ioeventfd=on,'
            f'vectors={len(wire.Vector)}',
            '-serial', f'file:{self.folder / "domain-r-console.log"}',
            '-qmp', f'unix:{self._pair / wire.DOMAIN_R_QMP_SOCKET},server=on,'
            'wait=off'])
        self._wait('Domain R', _LIVE_S, self._serves)

    def _start(self, name: str, arguments: list[str]) -> int:
        log = self.enter_context((self.folder / f'{name}.log').open('w'))
        process = subprocess.Popen(
            [_QEMU, '-name', f'{name},debug-threads=on', *self._processor,
             '-machine', 'pc,usb=off', '-nodefaults', '-display', 'none',
             *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.callback(process.wait)
        self.callback(process.kill)
        self._processes[name] = process
        return process.pid

    def _wait(self, step: str, seconds: float,
              condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    log = self.folder / f'{name}.log'
                    raise Failure(step, f'{name} has ended: '
                                  f'{log.read_text().strip()[-500:]}')
            if time.monotonic() > deadline:
                raise Failure(step, f'is not there after {seconds} s')
            time.sleep(0.5)

    def _serves(self) -> bool:
        status = self._shadow.status()
        return (status.state is wire.PairState.LIVE
                and status.serving is not None)

    @staticmethod
    def _config() -> dict:
        """What Domain R is told, see ``wire.CONFIG``."""
        key = asyncssh.generate_private_key('ssh-ed25519')
        return {
            'host_key': key.export_private_key().decode(),
            'authorized_keys': [], 'instance_uuid': str(uuid.uuid4()),
            'instance_name': 'bench', 'address': f'{_DOMAIN_R_ADDRESS}/24',
            'gateway': None, 'mac': _MAC, 'mtu': 1500, 'ssh_port': 22,
            'serial_port': 7000, 'serial_networks': [],
            'scrollback_bytes': 65536, 'stall_ms': 2000,
            'vnc': {'port': _VNC_PORT, 'direct_networks': [],
                    'proxy_networks': [f'{_OUR_ADDRESS}/32'],
                    'password': None, 'view_only_password': None,
                    'tls': None}}

    # What is there.

    def qemu(self, asked: Sequence[int] = rfb.USUAL) -> Viewing:
        """At QEMU's own server."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_SILENT_S)
        connection.connect(f'{self.folder}/qemu.vnc')
        return Viewing(connection, asked)

    def dmore(self, asked: Sequence[int] = rfb.USUAL) -> Viewing:
        """At Domain R's."""
        connection = socket.create_connection(
            (_DOMAIN_R_ADDRESS, _VNC_PORT), _SILENT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Viewing(connection, asked)

    def shadow_pids(self) -> list[int]:
        """Keeper and worker."""
        status = self._shadow.status()
        return [status.pid, status.worker_pid]

    def region(self) -> pathlib.Path:
        """The shared memory, as one may open it."""
        keeper, _worker = self.shadow_pids()
        for entry in pathlib.Path(f'/proc/{keeper}/fd').iterdir():
            with contextlib.suppress(FileNotFoundError):
                if 'memfd:nova-dmore-region' in os.readlink(entry):
                    return entry
        raise Failure('the shared region', 'the keeper has none')

    def run(self, command: str, *symbols: int | str,
            shows: Callable[[Viewing], bool]) -> None:
        """Type a command, and then keys to it, until it is seen to work.

        An emulated keyboard drops keys when the machine is busy.

        :raises Failure: it never does
        """
        for _ in range(_ATTEMPTS):
            self.type(rfb.RETURN, command, rfb.RETURN)
            time.sleep(1)
            self.type(*symbols)
            deadline = time.monotonic() + _SEEN_S
            while time.monotonic() < deadline:
                with self.qemu() as viewing:
                    viewing.update()
                    if shows(viewing):
                        return
                time.sleep(0.5)
            self.control('d')
            time.sleep(1)
        raise Failure(command, 'its screen is not seen')

    def type(self, *symbols: int | str) -> None:
        """Type at QEMU's own server.

        :param symbols: texts of ASCII, and other keys by their numbers
        """
        with self.qemu() as viewing:
            for symbol in symbols:
                for key in ([symbol] if isinstance(symbol, int)
                            else map(ord, symbol)):
                    viewing.press(key)
                    time.sleep(_KEY_S)
            # What is still in QEMU's queue goes with the connection.
            viewing.update()
            time.sleep(_KEY_S)

    def control(self, letter: str) -> None:
        """Press a key with Control, at QEMU's own server."""
        with self.qemu() as viewing:
            viewing.key(True, rfb.CONTROL)
            viewing.press(ord(letter))
            viewing.key(False, rfb.CONTROL)
            viewing.update()
            time.sleep(_KEY_S)
