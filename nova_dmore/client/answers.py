# SPDX-License-Identifier: Apache-2.0
"""What the worker of a pair answers: pure functions.

It reads what guests, QEMUs and Domain Rs said, and is believed no more: each
number and name is what it should be, and each text can be printed.
"""

from typing import Any

from nova_dmore.channel import session
from nova_dmore.channel import text
from nova_dmore import wire


def status(result: dict[str, Any]) -> wire.Status:
    """The result of STATUS.

    :raises KeyError, TypeError, ValueError: it is not what it should be.
    """
    return wire.Status(
        state=wire.PairState(result['state']),
        epoch=result['epoch'],
        migration_id=result['migration_id'],
        instance=_vm_status(result['instance']),
        domain_r=_vm_status(result['domain_r']),
        streams=result['streams'],
        serving=result['serving'],
        devices=result.get('devices', {}),
        gaps=tuple(map(_gap_report, result['gaps'])),
        worker_starts=result['worker_starts'],
        pid=result['pid'],
        worker_pid=result['worker_pid'],
        sessions=tuple(map(session.from_json, result['sessions']))
        if 'sessions' in result else None,
        session_events=tuple(map(
            _session_event, result.get('session_events', ()))),
        session_events_untold=result.get('session_events_untold', 0),
        recording=_recording(result.get('recording')))


def _vm_status(value: dict[str, Any]) -> wire.VmStatus:
    """A worker tells what a QEMU has told it."""
    state = value['status']
    return wire.VmStatus(
        connected=value['connected'], attached=value['attached'],
        status=state if state is None else text.printable(state))


def _session_event(event: dict[str, Any]) -> wire.SessionEvent:
    """:raises KeyError, TypeError, ValueError: it is not what it should be.
    """
    number = event['number']
    if type(number) is not int or event['event'] not in ('began', 'ended'):
        raise ValueError('an event of a session')
    return wire.SessionEvent(number, event['event'], float(event['time']),
                             session.from_json(event['session']))


def _recording(told: dict[str, Any] | None) -> wire.Recording | None:
    return None if told is None else wire.Recording(
        int(told['start']), tuple(map(_gap_report, told['gaps'][-32:])))


def _gap_report(gap: dict[str, Any]) -> wire.GapReport:
    """Numbers and names are what they should be, and texts are printable.

    :raises KeyError, TypeError, ValueError: they are not.
    """
    for name in ('number', 'at', 'bytes'):
        if type(gap[name]) is not int and (
                name == 'number' or gap[name] is not None):
            raise ValueError(f'{name} of a gap')
    return wire.GapReport(**{
        **gap, 'kind': wire.GapKind(gap['kind']),
        'stream': wire.Stream[str(gap['stream']).upper()].name.lower(),
        'reason': text.printable(gap['reason'])})
