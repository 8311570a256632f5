# SPDX-License-Identifier: Apache-2.0
"""What an end of the channel finds when it polls the region."""

import dataclasses

from nova_dmore import wire


@dataclasses.dataclass(frozen=True)
class Gap:
    """Bytes that are missing from a stream, or may be.

    :ivar at: offset of the first such byte
    :ivar count: how many bytes, None when nobody can tell
    :ivar reason: text for the log
    """

    stream: wire.Stream
    at: int
    count: int | None
    kind: wire.GapKind
    reason: str

    def message(self) -> dict[str, object]:
        """The GAP message for the control stream."""
        return {'type': wire.GAP, 'stream': self.stream.name.lower(),
                'at': self.at, 'bytes': self.count, 'kind': self.kind.value,
                'reason': self.reason}


@dataclasses.dataclass
class Changes:
    """Result of ``poll`` of either end.

    :ivar opened: an epoch was joined (Domain R) or acknowledged (host)
    :ivar frozen: the freeze was acknowledged (by this end, on Domain R)
    :ivar broken: why the end gave up this epoch, None if it did not. The
        host then opens a new one; Domain R waits for it.
    :ivar restarted: host: Domain R has started anew (also ``broken``)
    :ivar readable: streams with bytes to take (host) or receive (Domain R)
    :ivar writable: streams whose room has grown
    :ivar gaps: bytes found missing since the last poll
    """

    opened: bool = False
    frozen: bool = False
    broken: str | None = None
    restarted: bool = False
    readable: set[wire.Stream] = dataclasses.field(default_factory=set)
    writable: set[wire.Stream] = dataclasses.field(default_factory=set)
    gaps: list[Gap] = dataclasses.field(default_factory=list)
