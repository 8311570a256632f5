# SPDX-License-Identifier: Apache-2.0
"""What an agent serves, as its host configures it."""

import asyncio
import tempfile
import unittest
from unittest import mock

from nova_dmore.domr import serving
from nova_dmore import wire
from tests.unit.domr import pair


class ServingTest(pair.PairTestCase):

    async def test_wrong_configuration_is_reported_and_ignored(self) -> None:
        running = await self._pair()
        servers = dict(running.servers)
        running.send({**running.config, 'mtu': 1})
        await running.until(lambda: running.said(wire.LOG))
        self.assertIn('mtu', running.said(wire.LOG)[0]['text'])
        running.send({'type': 'nonsense'})
        running.send({**running.config, 'serial_networks': []})
        count = len(running.said(wire.SERVING))
        await running.until(lambda: len(running.said(wire.SERVING)) > count)
        self.assertEqual(servers, running.servers)

    async def test_the_host_knows_when_users_are_told_of_recording(self
                                                                   ) -> None:
        running = await self._pair()
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        self.addCleanup(writer.close)
        await running.until(lambda: running.said(wire.SERVING)[-1]['serial'])
        self.assertNotIn('tells_recording', running.said(wire.SERVING)[-1])
        running.send({**running.config, 'recorded': True})
        await running.until(lambda: running.said(wire.SERVING)[-1].get(
            'tells_recording') == 1)
        self.assertIn(b'is recorded]', await reader.readuntil(b']'))
        running.send({**running.config, 'recorded': False})
        await running.until(lambda: 'tells_recording' not in
                            running.said(wire.SERVING)[-1])

    async def test_other_port_moves_the_listener_not_the_client(self) -> None:
        running = await self._pair()
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        self.addCleanup(writer.close)
        writer.write(b'1')
        await running.until(lambda: running.typed == b'1')
        port = pair.free_port()
        running.send({**running.config, 'serial_port': port})
        count = len(running.said(wire.SERVING))
        await running.until(lambda: len(running.said(wire.SERVING)) > count)
        _, other = await asyncio.open_connection('127.0.0.1', port)
        self.addCleanup(other.close)
        with self.assertRaises(ConnectionRefusedError):
            await asyncio.open_connection('127.0.0.1',
                                          running.config['serial_port'])
        running.print(b'still')
        self.assertEqual(b'still', await reader.readexactly(5))

    async def test_unusable_host_key_leaves_the_other_server(self) -> None:
        running = await self._pair(host_key='none')
        self.assertEqual(['serial'], list(running.servers))
        self.assertTrue(any('server ssh' in each['text']
                            for each in running.said(wire.LOG)))

    async def test_network_failure_is_reported(self) -> None:
        running = await self._pair()
        running.init.problem = 'no interface'
        running.send({**running.config, 'mtu': 9000})
        await running.until(lambda: any('no interface' in each['text']
                                        for each in running.said(wire.LOG)))

    async def _network_fails(self, retry_s: float) -> pair.Pair:
        """A pair without servers, as its network cannot be set up."""
        patch = mock.patch.object(serving, 'RETRY_S', retry_s)
        patch.start()
        self.addCleanup(patch.stop)
        running = await self._pair()
        running.init.problem = 'no interface'
        running.send({**running.config, 'mtu': 9000})
        await running.until(lambda: any('no interface' in each['text']
                                        for each in running.said(wire.LOG)))
        return running

    async def test_network_is_tried_again(self) -> None:
        running = await self._network_fails(0.05)
        # Another message, of the same network, that is refused.
        running.send({**running.config, 'mtu': 1})
        await running.until(lambda: len(running.init.configs) > 4)
        lines = [each['text'] for each in running.said(wire.LOG)]
        self.assertEqual(1, sum('no interface' in line for line in lines))
        running.init.problem = None
        serving = len(running.said(wire.SERVING))
        await running.until(lambda: len(running.said(wire.SERVING)) > serving)
        self.assertEqual(9000, running.init.configs[-1].mtu)
        _, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        writer.close()
        count = len(running.init.configs)
        await asyncio.sleep(0.3)
        self.assertEqual(count, len(running.init.configs))

    async def test_newer_configuration_is_not_undone(self) -> None:
        running = await self._network_fails(0.3)
        running.init.problem = None
        running.send({**running.config, 'mtu': 1400})
        await running.until(lambda: running.init.configs[-1].mtu == 1400)
        await asyncio.sleep(0.6)
        self.assertEqual(1400, running.init.configs[-1].mtu)
        # Nor if it came at the moment at which the old one was tried again.
        running.agent.serving.configure(
            {**running.config, 'mtu': 9000}, True)
        await asyncio.sleep(0.1)
        self.assertEqual(1400, running.init.configs[-1].mtu)
        # That it was well is not forgotten: the next failure is told.
        running.init.problem = 'no interface'
        running.send({**running.config, 'mtu': 9000})
        await running.until(lambda: sum(
            'no interface' in each['text']
            for each in running.said(wire.LOG)) == 2)


class MemoryTest(unittest.TestCase):

    def test_memory_used(self) -> None:
        with tempfile.NamedTemporaryFile('w') as file:
            file.write('MemTotal:  100 kB\nMemFree: 1 kB\n'
                       'MemAvailable:  30 kB\n')
            file.flush()
            self.assertEqual(70, serving.memory_used_kib(file.name))
