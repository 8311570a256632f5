# SPDX-License-Identifier: Apache-2.0
"""What the agent asks of init, which alone may do it.

``init/protocol.h`` says what goes over the two sockets that init starts the
agent with; this is the agent's end of it.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Iterable

from nova_dmore.domr import config as config_module
from nova_dmore import wire

NETWORK_FD = 3
VNC_FD = 4

_REQUEST_NETWORK = 1
_REQUEST_VNC = 2
_ANSWER_DONE = 0
_ANSWER_SIZE = 244

_IP = struct.Struct('<BB16s')
_HEAD = struct.Struct(f'<I6sH{_IP.size}s{_IP.size}s3HH')
_ALLOWED = struct.Struct(f'<B{_IP.size}s')
_KIND = struct.Struct('<I')

#: Longer than init ever waits, for an interface that appears late.
ANSWER_TIMEOUT_S = 15.0


class NetworkError(Exception):
    """The network cannot be set up; the text is init's."""


class VncError(OSError):
    """The VNC process cannot be started; the text is init's."""


def network_request(config: config_module.Config) -> bytes:
    """The message that asks for the network of a configuration.

    Those of two configurations are equal if nothing of the network differs.

    :raises NetworkError: it names too many networks
    """
    networks = (config.ssh_networks, config.serial_networks,
                () if config.vnc is None else
                config.vnc.proxy_networks + config.vnc.direct_networks)
    allowed = [_ALLOWED.pack(service, _network(network))
               for service, each in enumerate(networks)
               for network in dict.fromkeys(each)]
    if len(allowed) > wire.NETWORKS_MAX:
        raise NetworkError(
            f'{len(allowed)} networks may reach SSH, the serial port and '
            f'VNC; at most {wire.NETWORKS_MAX} can be configured')
    return b''.join([_HEAD.pack(
        _REQUEST_NETWORK, bytes.fromhex(config.mac.replace(':', '')),
        config.mtu, _ip(config.address.ip, config.address.network.prefixlen),
        bytes(_IP.size) if config.gateway is None
        else _ip(config.gateway, config.gateway.max_prefixlen),
        config.ssh_port, config.serial_port,
        0 if config.vnc is None else config.vnc.port,
        len(allowed)), *allowed])


def _ip(address: config_module.Address, prefix: int) -> bytes:
    return _IP.pack(address.version, prefix, address.packed)


def _network(network: config_module.Network) -> bytes:
    return _ip(network.network_address, network.prefixlen)


def parse_answer(answer: bytes) -> str | None:
    """What init says is wrong; None: it is done."""
    if len(answer) < _KIND.size:
        return 'init does not answer'
    if _KIND.unpack_from(answer)[0] == _ANSWER_DONE:
        return None
    return answer[_KIND.size:].decode('ascii', 'replace')


class Supervisor:
    """The agent's end of the sockets that init serves.

    :param network: socket for the requests that are about the network
    :param vnc: socket for those that are about the VNC process
    """

    def __init__(self, network: socket.socket, vnc: socket.socket) -> None:
        network.setblocking(False)
        vnc.settimeout(ANSWER_TIMEOUT_S)
        self._network = network
        self._vnc = vnc

    @classmethod
    def inherited(cls) -> 'Supervisor':
        """On the descriptors that init starts the agent with.

        :raises OSError: it was not started by init
        """
        sockets = []
        for descriptor in (NETWORK_FD, VNC_FD):
            os.set_inheritable(descriptor, False)
            sockets.append(socket.socket(fileno=descriptor))
        return cls(*sockets)

    async def set_up_network(self, config: config_module.Config) -> None:
        """Give the interface its address, and the packet filter its rules.

        What was set before is replaced. Not to be called while it runs.

        :raises NetworkError: init refuses it or failed
        """
        loop = asyncio.get_running_loop()
        try:
            _discard_late(self._network)
            await loop.sock_sendall(self._network, network_request(config))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await loop.sock_recv(self._network, _ANSWER_SIZE)
        except OSError as error:    # TimeoutError is one
            raise NetworkError(f'init: {error!r}') from error
        problem = parse_answer(answer)
        if problem is not None:
            raise NetworkError(problem)

    def start_vnc(self) -> socket.socket:
        """End the VNC process, if there is one, and start it.

        :returns: a SOCK_SEQPACKET socket, the other end of which it has
        :raises VncError: init failed
        """
        try:
            _discard_late(self._vnc)
            self._vnc.send(_KIND.pack(_REQUEST_VNC))
            answer, descriptors, _, _ = socket.recv_fds(
                self._vnc, _ANSWER_SIZE, 1)
        except OSError as error:
            raise VncError(f'init: {error!r}') from error
        problem = parse_answer(answer)
        if problem is None and not descriptors:
            problem = 'init sends no socket'
        if problem is not None:
            _close(descriptors)
            raise VncError(problem)
        # Python 3.11 ignores flags of recv_fds, and so MSG_CMSG_CLOEXEC.
        os.set_inheritable(descriptors[0], False)
        return socket.socket(fileno=descriptors[0])


def _discard_late(end: socket.socket) -> None:
    """Forget the answers to requests that were given up: they are not those
    to the next one. What they bring is closed."""
    timeout = end.gettimeout()
    end.setblocking(False)
    try:
        message: bytes | None = None
        while message != b'':       # init has closed its end
            message, descriptors, _, _ = socket.recv_fds(
                end, _ANSWER_SIZE, 1)
            _close(descriptors)
    except BlockingIOError:
        pass
    finally:
        end.settimeout(timeout)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
