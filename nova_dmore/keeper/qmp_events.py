# SPDX-License-Identifier: Apache-2.0
"""Which of QEMU's QMP events the keeper acts on, and when they happened."""

import time

from nova_dmore.link import messages

#: Events that are passed on, with the run state they announce, if any.
EVENTS = {'STOP': 'paused', 'RESUME': 'running', 'SHUTDOWN': None,
          'RESET': None}

#: Status of a MIGRATION event -> what is passed on.
_MIGRATION = {'device': messages.SAVING,
              'postcopy-active': messages.SAVING_POSTCOPY,
              'postcopy-device': messages.SAVING_POSTCOPY,
              'completed': messages.SAVED}

#: An event that seems to be older, in seconds, is taken for a new one.
_AGE_MAX_S = 10.0


def told_as(message: messages.Message) -> str | None:
    """-> by which name an event is passed on; None: it is not."""
    name = message['event']
    if name == 'MIGRATION':
        data = message.get('data')
        status = data.get('status') if isinstance(data, dict) else None
        return _MIGRATION.get(status) if isinstance(status, str) else None
    return name if isinstance(name, str) and name in EVENTS else None


def is_acted_on(name: str) -> bool:
    """Whether somebody does something about an event that is passed on."""
    return EVENTS.get(name, name) is not None


def age_s(message: messages.Message) -> float:
    """-> how long ago QEMU sent an event, in seconds, as far as it says."""
    try:
        stamp = message['timestamp']
        age: float = (time.time() - stamp['seconds']
                      - stamp['microseconds'] / 1e6)
    except (KeyError, OverflowError, TypeError):
        return 0.0
    # The clock may have been set between the event and now.
    return age if 0 <= age < _AGE_MAX_S else 0.0
