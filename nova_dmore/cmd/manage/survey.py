# SPDX-License-Identifier: Apache-2.0
"""What there is of the pairs of this host, read and not changed.

From the records of nova-compute, the host service, and libvirt. It loads Nova.
"""

import dataclasses
import enum
from typing import Any

import libvirt
from oslo_utils import uuidutils

from nova_dmore import exception
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import pairs as pairs_module
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import sessions
from nova_dmore.virt import where
from nova_dmore import wire

#: How long one process is asked, in seconds.
_ANSWER_S = 2.0


class State(enum.StrEnum):
    """The state of a pair, as it is seen from outside of nova-compute."""

    WELL = 'well'
    #: Its instance is not up here: it is shut off, or gone.
    INSTANCE_DOWN = 'instance down'
    INCOMING = 'incoming'
    #: Its shadow-device process is just beginning, or ending.
    CHANGING = 'changing'
    #: Its Domain R or its shadow-device process does not live.
    DEAD = 'dead'
    #: A part of a pair that nova-compute does not know.
    NO_RECORD = 'no record'


_TO_DO = {
    State.WELL: 'live-migrate the instance: sessions go on',
    State.INSTANCE_DOWN:
        'migrate the instance cold; one that is gone is removed in a minute',
    State.INCOMING: 'wait: the instance is arriving',
    State.CHANGING: 'wait: its process is beginning or ending',
    State.DEAD: 'live-migrate the instance: the console is built anew there',
    State.NO_RECORD: 'when the plug-in is off: "host clean"',
}


@dataclasses.dataclass(frozen=True)
class Seen:
    """One pair, or what there is of it."""

    instance_uuid: str
    state: State
    record: record_module.PairRecord | None
    #: Whether the domain of Domain R is up.
    domain_r: bool
    #: None: the shadow-device process does not answer.
    status: wire.Status | None

    @property
    def clients(self) -> dict[str, int] | None:
        """How many clients each server of Domain R has, as it says; None: it
        does not say."""
        return None if self.status is None else sessions.of(self.status)

    @property
    def sessions(self) -> int | None:
        """How many these are together."""
        return None if self.clients is None else sum(self.clients.values())

    @property
    def to_do(self) -> str:
        """What an operator does who wants the host without it."""
        return _TO_DO[self.state]

    def row(self) -> dict[str, Any]:
        """For a table."""
        record = self.record
        return {
            'instance_uuid': self.instance_uuid,
            'name': record and record.instance_name,
            'project_id': record and record.project_id,
            'address': record and record.address.ip,
            'image': record and record.digest,
            'image_short': record and record.digest[:12],
            'state': self.state.value,
            'sessions': self.sessions,
            'renewal': record and record.renewal,
        }


class Survey:
    """Describes the pairs of one host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param connection: a ``libvirt.virConnect``, read-only or not.
    """

    def __init__(self, pairs: pairs_module.Pairs,
                 connection: libvirt.virConnect) -> None:
        self._pairs = pairs
        self._connection = connection

    def pairs(self) -> list[Seen]:
        """Everything that there is, by the uuid of the instance.

        :raises nova_dmore.exception.DMoreError: nobody can tell.
        """
        return [self._describe(*known) for known in self._known()]

    def pair(self, instance_uuid: str) -> Seen:
        """The pair of one instance.

        :raises nova_dmore.exception.DMoreError: there is none on this host,
            or nobody can tell.
        """
        for known in self._known():
            if known[0] == instance_uuid:
                return self._describe(*known)
        raise exception.PairError(
            f'instance {instance_uuid} has no pair on this host')

    def _known(self) -> list[tuple[
            str, record_module.PairRecord | None, set[str]]]:
        """The uuid of each instance, its record, and the domains that run."""
        up = self._domains_that_are_up()
        records = {record.instance_uuid: record
                   for record in self._pairs.records.all()}
        uuids = {*records, *self._pairs.shadows.instances(),
                 *filter(None, map(domain_r.instance_of_name, up))}
        return [(uuid, records.get(uuid), up)
                for uuid in sorted(filter(uuidutils.is_uuid_like, uuids))]

    def _domains_that_are_up(self) -> set[str]:
        try:
            return {domain.name() for domain in
                    self._connection.listAllDomains(
                        libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)}
        except libvirt.libvirtError as error:
            raise exception.PairError(f'libvirt: {error}') from error

    def _describe(self, uuid: str, record: record_module.PairRecord | None,
                  up: set[str]) -> Seen:
        domain_r_is_up = domain_r.name_of(uuid) in up
        status, is_changing = self._status(uuid)
        if record is None:
            state = State.NO_RECORD
        elif record.incoming:
            state = State.INCOMING
        elif is_changing:
            state = State.CHANGING
        elif not domain_r_is_up or status is None:
            state = State.DEAD
        elif not where.is_active(self._connection, uuid):
            state = State.INSTANCE_DOWN
        else:
            state = State.WELL
        return Seen(uuid, state, record, domain_r_is_up, status)

    def _status(self, uuid: str) -> tuple[wire.Status | None, bool]:
        """The status, and whether its process is beginning or ending."""
        client = self._pairs.client(uuid)
        try:
            return (None if client.is_gone() else client.status(_ANSWER_S),
                    False)
        except exception.ShadowAnswerError:
            return None, False
        except exception.ProcessChangesError:
            return None, True
