# SPDX-License-Identifier: Apache-2.0
"""Holds Domain R until its instance stops, and lets it go then.

Whoever caused the stop, QEMU's ``STOP`` event tells it to the shadow-device
process, which has Domain R freeze, stops it, and answers here. So Domain R
follows a switch-over, one to post-copy and a force-complete alike, and is not
kept waiting by a busy nova-compute or libvirt. One that left before waits at
the destination, paused; what counts of it stands still since then.
"""

import math
import threading

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.migration.phases import Phase

LOG = logging.getLogger(__name__)

#: How often Domain R's pre-copy is looked at until it was copied once, and
#: how often the end of the migration is looked for later, in milliseconds.
_LOOK_MS = 10
_WAIT_MS = 1000


class Follower(threading.Thread):
    """One thread for one co-migration.

    :param course: the phases of the co-migration (``phases.Course``).
    :param shadow: client of the pair's shadow-device process.
    :param companion: Domain R's own migration, started.
    :param ended: set when the instance's migration is over.
    :param hand_over: called when Domain R has been let go.
    """

    def __init__(self, course, shadow, companion, ended: threading.Event,
                 hand_over, name: str):
        super().__init__(name=name, daemon=True)
        self._course = course
        self._shadow = shadow
        self._companion = companion
        self._ended = ended
        self._hand_over = hand_over
        self._is_blind = False
        self._is_let_go = False
        #: Set when Domain R was copied once, or does not come along.
        self.companion_ready = threading.Event()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            frozen = self._hold_until_stop()
            if frozen is None:
                return
            # Domain R has stored the output, or had its time.
            if not self.release():
                return
            self._course.enter(Phase.CARRY_OVER)
            self._hand_over()
            self._tell(frozen)
        except exception.DMoreError as error:
            LOG.warning('Co-migration: %s', text.printable(error),
                        instance=self._course.instance)
        finally:
            self.companion_ready.set()
            self._let_go(False)

    def _tell(self, frozen) -> None:
        """Log the stop; only now, for nobody waits any more."""
        now = self._look_for_stop(0) or frozen
        LOG.info('Instance stopped, Domain R %(freeze).1f ms later frozen and '
                 '%(skew).1f ms later stopped (acknowledged: %(ack)s)', {
                     'freeze': _ms(frozen.stopped_at, frozen.frozen_at),
                     'skew': _ms(frozen.stopped_at, now.domain_r_stopped_at),
                     'ack': frozen.acknowledged},
                 instance=self._course.instance)

    def _hold_until_stop(self):
        """Hold Domain R until the instance stops, wherever it waits then.

        :returns: a Frozen, or None when the migration ended without a stop
            or Domain R cannot follow.
        """
        while True:
            ended = self._ended.is_set()
            if not self.companion_ready.is_set():
                try:
                    if self._companion.hold():
                        self.companion_ready.set()
                except exception.PairError as error:
                    self._give_up(error)
                    return None
                self._let_go(self._companion.may_be_stopped)
            frozen = self._look_for_stop(
                0 if ended else
                _WAIT_MS if self.companion_ready.is_set() else _LOOK_MS)
            if frozen is not None or ended:
                return frozen

    def _look_for_stop(self, timeout_ms: int):
        """A Frozen, or None; also across a restart of the worker."""
        try:
            frozen = self._shadow.frozen(timeout_ms=timeout_ms)
            return None if frozen.stopped_at is None else frozen
        except exception.ShadowProcessError as error:
            # It may be gone for as long as the instance's pre-copy takes.
            if not self._is_blind:
                LOG.warning('A stop cannot be seen: %s', text.printable(error),
                            instance=self._course.instance)
            self._is_blind = True
            self._ended.wait(max(timeout_ms, _LOOK_MS) / 1000)
            return None

    def _let_go(self, on: bool) -> None:
        """Have Domain R stopped by who sees it freeze, or no more."""
        if on is self._is_let_go:
            return
        self._is_let_go = on
        try:
            self._shadow.let_go(on)
        except exception.ShadowProcessError as error:
            # ``release`` stops it then; and disarming ends this, too.
            LOG.info('%s', text.printable(error),
                     instance=self._course.instance)

    def release(self) -> bool:
        """Let Domain R go; whether it still can.

        Called by the source's role too, after the end of a thread that did
        not notice the stop.
        """
        self._course.enter(Phase.STOP)
        try:
            self._companion.release()
        except exception.PairError as error:
            self._give_up(error)
            return False
        return True

    def _give_up(self, error: exception.PairError) -> None:
        self._let_go(False)
        self._companion.give_up()
        self._course.alone(error)


def _ms(start: float | None, end: float | None) -> float:
    if start is None or end is None:
        return math.nan
    return (end - start) * 1000
