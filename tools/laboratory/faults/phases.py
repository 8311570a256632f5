# SPDX-License-Identifier: Apache-2.0
"""The phases of a live migration, as the source's nova-compute logs them.

Pure. A stock instance has no phases of its own: for each of ours the line is
taken that Nova logs nearest to it.
"""

import dataclasses

from nova_dmore.virt.migration.phases import Phase

BEGIN = Phase.BEGIN.value
PREPARED = Phase.PREPARED.value
PRE_COPY = Phase.PRE_COPY.value
STOP = Phase.STOP.value
CARRY_OVER = Phase.CARRY_OVER.value
LIVE = Phase.LIVE.value
DONE = Phase.DONE.value
#: Those in which faults are injected.
PHASES = (BEGIN, PRE_COPY, STOP, CARRY_OVER, LIVE, DONE)
#: Domain R does not come along, or stays with its instance.
ENDS = (Phase.ALONE.value, Phase.ABORTED.value)


@dataclasses.dataclass(frozen=True)
class Sign:
    """What is logged when a phase begins.

    :param words: all of them are in the line
    :param ends: the line ends with this
    :param delay_s: how much later the phase is what it is called
    """

    words: tuple[str, ...]
    ends: str = ''
    delay_s: float = 0.0

    def matches(self, line: str) -> bool:
        return (line.endswith(self.ends)
                and all(word in line for word in self.words))


def of_pair(server: str) -> dict[str, Sign]:
    """The signs of the phases of an instance with its Domain R.

    Domain R is copied before Nova begins; a fault in pre-copy is one while
    the instance is.
    """
    return {
        **{phase: Sign((f'[instance: {server}] Co-migration ',), f': {phase}')
           for phase in (*PHASES, PREPARED, *ENDS)},
        PRE_COPY: of_stock(server)[PRE_COPY]}


def of_stock(server: str) -> dict[str, Sign]:
    """The signs of the phases of an instance alone."""
    here = f'[instance: {server}] '
    return {
        # The destination prepares itself, which ends 50 ms before the
        # instance is copied: too late to be sure of anything.
        BEGIN: Sign((here + 'Preparing to wait for external event',), '',
                    1.0),
        PRE_COPY: Sign((here + 'About to invoke the migrate API',), '', 0.3),
        STOP: Sign((here + 'VM Paused (Lifecycle Event)',)),
        CARRY_OVER: Sign((here + 'VM Paused (Lifecycle Event)',), '', 0.03),
        LIVE: Sign((here + 'Migrate API has completed',)),
        DONE: Sign((here + 'Migration operation has completed',), '', 0.3),
    }
