# SPDX-License-Identifier: Apache-2.0
"""What the worker of a pair answers: pure functions.

A worker reads what guests, QEMUs and Domain Rs say, so it is believed no more
than they are: here each number and name is checked, and each text is made
printable.
"""

from typing import Any

from nova_dmore.channel import session
from nova_dmore.channel import text
from nova_dmore import wire

#: Numbers are smaller: offsets and counts of 64 bits, and times.
_NUMBER_MAX = 1 << 63
#: How many gap reports a worker of any release tells at most: those that it
#: keeps, and for each stream one that sums up those for which it had no
#: room.
_GAPS_MAX = wire.GAPS_MAX + len(wire.Stream)
_SESSIONS_MAX = wire.SESSIONS_MAX * len(wire.SESSION_SERVERS)


def status(result: dict[str, Any]) -> wire.Status:
    """The result of STATUS.

    :raises KeyError, TypeError, ValueError: it is not what it should be.
    """
    return wire.Status(
        state=wire.PairState(_text(result['state'])),
        epoch=_count(result['epoch']),
        migration_id=_text_or_none(result['migration_id']),
        instance=_vm_status(result['instance']),
        domain_r=_vm_status(result['domain_r']),
        streams=_object(result['streams']),
        serving=_object_or_none(result['serving']),
        devices=_object(result.get('devices', {})),
        gaps=tuple(map(_gap_report, _list(result['gaps'], _GAPS_MAX))),
        worker_starts=_count(result['worker_starts']),
        pid=_count(result['pid']),
        worker_pid=_count(result['worker_pid']),
        sessions=tuple(map(session.from_json, _list(
            result['sessions'], _SESSIONS_MAX)))
        if 'sessions' in result else None,
        session_events=tuple(map(_session_event, _list(
            result.get('session_events', []), wire.SESSION_EVENTS_MAX))),
        session_events_untold=_count(result.get('session_events_untold', 0)),
        recording=_recording(result.get('recording')))


def frozen(result: dict[str, Any]) -> wire.Frozen:
    """The result of FROZEN.

    :raises KeyError, TypeError, ValueError: it is not what it should be.
    """
    at = _object(result['at'])
    return wire.Frozen(
        acknowledged=_boolean(result['acknowledged']),
        stopped_at=_seconds_or_none(at['stopped']),
        frozen_at=_seconds_or_none(at['frozen']),
        # One that runs since before an upgrade does not tell.
        domain_r_stopped_at=_seconds_or_none(at.get('domain_r_stopped')))


def hand_over(result: dict[str, Any]) -> dict[str, Any] | None:
    """The result of HAND_OVER: a carry-over, which is checked by those who
    use it.

    :raises KeyError, ValueError: it is not what it should be.
    """
    return _object_or_none(result['carry_over'])


def live(result: dict[str, Any]) -> wire.PairState:
    """The result of LIVE.

    :raises KeyError, ValueError: it is not what it should be.
    """
    return wire.PairState(_text(result['state']))


def _vm_status(value: dict[str, Any]) -> wire.VmStatus:
    """One QEMU's state; ``status`` is what the worker was told by it.

    :raises KeyError, TypeError, ValueError: it is not what it should be.
    """
    state = value['status']
    return wire.VmStatus(
        connected=_boolean(value['connected']),
        attached=_boolean(value['attached']),
        status=state if state is None else text.printable(state))


def _session_event(event: dict[str, Any]) -> wire.SessionEvent:
    """:raises KeyError, TypeError, ValueError: it is not what it should be.
    """
    if event['event'] not in ('began', 'ended'):
        raise ValueError('not an event of a session')
    return wire.SessionEvent(
        _count(event['number']), event['event'], _seconds(event['time']),
        session.from_json(event['session']))


def _recording(told: dict[str, Any] | None) -> wire.Recording | None:
    return None if told is None else wire.Recording(
        _count(told['start']), tuple(map(
            _gap_report, told['gaps'][-wire.RECORDED_GAPS_MAX:])))


def _gap_report(gap: dict[str, Any]) -> wire.GapReport:
    """Numbers and names are what they should be, and texts are printable.

    :raises KeyError, TypeError, ValueError: they are not.
    """
    return wire.GapReport(**{
        **gap, 'number': _count(gap['number']),
        'at': None if gap['at'] is None else _count(gap['at']),
        'bytes': None if gap['bytes'] is None else _count(gap['bytes']),
        'kind': wire.GapKind(_text(gap['kind'])),
        'stream': wire.Stream[_text(gap['stream']).upper()].name.lower(),
        'reason': text.printable(gap['reason']),
        'migration_id': _text_or_none(gap['migration_id']),
        'time': _seconds(gap['time'])})


def _boolean(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError('neither true nor false')
    return value


def _count(value: object) -> int:
    """A whole number that is not negative; no boolean."""
    if type(value) is not int or not 0 <= value < _NUMBER_MAX:
        raise ValueError('not a number')
    return value


def _seconds(value: object) -> float:
    # A NaN compares as false, and what is infinite is too large.
    if type(value) not in (int, float) or not (
            0 <= value < _NUMBER_MAX):      # type: ignore[operator]
        raise ValueError('not a time')
    return float(value)     # type: ignore[arg-type]


def _seconds_or_none(value: object) -> float | None:
    return None if value is None else _seconds(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('not a text')
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else text.printable(_text(value))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError('not an object')
    return value


def _object_or_none(value: object) -> dict[str, Any] | None:
    return None if value is None else _object(value)


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError('not a list, or too long')
    return value
