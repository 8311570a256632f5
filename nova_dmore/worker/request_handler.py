# SPDX-License-Identifier: Apache-2.0
"""What each request of nova-compute does (see :class:`wire.Request`)."""

import inspect
import os
import time
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import errors
from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker import requests

if TYPE_CHECKING:       # it imports this one
    from nova_dmore.worker import pair as pair_module

State = wire.PairState

_MIGRATION_ID_MAX = 200
#: The longest that a request may ask to be waited for.
_TIMEOUT_MAX_MS = 1e9


class RequestHandler:
    """Methods named like the requests, in lower case.

    :param pair: :class:`nova_dmore.worker.pair.Pair`.
    """

    def __init__(self, pair: 'pair_module.Pair') -> None:
        self._pair = pair
        self._machine = pair.machine

    def handle(self, method: wire.Request, params: dict[str, Any]
               ) -> requests.Result | requests.Later:
        """One request -> its result.

        :raises requests.Refused: it cannot be granted now, or its params are
            wrong.
        """
        function: Callable[..., requests.Result | requests.Later] = getattr(
            self, f'_{method.value}')
        try:
            inspect.signature(function).bind(**params)
        except TypeError as e:
            raise requests.BadRequest(f'bad request: {e}') from e
        return function(**params)

    def _status(self) -> requests.Result:
        pair = self._pair
        return {
            'state': self._machine.state.value,
            'epoch': pair.host_end.epoch,
            'migration_id': self._machine.migration_id,
            'instance': self._vm(
                messages.INSTANCE, pair.vms[messages.INSTANCE][0]),
            'domain_r': self._vm(messages.DOMAIN_R,
                                 pair.domain_r_attached),
            'streams': {
                stream.name.lower(): {'position': position, 'base': base}
                for stream, (position, base)
                in pair.host_end.positions().items()},
            'serving': pair.control.serving,
            'devices': pair.devices.status(),
            'gaps': pair.gap_log.reports(),
            'sessions': pair.control.sessions.sessions(),
            'session_events': pair.control.sessions.events(),
            'session_events_untold': pair.control.sessions.untold,
            'recording': pair.recorded.status(),
            'worker_starts': pair.worker_starts,
            'pid': pair.keeper_pid,
            'worker_pid': os.getpid()}

    def _vm(self, vm: str, attached: bool) -> dict[str, Any]:
        connected, status = self._pair.vms[vm]
        return {'connected': connected, 'status': status,
                'attached': attached}

    def _configure(self, config: Any) -> requests.Result:
        _check(isinstance(config, dict), 'config is not an object')
        try:
            self._pair.configure(config)
        except errors.ControlError as e:
            raise requests.Refused(str(e)) from e
        self._pair.note()
        return {}

    def _arm(self, migration_id: Any, role: Any, on: Any) -> requests.Result:
        _check(isinstance(migration_id, str) and migration_id.isascii() and
               len(migration_id) <= _MIGRATION_ID_MAX and
               isinstance(on, bool) and role in list(wire.Role),
               'migration_id is no short ASCII text, on no boolean, or '
               'role none')
        role = wire.Role(role)
        is_known = migration_id == self._machine.migration_id
        try:
            actions = self._machine.arm(
                migration_id, role, on, time.monotonic())
        except ValueError as e:
            raise requests.Refused(str(e)) from e
        if role is wire.Role.DESTINATION and on and not is_known:
            self._pair.carried = None
        if on is not is_known:
            # Another migration begins, or this one is over.
            self._pair.stop.let_go(False)
        self._pair.commands.leaving(
            self._machine.role is wire.Role.SOURCE)
        self._pair.act(actions)
        if on and self._machine.role is wire.Role.SOURCE:
            self._pair.devices.each(base.ShadowDevice.armed)
        return {}

    def _adopt(self) -> requests.Result:
        self._pair.commands.adopted()
        self._pair.act(self._machine.adopt(time.monotonic()))
        return {}

    def _hold(self, on: Any) -> requests.Result:
        if not self._machine.region_writable:
            raise requests.Refused('Domain R is not running here')
        self._pair.host_end.hold(bool(on))
        return {}

    def _let_go(self, on: Any) -> requests.Result:
        self._pair.stop.let_go(bool(on))
        return {}

    def _frozen(self, timeout_ms: Any) -> requests.Later:
        stop = self._pair.stop

        def result() -> requests.Result:
            if not stop.domain_r_may_stop:
                return {'acknowledged': False,
                        'at': {'stopped': None, 'frozen': None,
                               'domain_r_stopped': None}}
            assert stop.frozen is not None
            return {name: stop.frozen[name] for name in ('acknowledged', 'at')}
        return requests.Later(lambda: stop.domain_r_may_stop,
                              _deadline(timeout_ms), result)

    def _hand_over(self, timeout_ms: Any) -> requests.Later:
        def result() -> requests.Result:
            frozen = (self._machine.state is State.FROZEN and
                      self._pair.stop.frozen)
            return {'carry_over': frozen['carry_over'] if frozen else None}
        return requests.Later(
            lambda: self._machine.state is not State.FREEZING,
            _deadline(timeout_ms), result)

    def _carry_over(self, migration_id: Any, carry_over: Any
                    ) -> requests.Result:
        pair = self._pair
        if migration_id != self._machine.migration_id:
            return {'accepted': False,
                    'reason': 'this migration is not known'}
        try:
            parsed = carry_over_module.CarryOver.from_json(carry_over)
        except errors.CarryOverError as e:
            raise requests.Refused(str(e)) from e
        # Not as it came: what is noted of it has a bound.
        kept, pair.carried = pair.carried, parsed.within(
            pair.carried_limit).to_json()
        try:
            actions = self._machine.carried(time.monotonic())
        except ValueError as e:
            pair.carried = kept
            # The bytes are not needed any more; the picture may be.
            pair.devices.each(base.ShadowDevice.arrived, parsed)
            return {'accepted': False, 'reason': str(e)}
        pair.act(actions)
        pair.note()
        return {'accepted': True, 'reason': ''}

    def _live(self, timeout_ms: Any) -> requests.Later:
        return requests.Later(
            lambda: self._machine.state is State.LIVE, _deadline(timeout_ms),
            lambda: {'state': self._machine.state.value})

    def _gaps(self, timeout_ms: Any, sessions: Any = False
              ) -> requests.Later:
        def reports() -> list[dict[str, Any]]:
            # Who does not take what is told of sessions waits for gaps alone.
            return self._pair.gap_log.reports() + (
                self._pair.control.sessions.events() if sessions else [])
        return requests.Later(reports, _deadline(timeout_ms),
                              lambda: {'number': len(reports())})

    def _forget_gaps(self, numbers: Any) -> requests.Result:
        _check_numbers(numbers)
        self._pair.gap_log.forget(numbers)
        self._pair.note()
        return {}

    def _forget_session_events(self, numbers: Any) -> requests.Result:
        _check_numbers(numbers)
        self._pair.control.sessions.forget(numbers)
        self._pair.note()
        return {}

    def _end_session(self, number: Any) -> requests.Result:
        _check_numbers([number])
        try:
            self._pair.end_session(number)
        except errors.StateError as e:
            raise requests.Refused(str(e)) from e
        return {}

    def _shutdown(self) -> requests.Result:
        # The answer has to leave before the process does.
        self._pair.loop.call_later(0.01, self._pair.shut_down)
        return {}


def _check(is_right: bool, text: str) -> None:
    if not is_right:
        raise requests.BadRequest(f'bad request: {text}')


def _check_numbers(numbers: Any) -> None:
    _check(isinstance(numbers, list) and
           all(type(each) is int for each in numbers),
           'numbers is no list of numbers')


def _deadline(timeout_ms: Any) -> float:
    _check(type(timeout_ms) in (int, float) and
           0 <= timeout_ms <= _TIMEOUT_MAX_MS,
           'timeout_ms is not a number, or too large')
    timeout_s: float = timeout_ms / 1000
    return time.monotonic() + timeout_s
