# SPDX-License-Identifier: Apache-2.0
"""Inspects a booted Domain R: who runs there, and what they can do."""

import asyncio
import os
import pathlib
import re
import shutil
import socket
import struct
import tempfile
import time
import unittest

from nova_dmore.domr.init import build
from nova_dmore.image_builder import build as image_build
from nova_dmore.image_builder import cli
from tests.integration import inside
from tests.integration import inside_probe
from tests.integration import test_domr_image

MAC = bytes.fromhex(test_domr_image.MAC.replace(':', ''))
PORTS = {22, 7000, 5900}
#: Of init, as a mask: KILL, SETGID, SETUID, NET_ADMIN, SYS_BOOT.
INIT_CAPABILITIES = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 22
#: Linux waits so long with an acknowledgement, in seconds (TCP_DELACK_MIN).
DELAYED_S = 0.04
#: So many segments at most are acknowledged at once however that is set
#: (TCP_MAX_QUICKACKS), and more to measure.
QUICK_SEGMENTS, SEGMENTS = 16, 40
#: Where struct tcp_info has tcpi_unacked (linux/tcp.h).
UNACKNOWLEDGED = slice(24, 28)
SETS = ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')


def setUpModule() -> None:
    """Build the image, or find the one that was built."""
    if os.geteuid() != 0 or shutil.which('qemu-system-x86_64') is None:
        raise unittest.SkipTest('needs root and QEMU')
    global _image, _directory
    _directory = pathlib.Path(tempfile.mkdtemp(prefix='dmore-inside-'))
    unittest.addModuleCleanup(shutil.rmtree, _directory)
    _image = inside.open_image(
        image_build.build(cli.DEFAULT_OUTPUT, print), _directory)


def is_allowed(frame: bytes) -> bool:
    """Whether Domain R may send this, in the eyes of this test."""
    kind, = struct.unpack_from('>H', frame, 12)
    if kind == 0x0806:
        return True
    if kind == 0x0800:
        protocol, at = frame[23], 14 + 4 * (frame[14] & 15)
    elif kind == 0x86dd:
        protocol, at = frame[20], 54
        if protocol == 0:       # hop by hop: multicast listeners
            protocol, at = frame[54], 54 + 8 * (frame[55] + 1)
    else:
        return False
    if protocol == 6:
        port, = struct.unpack_from('>H', frame, at)
        return port in PORTS and frame[at + 13] & 0x12 != 2
    if protocol == 1:
        return frame[at] == 0
    return protocol == 58 and frame[at] in (129, 135, 136, 143)


