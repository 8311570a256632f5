# SPDX-License-Identifier: Apache-2.0
"""The phases of a co-migration, as both roles name them."""

import enum
import uuid

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception

LOG = logging.getLogger(__name__)


class Phase(enum.Enum):
    """How far a co-migration has come, seen from the source.

    The instance decides: it moves in every case. What is left of the phases
    after a fault says what becomes of its Domain R.
    """

    IDLE = 'idle'
    #: The destination makes ready: image, port, shadow-device process.
    BEGIN = 'begin'
    PREPARED = 'prepared'
    #: Both are copied; Domain R is held until the instance stops.
    PRE_COPY = 'pre-copy'
    #: The instance stopped; Domain R takes the last output, and stops.
    STOP = 'stop'
    #: The source's offsets are on their way; both VMs arrive.
    CARRY_OVER = 'carry over'
    #: Both run at the destination.
    LIVE = 'live'
    DONE = 'done'
    #: Domain R does not come along; the instance moves alone.
    ALONE = 'alone'
    #: The instance stays; Domain R with it.
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
    """Guard of a transition.

    :raises nova_dmore.exception.PairError: it is not one.
    """
    if after not in _AFTER[before]:
        raise exception.PairError(
            f'a co-migration cannot go from {before.value!r} to '
            f'{after.value!r}')


class Course:
    """The phases of one co-migration, as the source enters them.

    :param instance: Nova's, named in the log.
    :param host: the destination's.
    """

    def __init__(self, instance, host: str):
        self.instance = instance
        self.migration_id = str(uuid.uuid4())
        self.phase = Phase.IDLE
        self._host = host

    def enter(self, phase: Phase) -> None:
        """Come to a phase.

        :raises nova_dmore.exception.PairError: it does not follow this one.
        """
        check(self.phase, phase)
        LOG.info('Co-migration %(id)s to %(host)s: %(phase)s',
                 {'id': self.migration_id, 'host': self._host,
                  'phase': phase.value}, instance=self.instance)
        self.phase = phase

    def alone(self, why) -> None:
        """Give Domain R up; the instance goes on."""
        LOG.warning('Domain R does not come along to %(host)s, its console '
                    'will be built anew there: %(why)s',
                    {'host': self._host, 'why': text.printable(why)},
                    instance=self.instance)
        self.enter(Phase.ALONE)
