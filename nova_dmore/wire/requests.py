# SPDX-License-Identifier: Apache-2.0
"""What nova-compute asks of the shadow-device process, and its answers.

A unix stream socket, one JSON object per line. Request: ``{"id": n, "method":
name, "params": {...}}``; answer ``{"id": n, "result": {...}}`` or ``{"id": n,
"error": text}``. Answers may come out of order.
"""

import dataclasses
import enum
from typing import Any

from nova_dmore.wire import control

REQUEST_LINE_MAX = 1 << 20
#: Gap reports, and events of sessions, that a worker keeps for nova-compute.
#: Of gap reports that gave way it tells one more for each stream.
GAPS_MAX = SESSION_EVENTS_MAX = 256
#: Gap reports that it keeps for a recorder, the last ones.
RECORDED_GAPS_MAX = 32


class PairState(enum.StrEnum):
    """What the shadow-device process of a pair is doing."""

    STARTING = 'starting'   # waits for Domain R or for the instance
    INCOMING = 'incoming'   # a destination: both VMs are still arriving
    LIVE = 'live'           # bytes flow
    FREEZING = 'freezing'   # the instance stopped; Domain R takes the rest
    FROZEN = 'frozen'       # nothing moves until the instance runs again


class Role(enum.StrEnum):
    """What an armed pair expects (parameter ``role`` of ARM)."""

    SOURCE = 'source'
    DESTINATION = 'destination'


class Request(enum.StrEnum):
    """Methods, their parameters and results.

    Every method but SHUTDOWN may be repeated without harm.
    """

    #: -> ``state``, ``epoch``, ``migration_id``, ``instance`` and
    #: ``domain_r`` (each ``connected``, ``status``: QMP run state or null),
    #: ``streams`` {name: {``position``, ``base``}}, ``serving`` (the last
    #: SERVING message or null), ``devices`` (``input``: {``dropped``: events
    #: that made no sense}, ``display``: {``connected``, ``open``: the picture
    #: is good, ``width``, ``height``, ``viewers``}),
    #: ``gaps`` (list, each with ``number``), ``sessions`` (list, as
    #: :class:`nova_dmore.channel.session.Session`), ``session_events`` (list,
    #: each with ``number``, ``event`` (``began``, ``ended``), ``time`` and
    #: ``session``), ``session_events_untold`` (how many there was no room
    #: for), ``recording`` (null: the output may not be recorded; else
    #: ``start``: so many bytes of it had passed here before it may be, and
    #: ``gaps``: the last gaps in it, whether nova-compute has them or not),
    #: ``worker_starts``, ``pid`` (of the keeper), ``worker_pid``.
    STATUS = 'status'
    #: ``config``: the CONFIG message, kept for this and every later Domain R.
    CONFIGURE = 'configure'
    #: ``migration_id``, ``role`` ('source' or 'destination'), ``on``: from
    #: now on a stop of the instance is the stop of a migration (source), or
    #: its start the arrival of one (destination).
    ARM = 'arm'
    #: The instance belongs to this host now, whether it runs or is paused (in
    #: which case QEMU never tells that it runs). A Domain R that has arrived
    #: runs from now on, and the channel is opened. A pair that is live is not
    #: changed.
    ADOPT = 'adopt'
    #: ``on``: ask Domain R to keep its pre-copy from converging.
    HOLD = 'hold'
    #: ``on``: Domain R's migration needs nothing but Domain R's stop to
    #: complete. So the process stops Domain R itself, as soon as the freeze
    #: allows it; or no longer does so. It also ends with the migration that
    #: ARM tells of, and when another one begins.
    LET_GO = 'let_go'
    #: Wait at most ``timeout_ms`` for the instance's stop and Domain R's
    #: acknowledgement, after which Domain R may stop -> ``acknowledged`` and
    #: ``at`` {``stopped``, ``frozen``, ``domain_r_stopped``} (CLOCK_MONOTONIC
    #: seconds; the last one null until it has).
    FROZEN = 'frozen'
    #: Wait at most ``timeout_ms`` until the instance's QEMU has saved its
    #: state, and takes and gives nothing more -> ``carry_over`` (CarryOver as
    #: JSON, null: there is none).
    HAND_OVER = 'hand_over'
    #: Destination: ``migration_id``, ``carry_over``: what the source had.
    CARRY_OVER = 'carry_over'
    #: Wait at most ``timeout_ms`` until bytes flow -> ``state``.
    LIVE = 'live'
    #: Wait at most ``timeout_ms`` until there are gap reports -> ``number``
    #: of them; with ``sessions`` true also until there are events of
    #: sessions. The connection ends with the worker, so nova-compute has one
    #: such request waiting for each pair, and need not poll.
    GAPS = 'gaps'
    #: ``numbers``: gap reports that nova-compute has logged.
    FORGET_GAPS = 'forget_gaps'
    #: ``numbers``: events of sessions that nova-compute has told.
    FORGET_SESSION_EVENTS = 'forget_session_events'
    #: ``number``: have this client cut off, if it is still attached.
    END_SESSION = 'end_session'
    #: End the process and close everything; the sockets' files are removed.
    SHUTDOWN = 'shutdown'


