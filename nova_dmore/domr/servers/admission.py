# SPDX-License-Identifier: Apache-2.0
"""Limits for those who have not logged in: one mechanism for all servers.

``Attempts`` says who has to wait before the next attempt to log in,
``Pending`` which connection has to go when too many have not logged in.
Neither does any input or output, nor reads a clock of its own.
"""

import collections
import dataclasses
import ipaddress
from collections.abc import Callable
from typing import Generic, TypeVar

#: Sources whose failures are remembered, for each server. One takes about
#: 400 bytes.
SOURCES_MAX = 512
#: Sources that are remembered for having logged in.
KNOWN_MAX = 64

#: IPv6 addresses that differ after so many bits are one source: whoever has
#: one address usually has the whole network.
IPV6_PREFIX = 64

T = TypeVar('T')


def source_of(host: str) -> str:
    """What counts as one source: an IPv4 address, an IPv6 network.

    :param host: an address as the socket module writes it
    :raises ValueError: it is none
    """
    address = ipaddress.ip_address(host)
    if address.version == 4:
        return str(address)
    assert isinstance(address, ipaddress.IPv6Address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    shift = 128 - IPV6_PREFIX
    return str(ipaddress.IPv6Network(
        (int(address) >> shift << shift, IPV6_PREFIX)))


@dataclasses.dataclass(frozen=True)
class Policy:
    """What failures cost. Within t seconds a source can fail no more than
    ``worst + 1 + t / most_s`` times.

    :ivar free: this many cost nothing
    :ivar first_s: how long to wait after the next one; each further one
        doubles it
    :ivar most_s: but never longer than this; and so long after one failure
        another one is forgotten
    :ivar total: failures of all sources that are unknown, before they wait
        for each other; None: they never do
    :ivar total_every_s: so long after one of these another one is forgotten
    :ivar spares_known: a source that has logged in never waits
    """

    free: int
    first_s: float
    most_s: float
    total: int | None = None
    total_every_s: float = 1.0
    spares_known: bool = False

    def delay_s(self, failures: int) -> float:
        """How long to wait after so many failures."""
        over = failures - self.free
        if over <= 0:
            return 0.0
        return min(self.most_s, self.first_s * 2.0 ** (over - 1))

    @property
    def worst(self) -> int:
        """More failures than these make nothing worse."""
        failures = self.free + 1
        while self.delay_s(failures) < self.most_s:
            failures += 1
        return failures


class _Failures:
    """A number of failures, of which one is forgotten now and then."""

    def __init__(self, every_s: float, most: int) -> None:
        self._every_s = every_s
        self._most = most
        self.count = 0
        self._since = 0.0

    def remaining(self, now: float) -> int:
        """How many are not forgotten."""
        if self.count:
            steps = int((now - self._since) // self._every_s)
            self.count = max(0, self.count - steps)
            self._since += steps * self._every_s
        return self.count

    def add(self, now: float) -> int:
        """One more; returns how many there are."""
        if not self.remaining(now):
            self._since = now
        self.count = min(self.count + 1, self._most)
        return self.count

    def next_s(self, now: float) -> float:
        """Seconds until one is forgotten."""
        return self._since + self._every_s - now


@dataclasses.dataclass
class _Source:
    failures: _Failures
    until: float = 0.0


class Attempts:
    """Failed log-ins of the clients of one server.

    A source that still has something to be remembered is never forgotten to
    make room: if all of the table is like that, further sources share what
    the policy allows for all. So nobody loses a record by having, or being,
    many.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        """Nobody has failed yet.

        :param clock: monotonic seconds
        """
        self._policy = policy
        self._clock = clock
        # The least recently used first.
        self._sources: collections.OrderedDict[str, _Source] = (
            collections.OrderedDict())
        self._known: collections.OrderedDict[str, None] = (
            collections.OrderedDict())
        self._total = (None if policy.total is None else _Failures(
            policy.total_every_s, policy.total))

    def of(self, source: str,
           told: Callable[[], None] = lambda: None) -> 'SourceAttempts':
        """The same for one source.

        :param told: called when it fails
        """
        return SourceAttempts(self, source, told)

    def wait_s(self, source: str) -> float:
        """Seconds that a source has to wait; 0: it may try now."""
        now = self._clock()
        known = source in self._known
        if known and self._policy.spares_known:
            return 0.0
        wait = 0.0
        entry = self._sources.get(source)
        if entry is not None:
            self._sources.move_to_end(source)
            wait = max(wait, entry.until - now)
        total = self._total
        if (total is not None and not known
                and total.remaining(now) == self._policy.total):
            wait = max(wait, total.next_s(now))
        return wait

    def failed(self, source: str) -> None:
        """An attempt failed. Said before the client is told so."""
        now = self._clock()
        if self._total is not None and source not in self._known:
            self._total.add(now)
        entry = self._sources.get(source)
        if entry is None:
            if not self._make_room(now):
                return
            entry = self._sources[source] = _Source(
                _Failures(self._policy.most_s, self._policy.worst))
        self._sources.move_to_end(source)
        entry.until = now + self._policy.delay_s(entry.failures.add(now))

    def succeeded(self, source: str) -> None:
        """An attempt succeeded.

        Failures count on: whoever has the view-only password may
        be guessing the other one.
        """
        self._known[source] = None
        self._known.move_to_end(source)
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)

    def _make_room(self, now: float) -> bool:
        if len(self._sources) < SOURCES_MAX:
            return True
        for source, entry in self._sources.items():
            if not entry.failures.remaining(now):
                del self._sources[source]
                return True
        return False

    def __len__(self) -> int:
        """Sources whose failures are remembered."""
        return len(self._sources)


@dataclasses.dataclass(frozen=True)
class SourceAttempts:
    """Attempts of one source; see there."""

    attempts: Attempts
    source: str
    told: Callable[[], None]

    def wait_s(self) -> float:
        """Seconds to wait; 0: it may try now."""
        return self.attempts.wait_s(self.source)

    def failed(self) -> None:
        """An attempt failed."""
        self.attempts.failed(self.source)
        self.told()

    def succeeded(self) -> None:
        """An attempt succeeded."""
        self.attempts.succeeded(self.source)


class Pending(Generic[T]):
    """Connections that have not logged in: at most so many at a time."""

    def __init__(self, most: int) -> None:
        """There are none yet."""
        self._most = most
        self._connections: list[tuple[str, T]] = []     # the oldest first

    def add(self, source: str, connection: T) -> T | None:
        """One more; returns the one to end if there are too many now.

        It is the oldest of the source that has most of them, so that a
        source with many can only have its own ended.
        """
        self._connections.append((source, connection))
        if len(self._connections) <= self._most:
            return None
        counts = collections.Counter(each for each, _ in self._connections)
        most = max(counts.values())
        index = next(index for index, (each, _)
                     in enumerate(self._connections) if counts[each] == most)
        return self._connections.pop(index)[1]

    def remove(self, connection: T) -> bool:
        """It logged in or has gone; whether it was still among them."""
        for index, (_, each) in enumerate(self._connections):
            if each is connection:
                del self._connections[index]
                return True
        return False

    def __iter__(self) -> 'collections.abc.Iterator[T]':
        """The connections, the oldest first."""
        return iter([each for _, each in self._connections])

    def __len__(self) -> int:
        """How many there are."""
        return len(self._connections)
