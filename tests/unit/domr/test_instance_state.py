# SPDX-License-Identifier: Apache-2.0
"""What the host says that the instance does."""

import asyncio
import unittest

from nova_dmore.domr import instance_state
from nova_dmore import wire
from tests.unit.domr import pair

State = wire.InstanceState


class InstanceStateTest(unittest.TestCase):

    def setUp(self) -> None:
        self.instance = instance_state.InstanceState()
        self.seen: list[State | None] = []
        self.instance.subscribe(self.seen.append)

    def test_each_change_once(self) -> None:
        for text in ('off', 'off', 'running'):
            self.instance.told({'type': wire.STATE, 'state': text})
        self.instance.forget()
        self.assertEqual([State.OFF, State.RUNNING, None], self.seen)

    def test_what_is_not_known(self) -> None:
        """A later host may know of more; then it is as with an earlier one.
        """
        self.instance.told({'type': wire.STATE, 'state': 'off'})
        for message in ({'state': 'dreaming'}, {'state': 7}, {}):
            self.instance.told(message)
            self.assertIsNone(self.instance.now)
            self.assertTrue(self.instance.takes_input)

    def test_input(self) -> None:
        taking = {State.RUNNING, State.REBOOTING, State.MIGRATING}
        for state in State:
            self.instance.told({'state': state})
            self.assertIs(state in taking, self.instance.takes_input, state)


class AgentTest(unittest.IsolatedAsyncioTestCase):

    async def test_what_was_typed_before_a_boot(self) -> None:
        async with pair.Pair(pair.config()) as running:
            self.assertEqual(
                1, running.said(wire.SERVING)[-1]['hears_boots'])
            running.taking = False
            _, writer = await asyncio.open_connection(
                '127.0.0.1', running.config['serial_port'])
            self.addCleanup(writer.close)
            writer.write(bytes(100_000))
            end, stream = running.agent._end, wire.Stream.SERIAL0_IN
            await running.until(lambda: end.sendable(stream) == 0)
            at = end.position(stream)
            running.send({'type': wire.BOOT, 'number': 7})
            await running.until(lambda: running.said(wire.BOOT_HEARD))
            self.assertEqual(
                [{'type': wire.BOOT_HEARD, 'number': 7, 'at': at}],
                running.said(wire.BOOT_HEARD))

    async def test_it_is_told_in_each_epoch(self) -> None:
        async with pair.Pair(pair.config()) as running:
            running.send({'type': wire.STATE, 'state': 'off'})
            instance = running.agent.instance
            await running.until(lambda: instance.now is State.OFF)
            running.host.open(None)
            await running.until(lambda: instance.now is None)
