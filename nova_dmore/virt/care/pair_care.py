# SPDX-License-Identifier: Apache-2.0
"""What is done for one pair: its gaps reported, its end seen, a new one built.

Everything here may wait, for Neutron, for Nova or for libvirt, and is called
in threads of its own by :mod:`nova_dmore.virt.care.watch`.
"""

import dataclasses
import enum
import time
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.care import shutdown
from nova_dmore.virt import consoles
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import lock
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.client import shadow_client
    from nova_dmore.virt.care import reconcile
    from nova_dmore.virt.care import reporter as reporter_module
    from nova_dmore.virt.pair import pairs as pairs_module

LOG = logging.getLogger(__name__)

#: How long a migration waits for what is just being done with its pair, in
#: seconds.
_MIGRATION_WAITS_S = 10.0
#: Of so many gaps at a time, and events of sessions of each kind, each is
#: reported; of the others, how many.
_AT_ONCE = 20

#: A Domain R that ends so many times in a row, each time less than so many
#: seconds after it was built, is of an image that is not good any more.
_SOON_TIMES = 3
_SOON_S = 120.0
#: One that ends once more, all the same, is not built again before so many
#: seconds have passed since it was built.
_REST_S = 300.0


class Condition(enum.Enum):
    """What a check found of a pair."""

    #: There is no such pair any more.
    GONE = 'gone'
    #: It is being moved: its roles move it.
    MOVING = 'moving'
    #: Its instance is elsewhere, or on its way, or may be; or somebody else is
    #: changing the pair; or its host ends.
    UNCLEAR = 'unclear'
    #: It belongs to this host, and its Domain R or its shadow-device process
    #: has ended.
    DEAD = 'dead'
    WELL = 'well'


@dataclasses.dataclass
class _Build:
    """The last attempt to build a Domain R."""

    #: CLOCK_MONOTONIC.
    at: float
    #: The attempts in a row, each made soon after the one before.
    times: int = 0
    #: The Domain Rs in a row that ended soon after they were built.
    short_lives: int = 0
    #: Whether it was built, and was not found dead yet.
    lives: bool = False


