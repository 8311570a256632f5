# SPDX-License-Identifier: Apache-2.0
"""The agent: restart, hold, messages."""

import asyncio
import contextlib
import pathlib
import tempfile
import threading
import unittest
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


class AgentTest(pair.PairTestCase):

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
            running.agent.serving._configure = fails_later      # type: ignore
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
        await running.until(lambda: (fresh.poll(), fresh.serving._served)[1])
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
