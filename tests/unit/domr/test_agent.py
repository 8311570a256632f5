# SPDX-License-Identifier: Apache-2.0
"""The agent: configuration, restart, hold, messages."""

import asyncio
import contextlib
import pathlib
import tempfile
import threading
import unittest
from typing import Any
from unittest import mock

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel import region
from nova_dmore.domr import agent
from nova_dmore.domr import hold
from nova_dmore.domr.servers import rms
from nova_dmore import wire
from tests.unit.domr import console_case
from tests.unit.domr import pair


class NoticeTest(unittest.TestCase):
    """What of a gap stands in the clients' stream of bytes."""

    def _notice(self, stream: Any = 'serial0_out', count: Any = 5,
                kind: Any = 'exact') -> str | None:
        return agent.notice_of({'type': 'gap', 'stream': stream, 'at': 0,
                                'bytes': count, 'kind': kind, 'reason': 'x'})

    def test_missing(self) -> None:
        self.assertEqual('5 bytes of output are missing', self._notice())
        self.assertEqual('5 bytes of input did not arrive',
                         self._notice('serial0_in'))

    def test_nobody_knows(self) -> None:
        for count in (None, 5):
            self.assertEqual('output may be missing',
                             self._notice(count=count, kind='unknown'))
        self.assertEqual('input may not have arrived',
                         self._notice('serial0_in', None, 'unknown'))
        self.assertEqual('output may be missing', self._notice(count=None))

    def test_perhaps_nothing_is_missing(self) -> None:
        self.assertIsNone(self._notice(kind='ambiguous'))
        self.assertIsNone(self._notice('serial0_in', 1, 'ambiguous'))

    def test_no_console_or_nonsense(self) -> None:
        self.assertIsNone(self._notice('control_to_host'))
        self.assertIsNone(self._notice(kind='\x1b[2J'))
        self.assertIsNone(self._notice(None, None, None))
        self.assertEqual('output may be missing', self._notice(count='\x1b'))


