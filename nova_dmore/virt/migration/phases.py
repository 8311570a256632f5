# SPDX-License-Identifier: Apache-2.0
"""The phases of a co-migration, as the source enters them.

The source's role (:mod:`nova_dmore.virt.migration.source`) and its helpers
say which phase begins; each is a line in the log of nova-compute.
"""

import contextlib
import enum
import uuid
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt import boundary
if TYPE_CHECKING:
    from nova import objects

LOG = logging.getLogger(__name__)


class Phase(enum.Enum):
    """How far a co-migration has come, seen from the source.

    A fault of ours never ends the instance's migration: it ends the phases
    with ALONE. The values are written to the log, and programs that measure
    migrations expect them there.
    """

    IDLE = 'idle'
    #: The destination prepares: image, port binding, shadow-device process.
    BEGIN = 'begin'
    PREPARED = 'prepared'
    #: The memory of both is copied; Domain R is held until the instance
    #: stops.
    PRE_COPY = 'pre-copy'
    #: The instance has stopped; Domain R stores its last output, and is
    #: stopped.
    STOP = 'stop'
    #: The source sends its offsets; both domains switch over.
    CARRY_OVER = 'carry over'
    #: Both run at the destination.
    LIVE = 'live'
    DONE = 'done'
    #: The instance migrates without its Domain R.
    ALONE = 'alone'
    #: The instance stays at the source, and its Domain R with it.
    ABORTED = 'aborted'


_AFTER = {
    Phase.IDLE: {Phase.BEGIN},
    Phase.BEGIN: {Phase.PREPARED, Phase.ALONE},
    Phase.PREPARED: {Phase.PRE_COPY, Phase.ALONE, Phase.ABORTED},
    Phase.PRE_COPY: {Phase.STOP, Phase.ALONE, Phase.ABORTED},
    Phase.STOP: {Phase.CARRY_OVER, Phase.ALONE, Phase.ABORTED},
    Phase.CARRY_OVER: {Phase.LIVE, Phase.ALONE, Phase.ABORTED},
    Phase.LIVE: {Phase.DONE},
    Phase.ALONE: {Phase.DONE, Phase.ABORTED},
    Phase.ABORTED: set(),
    Phase.DONE: set(),
}


def check(before: Phase, after: Phase) -> None:
    """Check that one phase may follow another.

    :raises nova_dmore.exception.PairError: it may not.
    """
    if after not in _AFTER[before]:
        raise exception.PairError(
            f'a co-migration cannot go from {before.value!r} to '
            f'{after.value!r}')


class CoMigration:
    """One co-migration: its id, and the phase that it is in.

    :param instance: Nova's, named in the log.
    :param host: the destination, as Nova calls it.
    """

    def __init__(self, instance: 'objects.Instance', host: str) -> None:
        self.instance = instance
        self.migration_id = str(uuid.uuid4())
        self.phase = Phase.IDLE
        #: Whether the destination does not have the plug-in.
        self.is_plain_there = False
        #: Whether Nova may still not migrate the instance at all.
        self.is_early = False
        self.host = host
        #: How long after its instance Domain R has stopped.
        self.skew_ms: float | None = None

    def enter(self, phase: Phase) -> None:
        """Begin a phase.

        :raises nova_dmore.exception.PairError: it may not follow this one.
        """
        check(self.phase, phase)
        LOG.info('Co-migration %(id)s to %(host)s: %(phase)s',
                 {'id': self.migration_id, 'host': self.host,
                  'phase': phase.value}, instance=self.instance)
        self.phase = phase

    def step(self, what: str
             ) -> contextlib.AbstractContextManager[boundary.Outcome]:
        """Do something of which no failure may reach Nova; see
        :func:`nova_dmore.virt.boundary.instance_first`."""
        return boundary.instance_first(self.instance, what)

    def continue_alone(self, why: Exception | str, has_pair_there: bool = True
                       ) -> None:
        """From here on the instance migrates without its Domain R.

        :param why: an error or a text, for the log.
        :param has_pair_there: False: it arrives with the stock consoles.
        """
        if self.is_early:
            LOG.info('Domain R does not leave for %(host)s before its '
                     'instance: %(why)s',
                     {'host': self.host, 'why': text.printable(why)},
                     instance=self.instance)
        else:
            LOG.warning('Domain R does not follow its instance to %(host)s, '
                        'its console will be %(console)s there: %(why)s',
                        {'host': self.host, 'why': text.printable(why),
                         'console': 'built anew' if has_pair_there
                         else 'the stock one'}, instance=self.instance)
        self.enter(Phase.ALONE)
