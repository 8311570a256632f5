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
"""Domain R's network interface, set as the CONFIG message says."""

import asyncio
import pathlib

from nova_dmore.domr import config as config_module

NET = pathlib.Path('/sys/class/net')
SYSCTL = pathlib.Path('/proc/sys/net')
IP = ('/bin/busybox', 'ip')

#: How long to wait for the interface to appear, in seconds.
INTERFACE_TIMEOUT_S = 10.0

#: Written before an address is set. Buffers are kept small (the machine is).
#: Output that nobody acknowledges is given up after about five minutes; for
#: connections that are silent see ``tcp``.
SETTINGS = {
    'ipv4/tcp_wmem': '4096 16384 65536',
    'ipv4/tcp_rmem': '4096 16384 65536',
    'ipv4/tcp_retries2': '10',
    'ipv6/conf/all/accept_ra': '0',
}


class NetworkError(Exception):
    """The interface is missing or cannot be set up."""


def commands(interface: str, config: config_module.Config,
             ) -> list[tuple[str, ...]]:
    """Arguments of ``ip`` that give an interface the configured address.

    It has the address when it comes up: the kernel tells the network then.
    """
    address = config.address
    gateway = config.gateway
    result: list[tuple[str, ...]] = [
        ('addr', 'flush', 'dev', interface),
        ('addr', 'add', str(address), 'dev', interface),
        ('link', 'set', interface, 'mtu', str(config.mtu), 'up')]
    if gateway is not None:
        family = '-4' if gateway.version == 4 else '-6'
        if gateway not in address.network:
            result.append((family, 'route', 'add', str(gateway), 'dev',
                           interface))
        result.append((family, 'route', 'add', 'default', 'via',
                       str(gateway), 'dev', interface))
    return result


def interface_with(mac: str, net: pathlib.Path = NET) -> str | None:
    """Name of the interface with a MAC address, None if there is none."""
    for path in sorted(net.iterdir()):
        if (path / 'address').read_text().strip() == mac:
            return path.name
    return None


async def _find(mac: str) -> str:
    deadline = asyncio.get_running_loop().time() + INTERFACE_TIMEOUT_S
    while (name := interface_with(mac)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise NetworkError(f'no network interface has the address {mac}')
        await asyncio.sleep(0.05)
    return name


async def set_up(config: config_module.Config) -> None:
    """Give the interface with the configured MAC address its IP address.

    :raises NetworkError: there is none, or ``ip`` failed
    """
    interface = await _find(config.mac)
    # Not needed, and so not reachable: IPv6 beside an IPv4 address, and the
    # wait for duplicate addresses before an IPv6 address can be used.
    per_interface = {
        f'ipv6/conf/{interface}/disable_ipv6':
            '1' if config.address.version == 4 else '0',
        f'ipv6/conf/{interface}/accept_dad': '0',
        # One that was built anew on another host is silent otherwise, and
        # switches send what is for it, and what would tell a client that its
        # session has ended, to the old host for minutes.
        f'ipv4/conf/{interface}/arp_notify': '1',
        f'ipv6/conf/{interface}/ndisc_notify': '1',
    }
    for name, value in {**SETTINGS, **per_interface}.items():
        (SYSCTL / name).write_text(value)
    for arguments in commands(interface, config):
        process = await asyncio.create_subprocess_exec(
            *IP, *arguments, stderr=asyncio.subprocess.PIPE)
        _, stderr = await process.communicate()
        if process.returncode != 0:
            raise NetworkError(f'ip {" ".join(arguments)}: '
                               f'{ascii(stderr.decode(errors="replace"))}')
