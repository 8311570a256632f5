# SPDX-License-Identifier: Apache-2.0
"""The packet filter's rules, as init makes them, tried on packets.

What the kernel would run is interpreted here: the programs of the rules, as
libnftnl prints them.
"""

import ipaddress
import pathlib
import re
import struct
import subprocess
import tempfile
import unittest
from typing import Any

from nova_dmore.domr import config
from nova_dmore.domr.init import build
from nova_dmore.domr import supervisor
from tests.unit.domr import pair

HERE = pathlib.Path(__file__).parent
SOURCES = ('request.c', 'filter.c', 'settings.c')

SYN, ACK, SYN_ACK, RST_ACK, PUSH_ACK = 0x02, 0x10, 0x12, 0x14, 0x18
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58

FOUR: dict[str, Any] = {
    'address': '192.0.2.15/24', 'gateway': '192.0.2.1', 'ssh_port': 22,
    'serial_port': 7000, 'serial_networks': ['192.0.2.1/32', '10.1.0.0/17'],
    'vnc': pair.vnc(port=5900, proxy_networks=['192.0.2.1/32'],
                    direct_networks=['198.51.100.0/30'],
                    password='12345678')}
SIX: dict[str, Any] = {
    **FOUR, 'address': 'fd00::15/64', 'gateway': 'fe80::1',
    'serial_networks': ['fd00:1::/33', '192.0.2.0/24'], 'vnc': None}


def packet(source: str, target: str, protocol: int, payload: bytes,
           ) -> dict[str, Any]:
    """What the programs of rules read in a packet."""
    addresses = [ipaddress.ip_address(each) for each in (source, target)]
    four = addresses[0].version == 4
    header = (bytes(12) if four else bytes(8)) + b''.join(
        each.packed for each in addresses)
    return {'nfproto': bytes([2 if four else 10]),
            'l4proto': bytes([protocol]), 'network': header,
            'transport': payload}


def tcp(source: str, from_port: int, target: str, to_port: int,
        flags: int) -> dict[str, Any]:
    """A segment of TCP."""
    return packet(source, target, TCP, struct.pack(
        '>HHIIBBHHH', from_port, to_port, 0, 0, 0x50, flags, 0, 0, 0))


def icmp(source: str, target: str, kind: int) -> dict[str, Any]:
    """A message of ICMP, of the family that the addresses are of."""
    return packet(source, target, ICMP6 if ':' in source else ICMP,
                  bytes([kind, 0, 0, 0, 0, 0, 0, 0]))


def _words(data: bytes) -> list[int]:
    padded = data + bytes(-len(data) % 4)
    return list(struct.unpack(f'<{len(padded) // 4}I', padded))


def _numbers(text: str) -> list[int]:
    return [int(each, 16) for each in text.split()]


def _accepts(program: list[str], seen: dict[str, Any]) -> bool:
    """Run one rule; each line that does not hold ends it."""
    register: list[int] = []
    for line in program:
        if match := re.fullmatch(r'meta load (\w+) => reg 1', line):
            register = _words(seen[match[1]])
        elif match := re.fullmatch(
                r'payload load (\d+)b @ (\w+) header \+ (\d+) => reg 1',
                line):
            size, at = int(match[1]), int(match[3])
            data = seen[match[2]][at:at + size]
            if len(data) < size:
                return False
            register = _words(data)
        elif match := re.fullmatch(
                r'bitwise reg 1 = \( reg 1 & ([x0-9a-f ]+) \) \^ [x0 ]+',
                line):
            register = [value & bits for value, bits in
                        zip(register, _numbers(match[1]), strict=True)]
        elif match := re.fullmatch(r'cmp (eq|neq) reg 1 ([x0-9a-f ]+)', line):
            if (register == _numbers(match[2])) != (match[1] == 'eq'):
                return False
        else:
            assert line == 'immediate reg 0 accept', line
            return True
    return False


class FilterTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.program = pathlib.Path(directory.name) / 'inspect'
        subprocess.run(
            ['gcc', *build.FLAGS, f'-I{build.FOLDER}', HERE / 'inspect.c',
             *(build.FOLDER / name for name in SOURCES), '-o', cls.program,
             *build.LIBRARIES], check=True)

    def read(self, **changes: Any) -> None:
        """Ask for the rules of a configuration."""
        request = supervisor.network_request(
            config.parse(pair.config(**changes)))
        text = subprocess.run([self.program], input=request, check=True,
                              stdout=subprocess.PIPE).stdout.decode()
        self.settings = dict(re.findall(r'^setting (\S+) (.*)$', text, re.M))
        self.rules = [
            (match[1], re.findall(r'\[ (.*) \]', match[2]))
            for match in re.finditer(
                r'^rule inet domain_r (\w+)\n((?:  \[.*\n)+)', text, re.M)]
        self.assertEqual(text.count('rule '), len(self.rules))

    def passes(self, chain: str, seen: dict[str, Any]) -> bool:
        return any(_accepts(program, seen) for name, program in self.rules
                   if name == chain)

    def check(self, chain: str, passing: list[dict[str, Any]],
              dropped: list[dict[str, Any]]) -> None:
        for each in passing:
            self.assertTrue(self.passes(chain, each), each)
        for each in dropped:
            self.assertFalse(self.passes(chain, each), each)

    def test_in_ipv4(self) -> None:
        self.read(**FOUR)
        me, proxy, other = '192.0.2.15', '192.0.2.1', '203.0.113.9'
        self.check('input', [
            tcp(other, 40000, me, 22, SYN), tcp(other, 40000, me, 22, ACK),
            tcp(proxy, 40000, me, 7000, SYN),
            tcp('10.1.127.255', 40000, me, 7000, SYN),
            tcp(proxy, 40000, me, 5900, SYN),
            tcp('198.51.100.3', 40000, me, 5900, SYN),
            icmp(other, me, 3), icmp(other, me, 8), icmp(other, me, 11),
            icmp(other, me, 12)], [
            tcp(other, 40000, me, 7000, SYN),
            tcp('192.0.2.2', 40000, me, 7000, SYN),
            tcp('10.1.128.0', 40000, me, 7000, SYN),
            tcp('198.51.100.4', 40000, me, 5900, SYN),
            tcp(other, 22, me, 40000, SYN), tcp(other, 22, me, 5900, ACK),
            tcp(proxy, 40000, me, 23, SYN), tcp(proxy, 7000, me, 1, ACK),
            packet(proxy, me, UDP, struct.pack('>HHHH', 53, 22, 8, 0)),
            packet(proxy, me, 2, bytes(8)), packet(proxy, me, 132, bytes(20)),
            packet(proxy, me, TCP, b'\0'),
            # An answer to ping, a redirect, a router, times, masks.
            *(icmp(proxy, me, kind) for kind in (0, 4, 5, 9, 10, 13, 17)),
            tcp('fd00::1', 40000, 'fd00::15', 22, SYN),
            icmp('fe80::1', 'fd00::15', 135)])

    def test_out_ipv4(self) -> None:
        self.read(**FOUR)
        me, proxy, other = '192.0.2.15', '192.0.2.1', '203.0.113.9'
        self.check('output', [
            tcp(me, 22, other, 40000, SYN_ACK), tcp(me, 22, other, 1, ACK),
            tcp(me, 22, other, 40000, RST_ACK),
            tcp(me, 7000, proxy, 40000, PUSH_ACK),
            tcp(me, 5900, proxy, 40000, PUSH_ACK),
            icmp(me, other, 0), icmp(me, other, 3), icmp(me, other, 12)], [
            tcp(me, 22, other, 40000, SYN),
            tcp(me, 22, other, 40000, SYN | 0xc0),  # with ECN
            tcp(me, 22, other, 40000, SYN | 1),
            tcp(me, 40000, other, 22, SYN), tcp(me, 40000, other, 22, ACK),
            tcp(me, 7000, other, 40000, ACK),
            tcp(me, 5900, other, 40000, SYN_ACK),
            packet(me, proxy, UDP, struct.pack('>HHHH', 22, 53, 8, 0)),
            packet(me, proxy, 2, bytes(8)),
            *(icmp(me, other, kind) for kind in (5, 8, 10, 11, 13, 14)),
            tcp('fd00::15', 22, 'fd00::1', 40000, ACK),
            icmp('fd00::15', 'fe80::1', 135)])

    def test_ipv6(self) -> None:
        self.read(**SIX)
        me, near, other = 'fd00::15', 'fd00:1:7fff::1', '2001:db8::9'
        self.check('input', [
            tcp(other, 40000, me, 22, SYN), tcp(near, 40000, me, 7000, SYN),
            *(icmp(other, me, kind)
              for kind in (1, 2, 3, 4, 128, 130, 135, 136))], [
            tcp(other, 40000, me, 7000, SYN),
            tcp('fd00:1:8000::1', 40000, me, 7000, SYN),
            tcp(near, 40000, me, 5900, SYN),
            # Router advertisements, redirects, renumbering, names.
            *(icmp('fe80::1', me, kind) for kind in (133, 134, 137, 138, 139,
                                                     129, 131, 143)),
            packet(near, me, UDP, struct.pack('>HHHH', 547, 546, 8, 0)),
            tcp('192.0.2.1', 40000, '192.0.2.15', 22, SYN),
            icmp('192.0.2.1', '192.0.2.15', 8)])
        self.check('output', [
            tcp(me, 22, other, 40000, SYN_ACK),
            tcp(me, 7000, near, 40000, ACK),
            *(icmp(me, other, kind) for kind in (1, 2, 4, 129, 131, 135, 136,
                                                 143))], [
            tcp(me, 22, other, 40000, SYN), tcp(me, 7000, other, 4, ACK),
            *(icmp(me, other, kind) for kind in (128, 133, 134, 137)),
            packet(me, other, UDP, struct.pack('>HHHH', 546, 547, 8, 0))])

    def test_nothing_is_forwarded_and_ssh_may_be_bounded(self) -> None:
        self.read(**{**FOUR, 'ssh_networks': ['10.0.0.0/8']})
        self.assertEqual({'input', 'output'},
                         {chain for chain, _ in self.rules})
        self.check('input', [tcp('10.3.4.5', 1, '192.0.2.15', 22, SYN)],
                   [tcp('192.0.2.1', 1, '192.0.2.15', 22, SYN)])

    def test_settings_are_those_of_the_interface(self) -> None:
        self.read(**FOUR)
        for name in ('net/ipv6/conf/eth0/accept_ra',
                     'net/ipv6/conf/eth0/accept_redirects',
                     'net/ipv4/conf/eth0/accept_redirects',
                     'net/ipv4/conf/eth0/secure_redirects',
                     'net/ipv4/conf/eth0/send_redirects',
                     'net/ipv4/conf/eth0/accept_source_route'):
            self.assertEqual('0', self.settings[name], name)
        self.assertEqual('1', self.settings['net/ipv4/conf/eth0/rp_filter'])
        # What comes after it could not be undone by a mistake before it.
        self.assertEqual('1', self.settings['kernel/modules_disabled'])
