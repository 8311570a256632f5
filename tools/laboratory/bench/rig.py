# SPDX-License-Identifier: Apache-2.0
"""One instance whose picture is shown by QEMU itself and by a Domain R, both
at the same time. It is not known to libvirt or Nova."""

import pathlib
import socket
import time
from collections.abc import Callable, Sequence

from laboratory.bench import pair
from laboratory.layout import Layout
from laboratory.progress import Failure
from laboratory.vnc import rfb
from laboratory import waiting

#: An odd size, as instances have that may be migrated; in KiB.
_MEMORY_KIB = 262152
_TB_MIB = 128
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


class Rig(pair.Machines):
    """Everything of it lives as long as the context.

    :param folder: for sockets and logs; its path must be short
    :param accelerator: ``tcg`` or ``kvm``
    """

    def __init__(self, layout: Layout, folder: pathlib.Path,
                 accelerator: str) -> None:
        super().__init__(folder, accelerator)
        self._layout = layout
        self.pair = pair.Pair(self, 0)

    # Starting.

    def start_instance(self) -> None:
        """:raises Failure: it does not boot"""
        self.start_hostd(self._layout.venv_program('nova-dmore-hostd'))
        serial = self.pair.serial_log
        self.pair.start_instance([
            '-m', f'{_MEMORY_KIB}k',
            '-drive', f'file={self._layout.guest_image},if=virtio,snapshot=on',
            '-vnc', f'unix:{self.folder}/qemu.vnc'], _TB_MIB)
        self.wait('the guest', _BOOT_S, lambda: serial.exists() and (
            _READY in serial.read_text(errors='replace')))

    def start_domain_r(self) -> None:
        """:raises Failure: it does not serve"""
        self.make_network()
        self.pair.start_domain_r(pair.Image(self._layout, self.folder),
                                 _TB_MIB)
        self.wait('Domain R', _LIVE_S, self.pair.serves)

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
            (self.pair.address, pair.VNC_PORT), _SILENT_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Viewing(connection, asked)

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
            if waiting.until(lambda: self._is_shown(shows), _SEEN_S, 0.5):
                return
            self.control('d')
            time.sleep(1)
        raise Failure(command, 'its screen is not seen')

    def _is_shown(self, shows: Callable[[Viewing], bool]) -> bool:
        with self.qemu() as viewing:
            viewing.update()
            return shows(viewing)

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
