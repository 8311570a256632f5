# SPDX-License-Identifier: Apache-2.0
"""Asks the destination until Domain R's port is wired there.

At the source, beside :mod:`nova_dmore.virt.migration.domain_r_migration`.
Until the port is wired no packet reaches a Domain R that has switched over,
and a client sends again ever more seldom: a tap that is wired one second late
keeps a user waiting for up to three.

When the instance has stopped it is too late to wait: Domain R at the source
would still have its network, and nothing to show there. So it is the end of
the instance's pre-copy that waits, as for a Domain R that is not copied yet
(:mod:`nova_dmore.virt.migration.instance_pre_copy`): the instance runs, its
console works, and both stop when the port is wired. That wait has an end.
"""

import threading
import time
from collections.abc import Callable

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import phases

LOG = logging.getLogger(__name__)

#: How often the destination is asked, in seconds. Neutron's agent there polls
#: for new taps every two seconds ([agent] polling_interval).
_POLL_S = 0.25
#: After so many seconds it is asked no more. Each turn of the agent wires all
#: taps that are new; who takes longer is not at work.
_GIVE_UP_S = 30.0


class WireWait(threading.Thread):
    """One thread for one co-migration.

    :param co_migration: a :class:`phases.CoMigration`.
    :param is_wired_here: whether the source's switch shows that Domain R's
        port, which works, is wired. If not, a sign cannot be waited for.
    :param ask: asks the destination; may raise PairError.
    :param over: set when the instance's migration is over.
    """

    def __init__(self, co_migration: phases.CoMigration,
                 is_wired_here: Callable[[], bool],
                 ask: Callable[[], arrival.Arrival],
                 over: threading.Event, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._co_migration = co_migration
        self._is_wired_here = is_wired_here
        self._ask = ask
        self._over = over
        #: Set when the port is wired there, or nobody waits for that.
        self.ended = threading.Event()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            with self._co_migration.step('Waiting for the wire'):
                if self._is_wired_here():
                    self._wait()
        finally:
            self.ended.set()

    def _wait(self) -> None:
        begun = time.monotonic()
        where = {'host': self._co_migration.host}
        try:
            while not self._ask().is_wired:
                if (self._over.wait(_POLL_S)
                        or self._co_migration.phase == phases.Phase.ALONE
                        or time.monotonic() - begun > _GIVE_UP_S):
                    LOG.info("Domain R's port was not seen to be wired at "
                             '%(host)s', where,
                             instance=self._co_migration.instance)
                    return
        except exception.PairError as error:
            LOG.info('Not known whether the port of Domain R is wired at '
                     '%(host)s: %(error)s',
                     {**where, 'error': text.printable(error)},
                     instance=self._co_migration.instance)
            return
        LOG.info("Domain R's port is wired at %(host)s, seen after "
                 '%(seconds).1f s', {
                     **where, 'seconds': time.monotonic() - begun},
                 instance=self._co_migration.instance)