class PairCare:
    """The pairs of one host, each by its instance's uuid.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param context: an admin ``RequestContext``.
    :param reconciler: a
        :class:`nova_dmore.virt.care.reconcile.Reconciler`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 reporter: 'reporter_module.Reporter',
                 context: 'nova_context.RequestContext',
                 reconciler: 'reconcile.Reconciler') -> None:
        self._pairs = pairs
        self._reporter = reporter
        self._context = context
        self._reconciler = reconciler
        #: How each was built last.
        self._built: dict[str, _Build] = {}
        #: Pairs that are being moved.
        self._moving: set[str] = set()
        #: Each gap is reported once, whoever comes first; of each pair, so
        #: that a process that does not answer holds up no other's.
        self._collecting = lock.PairLocks(lambda _uuid: None)

    def is_moving(self, instance_uuid: str) -> bool:
        """Whether the pair's roles move it."""
        return instance_uuid in self._moving

    def leave_alone(self, instance_uuid: str) -> None:
        """Do not touch a pair: it is being moved.

        What is under way with it ends first, but its instance does not wait
        for ever: an image may be on its way.
        """
        self._moving.add(instance_uuid)
        with self._pairs.locked(instance_uuid, _MIGRATION_WAITS_S) as locked:
            if not locked:
                LOG.warning('The pair of instance %s is still being rebuilt',
                            instance_uuid)
            self._reconciler.forget(instance_uuid)

    def watch_again(self, instance_uuid: str) -> None:
        """Undo :meth:`leave_alone`."""
        self._moving.discard(instance_uuid)

    def collect_gaps(self, instance_uuid: str) -> None:
        """Report what a shadow-device process has to report, now: gaps, and
        sessions that began or ended.

        :raises nova_dmore.exception.ShadowProcessError: it cannot be asked.
        """
        with self._collecting.of(instance_uuid).held():
            client = self._pairs.client(instance_uuid)
            status = client.status()
            gaps = status.gaps
            for gap in gaps[:_AT_ONCE]:
                self._reporter.gap(
                    self._context, instance_uuid, stream=gap.stream,
                    kind=gap.kind, bytes=gap.bytes, at=gap.at,
                    reason=gap.reason)
            if len(gaps) > _AT_ONCE:
                self._reporter.more_gaps(
                    self._context, instance_uuid, gaps[_AT_ONCE:])
            if gaps:
                client.forget_gaps([gap.number for gap in gaps])
            for kind in ('began', 'ended'):
                self._report_sessions(instance_uuid, [
                    event for event in status.session_events
                    if event.event == kind])
            if status.session_events:
                client.forget_session_events(
                    [event.number for event in status.session_events])

    def _report_sessions(self, instance_uuid: str,
                         events: list[wire.SessionEvent]) -> None:
        """Report events of one kind."""
        for event in events[:_AT_ONCE]:
            self._reporter.session(self._context, instance_uuid, event)
        if len(events) > _AT_ONCE:
            self._reporter.more_sessions(instance_uuid, events[_AT_ONCE:])

    def collect_if_alive(self, instance_uuid: str) -> bool:
        """As :meth:`collect_gaps`.

        :returns: whether the shadow-device process answers. One whose pair is
            being moved is not asked: its roles do that.
        :raises nova_dmore.exception.HostServiceError: nobody can tell.
        """
        if (self._pairs.get(instance_uuid) is None
                or self.is_moving(instance_uuid)):
            return False
        try:
            self.collect_gaps(instance_uuid)
        except exception.ShadowAnswerError as error:
            LOG.debug('Console of instance %s: %s', instance_uuid,
                      text.printable(error))
            return False
        return True

    def wait_for_gaps(self, instance_uuid: str
                      ) -> 'shadow_client.GapsRequest | None':
        """Have the shadow-device process tell of gaps, and of its end.

        :returns: a :class:`nova_dmore.client.shadow_client.GapsRequest`, None:
            the process has ended.
        :raises nova_dmore.exception.HostServiceError: nobody can tell.
        """
        try:
            return self._pairs.client(instance_uuid).wait_for_gaps()
        except exception.ShadowAnswerError:
            return None

    def _begin_build(self, instance_uuid: str, may_rest: bool) -> bool:
        """Note that Domain R has ended, and is to be built again.

        :param may_rest: whether it can be left as it is for a while.
        :returns: whether it ended soon after it was built, some times.
        :raises nova_dmore.exception.PairError: and so often that it is not to
            be built again yet.
        """
        now = time.monotonic()
        last = self._built.setdefault(instance_uuid, _Build(now - _SOON_S))
        ended_soon = now - last.at < _SOON_S
        if last.lives:
            last.lives = False
            last.short_lives = last.short_lives + 1 if ended_soon else 0
        if (may_rest and last.short_lives > _SOON_TIMES
                and now - last.at < _REST_S):
            raise exception.PairError(
                f'Domain R has ended {last.short_lives} times in a row, each '
                'time soon after it was started; why may be in the log of its '
                'kernel')
        build = self._built[instance_uuid] = _Build(
            now, last.times + 1 if ended_soon else 1, last.short_lives)
        return max(build.times, build.short_lives) > _SOON_TIMES

    def check(self, instance_uuid: str) -> Condition:
        """Find out whether anything has to be done, and reconcile the pair.

        :raises nova_dmore.exception.HostServiceError: nobody can tell, and
            nothing was done.
        :raises Exception: whatever was wrong; try again later.
        """
        record = self._pairs.get(instance_uuid)
        if record is None:
            self._built.pop(instance_uuid, None)
            return Condition.GONE
        if self.is_moving(instance_uuid):
            return Condition.MOVING
        # A pair whose instance was started without it may live: its removal
        # failed.
        if (self._reconciler.is_reconciled(record)
                and not self._reconciler.has_stock_consoles(instance_uuid)
                and all(self._pairs.is_alive(instance_uuid))):
            self._pairs.trouble.pop(instance_uuid, None)
            return Condition.WELL
        with self._pairs.locked(instance_uuid, wait_s=0) as locked:
            return (self._check_locked(instance_uuid) if locked
                    else Condition.UNCLEAR)

    def _check_locked(self, instance_uuid: str) -> Condition:
        record = self._pairs.get(instance_uuid)
        if record is None:
            return Condition.GONE
        if self.is_moving(instance_uuid):
            return Condition.MOVING
        # First: nothing is touched when nobody can tell.
        self._pairs.is_alive(instance_uuid)
        if not self._reconciler.reconcile(record):
            return Condition.UNCLEAR
        record = self._pairs.get(instance_uuid)
        if record is None:
            return Condition.GONE
        if not record.incoming and self._reconciler.has_stock_consoles(
                instance_uuid):
            LOG.warning('Instance %s was started with the stock consoles: its '
                        'pair is removed', instance_uuid)
            self._pairs.remove(instance_uuid, delete_address=False)
            announcement.retract_of(self._context, instance_uuid)
            return Condition.GONE
        if not all(self._pairs.is_alive(instance_uuid)):
            return Condition.DEAD
        return (Condition.WELL if self._reconciler.is_reconciled(record)
                else Condition.UNCLEAR)

    def note_trouble(self, instance_uuid: str, error: Exception) -> None:
        """Have users told why their consoles are not there, if they are not.

        Called when something failed for a pair.
        """
        try:
            is_dead = not all(self._pairs.is_alive(instance_uuid))
        except Exception:  # noqa: H201
            # Nobody can tell: libvirt may be away, with errors of its own.
            # The error that is known is logged by whoever calls this.
            return
        if is_dead:
            self._pairs.trouble[instance_uuid] = consoles.why(error)

    def rebuild(self, instance_uuid: str) -> Condition:
        """Start again what of a pair has ended.

        Called when it was found dead, perhaps long ago: what it is now is
        found out again.

        :raises nova_dmore.exception.PairError: Domain R ends again and again,
            and is left alone for a while.
        :raises Exception: it failed; try again later.
        """
        with self._pairs.locked(instance_uuid, wait_s=0) as locked:
            if not locked:
                return Condition.UNCLEAR
            condition = self._check_locked(instance_uuid)
            if condition is not Condition.DEAD:
                return condition
            if shutdown.is_under_way():
                LOG.debug('The pair of instance %s ends with this host',
                          instance_uuid)
                return Condition.UNCLEAR
            shadow_lives, _domain_lives = self._pairs.is_alive(instance_uuid)
            # Without the process what the instance prints fills its FIFO, and
            # it stands still.
            ends_again = self._begin_build(
                instance_uuid, may_rest=shadow_lives)
            if self._pairs.rebuild(instance_uuid, ends_again):
                self._built[instance_uuid].lives = True
                what = ('Domain R' if shadow_lives
                        else 'the shadow-device process')
                self._reporter.rebuilt(
                    self._context, instance_uuid, f'{what} had ended')
        return Condition.WELL
