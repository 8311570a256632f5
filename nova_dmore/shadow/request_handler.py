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
"""What each request of nova-compute does (see :class:`wire.Request`)."""

import asyncio
import os
import time

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import errors
from nova_dmore.shadow import client
from nova_dmore.shadow import messages
from nova_dmore.shadow import requests
from nova_dmore import wire

State = wire.PairState

#: How often a closing gate looks at the last byte, in seconds.
_GATE_LOOK_S = 0.001


class RequestHandler:
    """Methods named like the requests, in lower case.

    :param worker: :class:`nova_dmore.shadow.worker.Worker`.
    """

    def __init__(self, worker):
        self._worker = worker
        self._machine = worker.machine

    async def handle(self, method, params):
        """One request -> its result.

        :raises requests.Refused: it cannot be granted now.
        :raises KeyError, TypeError, ValueError: its params are wrong.
        """
        try:
            return await getattr(self, f'_{method.value}')(**params)
        except errors.ChannelError as e:
            raise requests.Refused(str(e)) from e

    async def _status(self):
        worker = self._worker
        return {
            'state': self._machine.state.value,
            'epoch': worker.host_end.epoch,
            'migration_id': self._machine.migration_id,
            'instance': self._vm(messages.INSTANCE, worker.device.attached),
            'domain_r': self._vm(messages.DOMAIN_R,
                                 worker.domain_r_attached),
            'streams': {
                stream.name.lower(): {'position': position, 'base': base}
                for stream, (position, base)
                in worker.host_end.positions().items()},
            'serving': worker.control.serving,
            'gaps': worker.gap_log.reports(),
            'worker_starts': worker.worker_starts,
            'pid': worker.keeper_pid,
            'worker_pid': os.getpid()}

    def _vm(self, vm, attached):
        connected, status = self._worker.vms[vm]
        return {'connected': connected, 'status': status,
                'attached': attached}

    async def _configure(self, config):
        if not isinstance(config, dict):
            raise ValueError('config is not an object')
        self._worker.configure(config)
        self._worker.note()
        return {}

    async def _arm(self, migration_id, role, on):
        if not isinstance(migration_id, str) or not isinstance(on, bool):
            raise ValueError('migration_id is not text or on not a boolean')
        role = client.Role(role)
        if on and migration_id != self._machine.migration_id:
            self._worker.carried = None
        try:
            actions = self._machine.arm(
                migration_id, role, on, time.monotonic())
        except ValueError as e:
            raise requests.Refused(str(e)) from e
        self._worker.act(actions)
        return {}

    async def _hold(self, on):
        if not self._machine.region_writable:
            raise requests.Refused('Domain R is arriving')
        self._worker.host_end.hold(bool(on))
        return {}

    async def _gate(self, timeout_ms):
        deadline = _deadline(timeout_ms)
        worker = self._worker
        worker.act(self._machine.gate(time.monotonic()))
        while (worker.device.unread() and time.monotonic() < deadline and
               self._machine.state is State.GATED):
            await asyncio.sleep(_GATE_LOOK_S)
        return {'unread': worker.device.unread()}

    async def _frozen(self, timeout_ms):
        worker = self._worker
        if worker.vms[messages.INSTANCE][0]:
            worker.act(self._machine.stop_expected(time.monotonic()))
        await worker.wait_until(
            lambda: self._machine.state is State.FROZEN,
            _deadline(timeout_ms))
        if self._machine.state is State.FROZEN:
            return worker.frozen
        return {'acknowledged': False, 'carry_over': None,
                'at': {'stopped': None, 'frozen': None}}

    async def _carry_over(self, migration_id, carry_over):
        worker = self._worker
        if migration_id != self._machine.migration_id:
            return {'accepted': False,
                    'reason': 'this migration is not known'}
        carry_over_module.CarryOver.from_json(carry_over)
        kept, worker.carried = worker.carried, carry_over
        try:
            actions = self._machine.carried(time.monotonic())
        except ValueError as e:
            worker.carried = kept
            return {'accepted': False, 'reason': str(e)}
        worker.act(actions)
        worker.note()
        return {'accepted': True, 'reason': ''}

    async def _live(self, timeout_ms):
        await self._worker.wait_until(
            lambda: self._machine.state is State.LIVE,
            _deadline(timeout_ms))
        return {'state': self._machine.state.value}

    async def _forget_gaps(self, numbers):
        self._worker.gap_log.forget(numbers)
        self._worker.note()
        return {}

    async def _shutdown(self):
        # The answer has to leave before the process does.
        asyncio.get_running_loop().call_later(
            0.01, self._worker.shut_down)
        return {}


def _deadline(timeout_ms):
    if type(timeout_ms) not in (int, float) or timeout_ms < 0:
        raise ValueError('timeout_ms is not a number')
    return time.monotonic() + timeout_ms / 1000
