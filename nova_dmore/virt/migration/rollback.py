# SPDX-License-Identifier: Apache-2.0
"""The source's way back: the instance stays, and so does its Domain R.

If Domain R has not left, it runs on. If it has, it waits at the destination,
where its instance never ran and so it did not either: it is sent back, paused
as it is, to the region, the devices and the tap that are still here, and runs
on with its sessions.
"""

import dataclasses
import re
import threading
import time

import libvirt
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore.virt import boundary
from nova_dmore.virt.migration import phases
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: When a port that came back is plugged again: Neutron's agent takes it away
#: in one of its looks, which are 2 s apart ([agent] polling_interval), in
#: seconds after each other.
_PLUG_S = (1.0, 2.0, 3.0, 6.0)
#: How long Domain R may take on its way back, in seconds; Nova waits.
_SEND_BACK_S = 20.0
#: Stands for any host in a :class:`WayHere`; and what a host is: a name, or
#: an address as Nova writes it into a URI.
ANY_HOST = 'anyhost'
_HOST = r'(?:[0-9A-Za-z_][0-9A-Za-z_.-]{0,254}|\[[0-9A-Fa-f:.]{2,45}\])'


@dataclasses.dataclass(frozen=True)
class WayHere:
    """How another host's libvirt reaches this one's, as Nova has it for a
    live migration to this host."""

    uri: str
    #: Where QEMU's data goes; None: libvirt decides.
    migrate_uri: str | None = None

    def differs_in_host_alone(self, uri: str, migrate_uri: str | None) -> bool:
        """Whether somebody else's URIs are these, but for the host.

        A URI of libvirt can name a program that libvirt's daemon runs as root
        (``qemu+ext://host/system?command=...``), and QEMU's data could go to
        a socket of this host: none of that is another host's business.
        """
        return _matches(self.uri, uri) and (
            migrate_uri is None or self.migrate_uri is not None
            and _matches(self.migrate_uri, migrate_uri))


def _matches(template: str, uri: str) -> bool:
    before, _, after = template.partition(ANY_HOST)
    return re.fullmatch(
        re.escape(before) + _HOST + re.escape(after), uri) is not None


class Rollback:
    """One; made and run when the instance's migration has failed.

    :param services: of the source's role (``source.Services``).
    :param course: the phases of the co-migration (``phases.Course``).
    :param host: the destination's.
    :param record: of the pair.
    """

    def __init__(self, services, context, course: phases.Course, host: str,
                 record):
        self._services = services
        self._context = context
        self._course = course
        self._host = host
        self._record = record
        self._uuid = record.instance_uuid
        self._port = record.address.port_id
        self._client = services.pairs.client(self._uuid)

    def run(self, flags: int, has_left: bool, has_given_address: bool
            ) -> None:
        """Have everything here again, and nothing there.

        :param flags: of Domain R's migration.
        :param has_left: it has come to its end at the destination.
        :param has_given_address: its port was bound there.
        """
        pairs = self._services.pairs
        # In this order, each whatever becomes of the others.
        for step in (
                # Before it comes: Domain R is told nothing while it stands.
                lambda: self._client.hold(False),
                lambda: pairs.addresses.activate_binding(
                    self._port, pairs.host),
                lambda: has_left and self._bring_back(flags),
                # Until then it is one that left, and not one that is lost.
                lambda: self._client.arm(
                    self._course.migration_id, wire.Role.SOURCE,
                    on=False),
                # A paused instance does not tell that it stays.
                lambda: pairs.adopt(self._uuid),
                self._abort_there,
                lambda: pairs.addresses.delete_binding(
                    self._port, self._host)):
            with self._step('Going back'):
                step()
        if has_given_address:
            threading.Thread(
                target=self._plug_again, name=f'dmore-plug-{self._uuid}',
                daemon=True).start()

    def _step(self, what: str):
        return boundary.instance_first(self._course.instance, what)

    def _bring_back(self, flags: int) -> None:
        """Have Domain R here again, or say that a new one will be built."""
        with self._step('Bringing Domain R back') as outcome:
            self._send_back(flags)
        if outcome.error is not None:
            # It is gone here; the watch builds a new one, on the same
            # address.
            self._services.reporter.rebuilt(
                self._context, self._uuid,
                'Domain R had left when the migration was rolled back')

    def _send_back(self, flags: int) -> None:
        """:raises nova_dmore.exception.DMoreError: it does not come back."""
        pairs, way = self._services.pairs, self._services.way_here
        if not flags & libvirt.VIR_MIGRATE_PAUSED:
            raise exception.PairError(
                'Domain R may have run at the destination')
        if self._client.is_gone():
            raise exception.PairError(
                'the shadow-device process that it left is gone')
        with self._step('Having the tap of Domain R'):
            # Neutron's agent may have taken it from its bridge.
            pairs.plug_again(self._uuid)
        migrate_uri = way.migrate_uri
        if flags & libvirt.VIR_MIGRATE_TUNNELLED:
            migrate_uri = None
        self._services.destination.send_back(
            self._context, self._host, self._course.migration_id, self._uuid,
            way.uri, migrate_uri, flags, _SEND_BACK_S)
        LOG.info('Domain R is back', instance=self._course.instance)

    def _abort_there(self) -> None:
        if self._services.destination.abort(
                self._context, self._host, self._course.migration_id,
                self._uuid):
            # libvirt resumes it here when the connection between the hosts
            # breaks before the other one can say that it runs
            # (qemuMigrationSrcPerformPeer2Peer3 in
            # src/qemu/qemu_migration.c).
            LOG.error('The instance runs at %s, and libvirt here has not '
                      'given it up: look at both hosts, and end one of the '
                      'two', self._host, instance=self._course.instance)

    def _plug_again(self) -> None:
        """Thread of :meth:`run`."""
        with self._step('The network of Domain R after it came back'):
            for seconds in _PLUG_S:
                time.sleep(seconds)
                self._services.pairs.plug_again(self._uuid)
