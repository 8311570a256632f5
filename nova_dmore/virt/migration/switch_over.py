# SPDX-License-Identifier: Apache-2.0
"""Holds Domain R until its instance stops, and lets it switch over then.

At the source. Before it, :mod:`nova_dmore.virt.migration.source` has started
Domain R's migration; after it, ``carry_over.py`` sends the carry-over to the
destination, and :mod:`nova_dmore.virt.migration.completion` or
:mod:`nova_dmore.virt.migration.rollback` ends the co-migration.

Whoever caused the instance's stop, QEMU's ``STOP`` event tells it to the
shadow-device process. That has Domain R freeze, stops it, and answers the
question that is asked here. So Domain R switches over after any stop, be it
the end of pre-copy, the switch to post-copy or a force-complete, and it does
not wait for a busy nova-compute or libvirt. A Domain R that arrived before
that stop waits at the destination, paused; its offsets do not change any more.
"""

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.migration import domain_r_migration
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase
if TYPE_CHECKING:
    from nova_dmore.client import shadow_client
    from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: For how long one question whether the instance has stopped may wait for the
#: answer, in milliseconds: until Domain R was copied once, for its progress is
#: read after each question; and later.
_COPYING_WAIT_MS = 10
_COPIED_WAIT_MS = 1000


class SwitchOver(threading.Thread):
    """One thread for one co-migration.

    :param co_migration: a :class:`phases.CoMigration`.
    :param shadow: client of the pair's shadow-device process.
    :param migration: Domain R's own migration, started.
    :param instance_ended: set when the instance's migration is over.
    :param after_stop: called when Domain R has been let switch over.
    """

    def __init__(self, co_migration: phases.CoMigration,
                 shadow: 'shadow_client.ShadowClient',
                 migration: domain_r_migration.DomainRMigration,
                 instance_ended: threading.Event,
                 after_stop: Callable[[], None], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._co_migration = co_migration
        self._shadow = shadow
        self._migration = migration
        self._instance_ended = instance_ended
        self._after_stop = after_stop
        self._has_warned = False
        self._is_stopped_when_frozen = False
        #: Set when Domain R was copied once, or when the instance migrates
        #: without it.
        self.domain_r_copied = threading.Event()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            frozen = self._hold_until_stop()
            if frozen is None:
                return
            # Domain R has stored the output, or the time for it is over.
            if not self.switch_over():
                return
            self._co_migration.enter(Phase.CARRY_OVER)
            self._after_stop()
            self._log_stop(frozen)
        except exception.DMoreError as error:
            LOG.warning('Co-migration: %s', text.printable(error),
                        instance=self._co_migration.instance)
        finally:
            self.domain_r_copied.set()
            self._stop_when_frozen(False)

    def _log_stop(self, frozen: 'wire.Frozen') -> None:
        """Log how the two stopped. Only now, since nobody waits any more;
        programs that measure migrations read this line."""
        now = self._query_stop(0) or frozen
        if now.domain_r_stopped_at is not None:
            self._co_migration.skew_ms = _ms(frozen.stopped_at,
                                             now.domain_r_stopped_at)
        LOG.info('Instance stopped, Domain R %(freeze).1f ms later frozen and '
                 '%(skew).1f ms later stopped (acknowledged: %(ack)s)', {
                     'freeze': _ms(frozen.stopped_at, frozen.frozen_at),
                     'skew': _ms(frozen.stopped_at, now.domain_r_stopped_at),
                     'ack': frozen.acknowledged},
                 instance=self._co_migration.instance)

    def _hold_until_stop(self) -> 'wire.Frozen | None':
        """Hold Domain R until the instance stops.

        :returns: a :class:`nova_dmore.wire.Frozen`, or None
            when the instance's migration ended without a stop, or Domain R
            cannot switch over.
        """
        while True:
            ended = self._instance_ended.is_set()
            if not self.domain_r_copied.is_set():
                try:
                    if self._migration.hold():
                        self.domain_r_copied.set()
                except exception.PairError as error:
                    self._cancel(error)
                    return None
                self._stop_when_frozen(self._migration.may_be_stopped)
            frozen = self._query_stop(
                0 if ended else
                _COPIED_WAIT_MS if self.domain_r_copied.is_set()
                else _COPYING_WAIT_MS)
            if frozen is not None or ended:
                return frozen

    def _query_stop(self, timeout_ms: int) -> 'wire.Frozen | None':
        """Ask the shadow-device process whether the instance has stopped.

        :param timeout_ms: for how long it may wait for the stop.
        :returns: a :class:`nova_dmore.wire.Frozen`; None: it
            has not stopped, or the process does not answer.
        """
        try:
            frozen = self._shadow.frozen(timeout_ms=timeout_ms)
            return None if frozen.stopped_at is None else frozen
        except exception.ShadowProcessError as error:
            # The process may be gone for as long as the pre-copy takes, and
            # one warning is enough. A worker that is started again answers.
            if not self._has_warned:
                LOG.warning('Whether the instance has stopped is not known '
                            'now: %s', text.printable(error),
                            instance=self._co_migration.instance)
            self._has_warned = True
            self._instance_ended.wait(max(timeout_ms, _COPYING_WAIT_MS) / 1000)
            return None

    def _stop_when_frozen(self, on: bool) -> None:
        """Have the shadow-device process stop Domain R as soon as it is
        frozen, or not any more. Its request has another name on the wire,
        ``let_go``, and keeps it: a process of an earlier release may answer.
        """
        if on is self._is_stopped_when_frozen:
            return
        self._is_stopped_when_frozen = on
        try:
            self._shadow.let_go(on)
        except exception.ShadowProcessError as error:
            # Then ``switch_over`` stops it. And when the process is told that
            # the migration is over, it stops no Domain R any more either.
            LOG.info('%s', text.printable(error),
                     instance=self._co_migration.instance)

    def switch_over(self) -> bool:
        """Let Domain R switch over; whether it still can.

        Called by the source's role, too, when this thread has ended without
        noticing the stop.
        """
        self._co_migration.enter(Phase.STOP)
        try:
            self._migration.switch_over()
        except exception.PairError as error:
            self._cancel(error)
            return False
        return True

    def _cancel(self, error: exception.PairError) -> None:
        """Domain R stays; the instance migrates without it."""
        self._stop_when_frozen(False)
        self._migration.cancel()
        self._co_migration.continue_alone(error)


def _ms(start: float | None, end: float | None) -> float:
    """From one time to the other in milliseconds, NaN if one is unknown."""
    if start is None or end is None:
        return math.nan
    return (end - start) * 1000
