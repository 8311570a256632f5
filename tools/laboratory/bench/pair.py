# SPDX-License-Identifier: Apache-2.0
"""Pairs of an instance and a Domain R that neither libvirt nor Nova knows."""

import contextlib
import os
import pathlib
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence

import asyncssh

from laboratory.layout import Layout
from laboratory.progress import Failure
from nova_dmore.client import host_service, shadow_client
from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore import places
from nova_dmore import wire

_QEMU = 'qemu-system-x86_64'
_PROCESSORS = {'tcg': ('-accel', 'tcg,tb-size={}', '-cpu', 'qemu64'),
               'kvm': ('-accel', 'kvm', '-cpu', 'host')}
#: The only network of this process is that between us and each Domain R.
_BRIDGE = 'bench'
_NETWORK = '10.99.0'
_OUR_ADDRESS = f'{_NETWORK}.1'
#: Added to a pair's number for the last byte of its Domain R's address.
_FIRST_ADDRESS = 2
#: How long the host service may take to its first answer.
_HOSTD_S = 60
VNC_PORT = 5900
SERIAL_PORT = 7000


class Machines(contextlib.ExitStack):
    """QEMUs and their network, as long as the context.

    :param folder: for sockets and logs; its path must be short
    :param accelerator: ``tcg`` or ``kvm``
    """

    def __init__(self, folder: pathlib.Path, accelerator: str) -> None:
        super().__init__()
        self.folder = folder
        self._processor = _PROCESSORS[accelerator]
        self._processes: dict[str, subprocess.Popen] = {}
        self.service = host_service.HostService(str(folder / 'run'))

    def start_hostd(self, program: str) -> int:
        """Start the host service.

        :param program: its path
        :returns: its pid
        :raises Failure: it does not answer
        """
        (self.folder / 'run').mkdir()
        config = self.folder / 'hostd.conf'
        config.write_text('[hostd]\ncompute_user = root\n'
                          f'run_dir = {self.service.run_dir}\n'
                          f'state_dir = {self.folder / "state"}\n')
        log = self.enter_context((self.folder / 'hostd.log').open('w'))
        process = subprocess.Popen(
            [program, '--config-file', str(config)], cwd='/',
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.callback(process.wait)
        self.callback(process.kill)
        self._processes['hostd'] = process
        self.wait('host service', _HOSTD_S, self._hostd_answers)
        return process.pid

    def _hostd_answers(self) -> bool:
        with contextlib.suppress(exception.HostServiceError):
            self.service.instances()
            return True
        return False

    def make_network(self) -> None:
        """A bridge, and our address at it."""
        _ip('link', 'set', 'lo', 'up')
        _ip('link', 'add', _BRIDGE, 'type', 'bridge')
        _ip('addr', 'add', f'{_OUR_ADDRESS}/24', 'dev', _BRIDGE)
        _ip('link', 'set', _BRIDGE, 'up')

    def start(self, name: str, arguments: Sequence[str], tb_mib: int) -> int:
        """Start a QEMU.

        :param tb_mib: an emulator's buffer for translated code
        :returns: its pid
        """
        log = self.enter_context((self.folder / f'{name}.log').open('w'))
        process = subprocess.Popen(
            [_QEMU, '-name', f'{name},debug-threads=on',
             *(word.format(tb_mib) for word in self._processor),
             '-machine', 'pc,usb=off', '-nodefaults', '-display', 'none',
             *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.callback(process.wait)
        self.callback(process.kill)
        self._processes[name] = process
        return process.pid

    def wait(self, step: str, seconds: float, condition: Callable[[], bool],
             look_s: float = 0.5) -> None:
        """Until a condition holds, looking at it so often.

        :raises Failure: it does not, or a QEMU has ended
        """
        deadline = time.monotonic() + seconds
        while not condition():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    log = self.folder / f'{name}.log'
                    raise Failure(step, f'{name} has ended: '
                                  f'{log.read_text().strip()[-500:]}')
            if time.monotonic() > deadline:
                raise Failure(step, f'is not there after {seconds} s')
            time.sleep(look_s)


class Image:
    """The image of Domain R that was built last, unpacked.

    :ivar ram_kib: what Domain R is given

    :raises Failure: there is none
    """

    def __init__(self, layout: Layout, folder: pathlib.Path) -> None:
        path = layout.domr_image()
        if path is None:
            raise Failure('Domain R', 'there is no image')
        self.path = path
        self.files = folder / 'image'
        self.manifest = image_file.unpack(path, self.files)
        # An odd size, see ``_make_ram_odd`` in virt/xml.py.
        self.ram_kib = (self.manifest.memory_mib << 10) + 8


def _monitor(directory: str) -> list[str]:
    """QEMU connects to the keeper."""
    return ['-chardev', f'socket,id=dmore-qmp,path={directory}/'
            f'{wire.QMP_SOCKET},reconnect=1',
            '-mon', 'chardev=dmore-qmp,mode=control']


class Pair:
    """One pair; its keeper and worker run as long as the machines.

    :param number: from 0
    """

    def __init__(self, machines: Machines, number: int) -> None:
        self._machines = machines
        self._number = number
        self.address = f'{_NETWORK}.{number + _FIRST_ADDRESS}'
        self._uuid = str(uuid.UUID(int=number))
        self.directory = machines.folder / 'run' / self._uuid
        self._where = places.of_pair(str(self.directory))
        self.serial_log = machines.folder / f'serial{number}.log'
        self.instance_pid = self.domain_r_pid = 0
        self._shadow = shadow_client.ShadowClient(
            machines.service, self._uuid)

    def start_instance(self, arguments: Sequence[str], tb_mib: int) -> None:
        """Start keeper, worker and the instance.

        :param arguments: its memory, disk and what else it is to have
        :raises HostServiceError: the keeper does not start
        """
        machines, number = self._machines, self._number
        machines.callback(self._shadow.close)
        machines.service.start(self._uuid)
        machines.callback(self._shadow.shutdown)
        self.instance_pid = machines.start(f'instance{number}', [
            '-vga', 'std', *arguments,
            # From here on as the plugin has it, see virt/xml.py.
            '-vnc', 'none',
            '-chardev', 'pipe,id=charserial0,path='
            f'{self._where.instance}/{wire.SERIAL0_PIPE},logfile='
            f'{self.serial_log}',
            '-device', 'isa-serial,chardev=charserial0',
            *_monitor(self._where.instance)], tb_mib)

    def start_domain_r(self, image: Image, tb_mib: int) -> None:
        """Start it as the plugin does, see virt/xml.py."""
        number, files = self._number, image.files
        tap, mac = f'domr{number}', f'52:54:00:99:00:{number:02x}'
        _ip('tuntap', 'add', tap, 'mode', 'tap')
        _ip('link', 'set', tap, 'master', _BRIDGE, 'up')
        # Nobody has to ask for it while the address is not there yet.
        _ip('neigh', 'add', self.address, 'lladdr', mac, 'dev', _BRIDGE)
        self._shadow.configure(self._config(mac))
        self.domain_r_pid = self._machines.start(f'domain-r{number}', [
            '-m', f'{image.ram_kib}k',
            '-kernel', f'{files / image_file.KERNEL}',
            '-initrd', f'{files / image_file.INITRD}',
            '-append', image.manifest.command_line,
            '-drive', f'file={files / image_file.ROOT},format=raw,if=virtio,'
            'readonly=on',
            '-object', 'rng-random,id=rng,filename=/dev/urandom',
            '-device', 'virtio-rng-pci,rng=rng',
            '-netdev', f'tap,id=net,ifname={tap},script=no,downscript=no',
            '-device', 'virtio-net-pci,netdev=net,romfile=,csum=off,gso=off,'
            f'guest_csum=off,mac={mac}',
            '-chardev', f'socket,id=shm,path={self._where.domain_r}/'
            f'{wire.IVSHMEM_SOCKET}',
            '-device', 'ivshmem-doorbell,chardev=shm,master=on,ioeventfd=on,'
            f'vectors={len(wire.Vector)}',
            '-serial', f'file:{self._machines.folder}/domain-r{number}-'
            'console.log',
            *_monitor(self._where.domain_r)], tb_mib)

    def serves(self) -> bool:
        """Whether Domain R's servers listen, and the instance runs."""
        status = self._shadow.status()
        return (status.state is wire.PairState.LIVE
                and status.serving is not None)

    def shadow_pids(self) -> list[int]:
        """Keeper and worker."""
        status = self._shadow.status()
        return [status.pid, status.worker_pid]

    def region(self) -> pathlib.Path:
        """The shared memory, as one may open it.

        :raises Failure: there is none
        """
        keeper, _worker = self.shadow_pids()
        for entry in pathlib.Path(f'/proc/{keeper}/fd').iterdir():
            with contextlib.suppress(FileNotFoundError):
                if 'memfd:nova-dmore-region' in os.readlink(entry):
                    return entry
        raise Failure('the shared region', 'the keeper has none')

    def _config(self, mac: str) -> dict:
        """What Domain R is told, see ``wire.CONFIG``."""
        key = asyncssh.generate_private_key('ssh-ed25519')
        ours = [f'{_OUR_ADDRESS}/32']
        return {
            'host_key': key.export_private_key().decode(),
            'authorized_keys': [], 'instance_uuid': str(uuid.uuid4()),
            'instance_name': 'bench', 'address': f'{self.address}/24',
            'gateway': None, 'mac': mac, 'mtu': 1500, 'ssh_port': 22,
            'serial_port': SERIAL_PORT, 'serial_networks': ours,
            'scrollback_bytes': 65536, 'stall_ms': 2000,
            'vnc': {'port': VNC_PORT, 'direct_networks': [],
                    'proxy_networks': ours, 'password': None,
                    'view_only_password': None, 'tls': None}}


def _ip(*arguments: str) -> None:
    """:raises CalledProcessError: it ended with an error"""
    subprocess.run(['ip', *arguments], check=True)
