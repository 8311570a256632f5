# SPDX-License-Identifier: Apache-2.0
"""A session: one client that is attached to a console, and who it is.

Domain R says what it knows of one in a control message, the worker says it to
who asks: each checks what it is told here. Runs in the worker and in those who
ask it: nova-compute, the exporter and ``nova-dmore-manage``. Whatever is said
of a session is Domain R's word, and a hostile one can say what it likes of its
own pair.
"""

import dataclasses
import ipaddress
from typing import Any

from nova_dmore.channel import text
from nova_dmore import wire

#: Longest text that tells who a client is, in characters.
_WHO_MAX = 100
#: Numbers of sessions, and ages and times in seconds, are smaller.
_NUMBER_MAX = 1 << 53
_PORT_MAX = (1 << 16) - 1


@dataclasses.dataclass(frozen=True)
class Session:
    """One client that is attached.

    :ivar server: one of ``wire.SESSION_SERVERS``
    :ivar number: of no other session of this Domain R
    :ivar since: seconds since 1970
    :ivar address: of the client, or of the proxy that it came by
    :ivar who: fingerprint of the key with which it logged in; None: nobody
        had to
    :ivar view_only: whether it may type nothing
    """

    server: str
    number: int
    since: float
    address: str
    port: int
    who: str | None
    view_only: bool

    def to_json(self) -> dict[str, Any]:
        """As an object that :func:`from_json` reads."""
        return dataclasses.asdict(self)


def from_json(value: object) -> Session:
    """Check what another process says of a session.

    :raises ValueError: it is not what :meth:`Session.to_json` gives
    """
    fields = _object(value)
    return _session(fields.get('server'), fields, fields.get('since'))


def from_domain_r(server: object, value: object, now: float) -> Session:
    """Check what Domain R says of a session (``wire.SESSIONS``).

    :param now: seconds since 1970
    :raises ValueError: it makes no sense
    """
    fields = _object(value)
    return _session(server, fields, now - _number('age_s',
                                                  fields.get('age_s')))


def _session(server: object, fields: dict[str, Any], since: object
             ) -> Session:
    if server not in wire.SESSION_SERVERS:
        raise ValueError('server')
    number, port = fields.get('number'), fields.get('port')
    if type(number) is not int or not 0 <= number < _NUMBER_MAX:
        raise ValueError('number')
    if type(port) is not int or not 0 <= port <= _PORT_MAX:
        raise ValueError('port')
    address, who = fields.get('address'), fields.get('who')
    if type(address) is not str or len(address) > 45:
        raise ValueError('address')
    if who is not None and type(who) is not str:
        raise ValueError('who')
    if type(fields.get('view_only')) is not bool:
        raise ValueError('view_only')
    return Session(
        str(server), number, round(_number('since', since), 3),
        # In the one form that it has. Behind a % Python takes any text as the
        # name of an interface.
        str(ipaddress.ip_address(address.partition('%')[0])), port,
        None if who is None else text.printable(who, _WHO_MAX),
        fields['view_only'])


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError('not an object')
    return value


def _number(name: str, value: object) -> float:
    # No boolean, no NaN, and nothing that is infinite.
    if type(value) not in (int, float) or not (
            0 <= value < _NUMBER_MAX):     # type: ignore[operator]
        raise ValueError(name)
    return float(value)     # type: ignore[arg-type]