def checksum(data: bytes) -> int:
    """The internet's."""
    total = sum(struct.unpack(f'>{(len(data) + 1) // 2}H',
                              data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp6_frame(source: str, target: str, kind: int, rest: bytes) -> bytes:
    """A message from a router, as one that is near would send it."""
    addresses = (socket.inet_pton(socket.AF_INET6, source)
                 + socket.inet_pton(socket.AF_INET6, target))
    body = bytes([kind, 0, 0, 0]) + rest
    value = checksum(addresses + struct.pack('>II', len(body), 58) + body)
    return (MAC + b'\x02\0\0\0\0\x01\x86\xdd'
            + struct.pack('>IHBB', 6 << 28, len(body), 58, 255) + addresses
            + body[:2] + struct.pack('>H', value) + body[4:])


def redirect_frame(gateway: str, target: str, elsewhere: str) -> bytes:
    """An ICMP redirect: from now on, elsewhere is reached over target."""
    def header(source: str, to: str, protocol: int, size: int) -> bytes:
        text = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + size, 1, 0, 64,
                           protocol, 0, socket.inet_aton(source),
                           socket.inet_aton(to))
        return text[:10] + struct.pack('>H', checksum(text)) + text[12:]

    inner = header(inside.ADDRESS, elsewhere, 6, 8) + struct.pack(
        '>HHI', 22, 40000, 1)
    body = b'\5\1\0\0' + socket.inet_aton(target) + inner
    body = body[:2] + struct.pack('>H', checksum(body)) + body[4:]
    return (MAC + b'\x02\0\0\0\0\x01\x08\0'
            + header(gateway, inside.ADDRESS, 1, len(body)) + body)


class InsideTest(unittest.IsolatedAsyncioTestCase):
    """One machine for all: booting is what takes long."""

    async def asyncSetUp(self) -> None:
        self.network = await self.enterAsyncContext(inside.Namespace())
        self.machine = inside.Machine(_image, _directory, self.network)
        await self.enterAsyncContext(self.machine)
        await self.machine.until(lambda: self.machine.serving(),
                                 test_domr_image.BOOT_LIMIT_S)
        await self._until_all_is_tried()

    async def test_inside(self) -> None:
        await self._check_processes()
        await self._check_modules()
        self._check_agent()
        self._check_vnc()
        await self._check_settings()
        await self._check_ports(inside.ADDRESS, inside.ALLOWED, inside.OTHER)
        await self._check_acknowledges_at_once(inside.ALLOWED,
                                               inside.ADDRESS)
        await self._check_redirect()
        await self._check_nothing_goes_out(inside.ALLOWED, inside.ADDRESS)
        await self._check_change()
        await self._check_ipv6()
        await self._check_new_agent()
        strange = [each.hex() for each in self.network.frames
                   if not is_allowed(each)]
        self.assertEqual([], strange)
        # ARP, IPv4 and IPv6: it was checked.
        self.assertEqual({b'\x08\x06', b'\x08\0', b'\x86\xdd'},
                         {each[12:14] for each in self.network.frames})

    # -- processes

    async def _statuses(self) -> dict[str, dict[str, str]]:
        """The statuses in /proc, without the kernel's threads and the probe's.
        """
        text = await self.machine.shell(
            'for each in /proc/[0-9]*; do $B echo "=$($B tr "\\0" " " '
            '<$each/cmdline)"; $B cat $each/status; done 2>/dev/null')
        found = {}
        for part in re.split(r'^=', text, flags=re.M)[1:]:
            command, _, status = part.partition('\n')
            fields = dict(re.findall(r'^(\w+):\t(.*)$', status, re.M))
            # The kernel's threads have no memory of their own.
            if 'VmSize' in fields and f'/{inside.PROBE}/' not in command:
                fields['command'] = command
                found[fields['Name']] = fields
        return found

    async def _check_processes(self) -> None:
        found = await self._statuses()
        self.assertEqual({'init', 'python3.11', 'nova-dmore-vnc'},
                         set(found))
        for name, user in (('init', 'init'), ('python3.11', 'agent'),
                           ('nova-dmore-vnc', 'vnc')):
            fields, number = found[name], str(build.USERS[user])
            self.assertEqual([number] * 4, fields['Uid'].split())
            self.assertEqual([number] * 4, fields['Gid'].split())
            self.assertEqual('', fields['Groups'].strip())
            self.assertEqual('1', fields['NoNewPrivs'])
            kept = INIT_CAPABILITIES if name == 'init' else 0
            self.assertEqual(
                [0, kept, kept, 0, 0],
                [int(fields[each], 16) for each in SETS], name)
            if name != 'init':
                self.assertEqual('2', fields['Seccomp'])

    async def _check_modules(self) -> None:
        # Though this is root, with all capabilities; it is not checked.
        text = await self.machine.shell(
            f'$B insmod /{inside.PROBE}/none.ko 2>&1; '
            '$B cat /proc/sys/kernel/modules_disabled; '
            '$B grep Cap /proc/self/status')
        self.assertIn('Operation not permitted', text)
        self.assertRegex(text, r'(?m)^1$')
        self.assertRegex(text, r'CapEff:\t[0-9a-f]*fffff')

    def _check_agent(self) -> None:
        probed = self.machine.probed()
        self.assertEqual('tried', probed['all'])
        self.assertEqual('ended', probed['old_vnc'])
        for name in inside_probe.ATTEMPTS:
            self.assertIn(probed[name], ('EPERM', 'EACCES', 'ENOENT',
                                         'EROFS'), (name, probed[name]))
        self.assertEqual('EPERM', probed['packet'])
        self.assertEqual('EPERM', probed['raw'])

    def _check_vnc(self) -> None:
        said = {name.removeprefix('vnc:').rstrip(':'): value
                for name, value in self.machine.probed().items()
                if name.startswith('vnc:')}
        self.assertEqual(set('01234'), set(said.pop('fds').split()))
        for name in ('bare', 'device_read'):
            self.assertEqual('done', said.pop(name), name)
        self.assertEqual('2', said.pop('Seccomp'))
        self.assertEqual(['102'] * 4, said.pop('Uid').split())
        for name in SETS:
            self.assertEqual(0, int(said.pop(name), 16), name)
        for name in ('device_writable', 'device_made_writable',
                     'open_device'):
            self.assertEqual('EACCES', said.pop(name), name)
        self.assertEqual({'EPERM'}, set(said.values()), said)
        self.assertGreater(len(said), 10)

    # -- network

    async def _check_settings(self) -> None:
        text = await self.machine.shell(
            'cd /proc/sys/net; for each in ipv[46]/conf/*/accept_r* '
            'ipv4/conf/*/*_redirects ipv[46]/conf/*/accept_source_route '
            'ipv4/conf/*/rp_filter ipv[46]/conf/*/forwarding; do '
            '$B echo "$each $($B cat $each)"; done')
        values = dict(re.findall(r'^(ipv\S+) (-?\d+)$', text, re.M))
        for name in ('all', 'default', 'eth0', 'lo'):
            for path, value in (
                    ('ipv6/conf/{}/accept_ra', '0'),
                    ('ipv6/conf/{}/accept_redirects', '0'),
                    ('ipv6/conf/{}/accept_source_route', '-1'),
                    ('ipv6/conf/{}/forwarding', '0'),
                    ('ipv4/conf/{}/accept_redirects', '0'),
                    ('ipv4/conf/{}/secure_redirects', '0'),
                    ('ipv4/conf/{}/send_redirects', '0'),
                    ('ipv4/conf/{}/accept_source_route', '0'),
                    ('ipv4/conf/{}/forwarding', '0'),
                    ('ipv4/conf/{}/rp_filter', '1')):
                self.assertEqual(value, values[path.format(name)],
                                 (name, path))

    async def _reaches(self, source: str, target: str, port: int) -> bool:
        sock = await self.network.connect(source, target, port)
        if sock is not None:
            self.addCleanup(sock.close)
        return sock is not None

    async def _until_all_is_tried(self) -> None:
        """Wait until the probe, the last server, has started anew."""
        await self.machine.until(lambda: 'all' in self.machine.probed(), 120)

    async def _until_not_reached(self, source: str, target: str, port: int,
                                 ) -> None:
        async with asyncio.timeout(60):
            while await self._reaches(source, target, port):
                await asyncio.sleep(0.2)

    async def _check_ports(self, me: str, allowed: str, other: str) -> None:
        self.assertTrue(await self._reaches(allowed, me, 22))
        self.assertTrue(await self._reaches(other, me, 22))
        self.assertTrue(await self._reaches(allowed, me, 7000))
        self.assertFalse(await self._reaches(other, me, 7000))
        # There is no server: the kernel's refusal comes, or does not.
        with self.assertRaises(ConnectionRefusedError):
            await self._reaches(allowed, me, 5900)
        self.assertFalse(await self._reaches(other, me, 5900))
        # This one is listened on.
        self.assertFalse(await self._reaches(
            allowed, me, inside_probe.OTHER_PORT))

    async def _check_acknowledges_at_once(self, allowed: str, me: str
                                          ) -> None:
        """What a proxy with Nagle's algorithm waits for, before each key."""
        session = await self.network.connect(allowed, me, 7000)
        assert session is not None
        self.addCleanup(session.close)
        waited = [await self._time_until_acknowledged(session)
                  for _ in range(SEGMENTS)]
        self.assertLess(min(waited[QUICK_SEGMENTS:]), DELAYED_S)

    @staticmethod
    async def _time_until_acknowledged(session: socket.socket) -> float:
        started = time.monotonic()
        session.send(b'.')
        while any(session.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO,
                                     UNACKNOWLEDGED.stop)[UNACKNOWLEDGED]):
            await asyncio.sleep(0.001)
        return time.monotonic() - started

    async def _check_redirect(self) -> None:
        before = await self.machine.shell('$B ip route get 203.0.113.9')
        self.assertIn(f'via {inside.ALLOWED}', before)
        self.network.send(redirect_frame(inside.ALLOWED, inside.OTHER,
                                         '203.0.113.9'))
        await self.machine.shell('$B sleep 1')
        self.assertEqual(before, await self.machine.shell(
            '$B ip route get 203.0.113.9'))

    async def _check_nothing_goes_out(self, allowed: str, me: str) -> None:
        # By root, with all capabilities, and from a port that may answer.
        family, host = (('-6 ', f'[{allowed}]') if ':' in me
                        else ('', allowed))
        text = await self.machine.shell(
            f'$B ping {family}-c 1 -W 1 {allowed}; '
            f'$B wget -T 2 -O - http://{host}/; '
            f'$B nc -w 2 -p 5900 -s {me} {allowed} 8080; '
            f'$B nslookup example.org {allowed}; '
            f'$B traceroute -m 2 -q 1 -w 1 {allowed}')
        self.assertRegex(text, '100% packet loss|not permitted')
        # But it can be asked whether it is there.
        ping = await self._ping(allowed, me)
        self.assertIn(' 0% packet loss', ping)

    async def _ping(self, source: str, target: str) -> str:
        process = await asyncio.create_subprocess_exec(
            'ip', 'netns', 'exec', self.network.name, 'ping', '-c', '3',
            '-W', '3', '-I', source, target, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return output.decode()

    async def _check_change(self) -> None:
        session = await self.network.connect(inside.ALLOWED, inside.ADDRESS,
                                             7000)
        assert session is not None
        self.addCleanup(session.close)
        self.machine.configure(
            ssh_networks=[f'{inside.ALLOWED}/32'],
            serial_networks=[f'{inside.OTHER}/32', f'{inside.ALLOWED}/32'])
        await self._until_not_reached(inside.OTHER, inside.ADDRESS, 22)
        self.assertTrue(await self._reaches(inside.ALLOWED, inside.ADDRESS,
                                            22))
        self.assertTrue(await self._reaches(inside.OTHER, inside.ADDRESS,
                                            7000))
        session.send(b'still here')
        await self.machine.until(
            lambda: b'still here' in self.machine.typed)

    async def _check_ipv6(self) -> None:
        self.machine.messages.clear()
        self.machine.configure(
            address=f'{inside.ADDRESS6}/64', gateway=inside.ALLOWED6,
            serial_networks=[f'{inside.ALLOWED6}/128'],
            vnc={**self.machine.config()['vnc'],
                 'proxy_networks': [f'{inside.ALLOWED6}/128']})
        await self._until_all_is_tried()
        await self._check_ports(inside.ADDRESS6, inside.ALLOWED6,
                                inside.OTHER6)
        await self._check_acknowledges_at_once(inside.ALLOWED6,
                                               inside.ADDRESS6)
        self.assertFalse(await self._reaches(inside.ALLOWED, inside.ADDRESS,
                                             22))
        await self._check_settings()
        show = '$B ip -6 addr show dev eth0; $B ip -6 route show'
        before = await self.machine.shell(show)
        self.assertIn(inside.ADDRESS6, before)
        # A prefix for addresses of one's own, and a router for half an hour.
        self.network.send(icmp6_frame(
            'fe80::bad', 'ff02::1', 134, struct.pack('>BBHII', 64, 0, 1800,
                                                     0, 0)
            + struct.pack('>BBBBIII', 3, 4, 64, 0xc0, 86400, 14400, 0)
            + socket.inet_pton(socket.AF_INET6, 'fd00:bad::')))
        # A redirect of what goes to an address elsewhere.
        self.network.send(icmp6_frame(
            'fe80::bad', inside.ADDRESS6, 137, bytes(4)
            + socket.inet_pton(socket.AF_INET6, 'fe80::bad')
            + socket.inet_pton(socket.AF_INET6, '2001:db8::9')))
        await self.machine.shell('$B sleep 1')
        self.assertEqual(before, await self.machine.shell(show))
        await self._check_nothing_goes_out(inside.ALLOWED6, inside.ADDRESS6)

    async def _check_new_agent(self) -> None:
        old = (await self._statuses())['python3.11']['Pid']
        self.machine.messages.clear()
        await self.machine.shell(f'$B kill -9 {old}')
        await self._until_all_is_tried()
        await self._check_processes()
        self.assertNotEqual(old, (await self._statuses())['python3.11']['Pid'])
        self.assertTrue(await self._reaches(inside.ALLOWED6,
                                            inside.ADDRESS6, 22))
