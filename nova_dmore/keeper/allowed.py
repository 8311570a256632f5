# SPDX-License-Identifier: Apache-2.0
"""Which QMP commands the worker may have run.

A full QMP connection can run programs as QEMU's user, so the worker, which
reads what guests wrote, gets these few commands and no more.
"""

from typing import Any

from nova_dmore.channel import input_event
from nova_dmore.channel import text
from nova_dmore.link import messages

#: Events in one command: two axes, and all buttons.
EVENTS_MAX = 2 + len(input_event.BUTTONS)

#: With other arguments than ``messages.KEYBOARD_STATUS`` it can do anything.
_HMP = 'human-monitor-command'
#: Longest answer to it that is passed on, in characters.
_RESULT_MAX = 40


def is_allowed(vm: str, command: str, arguments: dict[str, Any] | None
               ) -> bool:
    """-> whether the worker may have this command run.

    Domain R may be stopped, for that is the worker's part of a migration; its
    instance never.
    """
    if command == 'query-status':
        return not arguments
    if vm == messages.DOMAIN_R:
        return command == 'stop' and not arguments
    if command == messages.BREAK:
        return arguments == {'id': messages.SERIAL0_CHARDEV}
    if command == _HMP:
        return arguments == messages.KEYBOARD_STATUS
    return command == 'input-send-event' and _are_events(arguments)


def told_of(command: str, result: Any) -> str | None:
    """-> what the worker is told of QEMU's answer.

    Answers may be long, and it needs but that to ``KEYBOARD_STATUS``.
    """
    return (text.printable(result, _RESULT_MAX)
            if command == _HMP and isinstance(result, str) else None)


def _are_events(arguments: Any) -> bool:
    """Whether these are the arguments that the input device makes."""
    try:
        (events,) = arguments.values()
        return (list(arguments) == ['events'] and type(events) is list and
                0 < len(events) <= EVENTS_MAX and
                all(map(_is_event, events)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _is_event(event: Any) -> bool:
    data = event['data']
    if set(event) != {'type', 'data'} or len(data) != 2:
        return False
    kind = event['type']
    if kind == 'key':
        key = data['key']
        return (type(data['down']) is bool and set(key) == {'type', 'data'}
                and key['type'] == 'number' and _in(key['data'], 1, 0xff))
    if kind == 'btn':
        return (type(data['down']) is bool and
                data['button'] in input_event.BUTTONS)
    if kind in ('abs', 'rel'):
        most = input_event.POINTER_MAX
        return data['axis'] in ('x', 'y') and _in(
            data['value'], 0 if kind == 'abs' else -most, most)
    return False


def _in(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most