class AgentTest(unittest.IsolatedAsyncioTestCase):

    async def _pair(self, **changes: object) -> pair.Pair:
        running = pair.Pair(pair.config(**changes))
        await self.enterAsyncContext(running)
        return running

    async def test_what_nobody_expected_ends_it(self) -> None:
        def fails(*_: object) -> None:
            raise IndexError('oh')

        async def fails_later(*_: object) -> None:
            fails()

        def by_callback(running: pair.Pair) -> None:
            asyncio.get_running_loop().call_soon(fails)

        def by_interrupt(running: pair.Pair) -> None:
            with mock.patch.object(running.agent, 'poll', fails):
                running.ring(wire.Vector.CONTROL)
                running.agent._rung(running.device)     # type: ignore

        def by_configuration(running: pair.Pair) -> None:
            running.agent._configure = fails_later      # type: ignore
            running.send({**running.config, 'stall_ms': 1})
        for way in (by_callback, by_interrupt, by_configuration):
            running = pair.Pair(pair.config())
            await running.__aenter__()
            way(running)
            ran = running._tasks[0]
            done, _ = await asyncio.wait([ran], timeout=5)
            self.assertTrue(done, way)
            self.assertIsInstance(ran.exception(), IndexError)
            with contextlib.suppress(IndexError):
                await running.__aexit__(None, None, None)

    async def test_a_fault_of_a_connection_is_its_own(self) -> None:
        running = await self._pair()
        asyncio.get_running_loop().call_exception_handler({
            'message': 'Fatal error', 'exception': IndexError(),
            'transport': None, 'protocol': None})
        await asyncio.sleep(0.3)
        self.assertFalse(running._tasks[0].done())

    async def test_output_that_is_missing_is_told_in_its_place(self) -> None:
        running = await self._pair()
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        self.addCleanup(writer.close)
        await running.until(lambda: running.said(wire.SERVING)[-1]['serial'])
        at = running.agent._end.position(wire.Stream.SERIAL0_OUT)
        running.send({'type': wire.GAP, 'stream': 'serial0_out', 'at': at + 6,
                      'bytes': 7, 'kind': wire.GapKind.EXACT, 'reason': 'x'})
        await running.until(lambda: running.agent.console._clients[
            0].notices.next_after(at) is not None)
        running.print(b'beforeafter')
        self.assertEqual(
            b'before\r\n[nova-dmore: 7 bytes of output are missing]\r\nafter',
            await reader.readuntil(b'after'))

    async def test_wrong_configuration_is_reported_and_ignored(self) -> None:
        running = await self._pair()
        servers = dict(running.agent.servers)
        running.send({**running.config, 'mtu': 1})
        await running.until(lambda: running.said(wire.LOG))
        self.assertIn('mtu', running.said(wire.LOG)[0]['text'])
        running.send({'type': 'nonsense'})
        running.send({**running.config, 'serial_networks': []})
        count = len(running.said(wire.SERVING))
        await running.until(lambda: len(running.said(wire.SERVING)) > count)
        self.assertEqual(servers, running.agent.servers)

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
        self.assertEqual(['serial'], list(running.agent.servers))
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
        patch = mock.patch.object(agent, 'RETRY_S', retry_s)
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
        running.agent._begin_configure(
            {**running.config, 'mtu': 9000}, True)
        await asyncio.sleep(0.1)
        self.assertEqual(1400, running.init.configs[-1].mtu)
        # That it was well is not forgotten: the next failure is told.
        running.init.problem = 'no interface'
        running.send({**running.config, 'mtu': 9000})
        await running.until(lambda: sum(
            'no interface' in each['text']
            for each in running.said(wire.LOG)) == 2)

    async def test_hold_writes_memory_while_wanted(self) -> None:
        running = await self._pair()
        running.host.hold(True)
        await running.until(_holds, 2)
        running.host.hold(False)
        await running.until(lambda: not _holds(), 2)

    def _never_idle(self) -> None:
        """An agent that thinks it is idle does not poll in this test."""
        patch = mock.patch.object(wire, 'IDLE_POLL_INTERVAL_S', 600)
        patch.start()
        self.addCleanup(patch.stop)

    async def _idle(self, **changes: object) -> pair.Pair:
        running = await self._pair(**changes)
        await running.until(lambda: running.agent._interval
                            == wire.IDLE_POLL_INTERVAL_S)
        return running

    async def test_lost_interrupt_of_an_idle_agent(self) -> None:
        running = await self._idle()
        running.device.loses = True
        running.print(b'late')
        await running.until(lambda: running.agent.console.end == 4)

    async def test_idle_agent_polls_seldom(self) -> None:
        self._never_idle()
        running = await self._idle()
        running.device.loses = True
        running.print(b'never')
        await asyncio.sleep(5 * wire.POLL_INTERVAL_S)
        self.assertEqual(0, running.agent.console.end)

    async def test_lost_interrupt_with_a_client(self) -> None:
        self._never_idle()
        running = await self._idle()
        running.device.loses = True
        _, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        self.addCleanup(writer.close)
        await running.until(lambda: running.said(wire.SERVING)[-1]['serial'])
        running.print(b'soon')
        await running.until(lambda: running.agent.console.end == 4)

    async def test_freeze_comes_before_a_key(self) -> None:
        self._never_idle()
        running = await self._idle()
        with mock.patch.object(wire, 'POLL_INTERVAL_S', 600):
            reader, writer = await asyncio.open_connection(
                '127.0.0.1', running.config['serial_port'])
            self.addCleanup(writer.close)
            await running.until(
                lambda: running.said(wire.SERVING)[-1]['serial'])
            running.print(b'once')
            await reader.readexactly(4)
            running.device.loses = True
            running.print(b'last')
            running.step()
            running.host.freeze()
            writer.write(b'x')
            await running.until(lambda: running.host.acknowledged)
        self.assertEqual(8, running.agent.console.end)
        # The key waits for the next epoch.
        self.assertEqual(b'', running.typed)
        running.device.loses = False
        running.host.open()
        await running.until(lambda: running.typed == b'x')

    async def test_lost_interrupt_after_a_freeze(self) -> None:
        self._never_idle()
        running = await self._idle()
        running.host.freeze()
        await running.until(lambda: running.host.acknowledged)
        running.device.loses = True
        running.host.open()
        await running.until(
            lambda: running.host.state is host_end.HostState.OPEN)

    async def test_lost_interrupt_while_held(self) -> None:
        self._never_idle()
        running = await self._idle()
        running.host.hold(True)
        await running.until(_holds)
        running.device.loses = True
        running.host.open()     # as at a destination, without a freeze
        await running.until(
            lambda: running.host.state is host_end.HostState.OPEN)
        running.host.hold(False)
        await running.until(lambda: not _holds())

    async def _restarted(self, running: pair.Pair) -> agent.Agent:
        running.print(b'before')
        await running.until(
            lambda: running.agent.console.end == 6
            and not running.host.unstored(wire.Stream.SERIAL0_OUT))
        running._tasks[0].cancel()
        await asyncio.wait(running._tasks[:1])
        end = domr_end.DomainREnd(
            region.Region(running.host._region.data.obj), lambda vector: None)
        fresh = agent.Agent(end, running.screen(), {}, running.init)
        fresh.poll()
        await running.until(lambda: running.broken)
        self.assertIs(host_end.HostState.BROKEN, running.host.state)
        running.host.open()
        fresh.poll()
        await running.until(
            lambda: running.host.state is host_end.HostState.OPEN)
        return fresh

    async def test_only_the_first_one_begins_with_an_evacuation(self) -> None:
        running = await self._pair(evacuated_at=1796029261)
        fresh = await self._restarted(running)
        running.send(running.config)
        await running.until(lambda: (fresh.poll(), fresh._served)[1])
        for each, count in (running.agent, 1), (fresh, 0):
            port = console_case.Port()
            each.console.attach(port, 'c', is_person=True)
            self.assertEqual(count, sum(
                'was lost' in text for text in port.told), port.told)

    async def test_restarted_agent_serves_again(self) -> None:
        running = await self._pair()
        fresh = await self._restarted(running)
        running.print(b'after')
        await running.until(lambda: (fresh.poll(),
                                     fresh.console.end == 5)[1])