@dataclasses.dataclass(frozen=True)
class VmStatus:
    """One of the two VMs, as the shadow-device process sees it."""

    connected: bool         # its QMP socket answers
    status: str | None      # QMP run state, None: not known
    attached: bool          # its console device or ivshmem is connected


@dataclasses.dataclass(frozen=True)
class GapReport:
    """Bytes that did not, or perhaps did not, arrive."""

    number: int             # for FORGET_GAPS
    stream: str
    at: int | None          # offset in the stream, None: not known
    bytes: int | None
    kind: control.GapKind
    reason: str
    migration_id: str | None
    time: float             # seconds since 1970


@dataclasses.dataclass(frozen=True)
class SessionEvent:
    """A client was attached, or is not any more."""

    number: int             # for FORGET_SESSION_EVENTS
    event: str              # 'began' or 'ended'
    time: float             # seconds since 1970
    session: Any            # a nova_dmore.channel.session.Session


@dataclasses.dataclass(frozen=True)
class Status:
    """Result of STATUS; see :class:`Request`."""

    state: PairState
    epoch: int
    migration_id: str | None
    instance: VmStatus
    domain_r: VmStatus
    streams: dict[str, dict[str, int]]
    serving: dict[str, Any] | None
    #: What some devices tell of themselves, see Request.STATUS.
    devices: dict[str, dict[str, Any]]
    gaps: tuple[GapReport, ...]
    worker_starts: int
    pid: int                # of the keeper
    worker_pid: int
    #: Each a nova_dmore.channel.session.Session; None: its worker is of a
    #: release that does not tell.
    sessions: tuple[Any, ...] | None = None
    session_events: tuple[SessionEvent, ...] = ()
    session_events_untold: int = 0
    recording: 'Recording | None' = None


@dataclasses.dataclass(frozen=True)
class Recording:
    """The output of a pair may be recorded; see STATUS."""

    start: int
    gaps: tuple[GapReport, ...]


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Result of FROZEN.

    The times are CLOCK_MONOTONIC seconds. All are None if the instance did not
    stop in the time given; ``domain_r_stopped_at`` is also None as long as
    Domain R has not stopped.
    """

    acknowledged: bool
    stopped_at: float | None
    frozen_at: float | None
    domain_r_stopped_at: float | None


@dataclasses.dataclass(frozen=True)
class CarryOverAnswer:
    """Result of CARRY_OVER: whether it was used, and why not."""

    accepted: bool
    reason: str


#: A destination waits this long for CARRY_OVER if Domain R did not freeze.
CARRY_OVER_LIMIT_S = 2.0