def _holds() -> int:
    return sum(thread.name == hold.THREAD for thread in threading.enumerate())


class HolderTest(unittest.TestCase):

    def test_every_page_changes_at_each_step(self) -> None:
        memory = bytearray(wire.HOLD_BYTES)
        seen = []
        for count in range(300):
            hold.write(memory, count)
            pages = set(memory[::4096])
            self.assertEqual(1, len(pages))
            seen.append(pages.pop())
        self.assertNotIn(0, seen)
        self.assertTrue(all(a != b for a, b in zip(seen, seen[1:])))

    def test_one_thread_at_a_time(self) -> None:
        holder = hold.Holder()
        holder.want(True)
        holder.want(True)
        self.assertEqual(1, _holds())
        holder.want(False)
        holder.want(False)
        for thread in threading.enumerate():
            if thread.name == hold.THREAD:
                thread.join(2)
        self.assertEqual(0, _holds())


class FilesTest(unittest.TestCase):

    def test_modules_of_the_image(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / 'rms'
            path.write_text('serial = a.b\nssh = c\n')
            self.assertEqual({'serial': 'a.b', 'ssh': 'c'}, rms.modules(path))

    def test_memory_used(self) -> None:
        with tempfile.NamedTemporaryFile('w') as file:
            file.write('MemTotal:  100 kB\nMemFree: 1 kB\n'
                       'MemAvailable:  30 kB\n')
            file.flush()
            self.assertEqual(70, agent.memory_used_kib(file.name))
