# SPDX-License-Identifier: Apache-2.0
"""The source's role in a co-migration, from top to bottom.

Reached from Nova's operation thread: ``_live_migration_operation`` calls
``guest.migrate()``, which :class:`nova_dmore.virt.migration.guest.
CoMigratingGuest` answers with :meth:`SourceRole.run`. QEMU decides when the
instance stops, as in any live migration. Two threads of our own help: the
*follower* (follower.py) holds Domain R (companion.py) until that stop, whoever
caused it, and lets it go then; the *leader* (leader.py) slows the end of the
instance's pre-copy for a while if Domain R is not ready.

The instance comes first: what fails here costs the console its continuity,
never the instance its migration.
"""

import contextlib
import dataclasses
import threading
import time

import libvirt
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt import boundary
from nova_dmore.virt.migration import companion
from nova_dmore.virt.migration import follower
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import leader
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import rollback
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import xml
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Longest wait for the offsets after the stop, in milliseconds: they are exact
#: when QEMU has saved the instance's state and sent the rest of its memory.
_HAND_OVER_MS = 5000
#: How often the instance's job is looked for by who wants to abort it or to
#: switch it to post-copy, and for how long, in seconds.
_JOB_LOOK_S = 0.1
_JOB_WAIT_S = 15.0
#: Longest wait for the end of Domain R's migration after its instance's.
_END_S = 15.0
#: Longest wait for Nova's, in seconds.
_NOVA_END_S = 10.0


@dataclasses.dataclass(frozen=True)
class Services:
    """What the role works with."""

    pairs: object               # nova_dmore.virt.pair.pairs.Pairs
    watch: object               # nova_dmore.virt.care.watch.Watch
    reporter: object            # nova_dmore.virt.care.reporter.Reporter
    destination: object         # nova_dmore.virt.rpc.DestinationAPI
    #: URI of this host's libvirt.
    libvirt_uri: str
    precopy_timeout_s: float
    hold_bandwidth_mib: int
    way_here: rollback.WayHere
    #: Whether libvirt gives the FIFOs of a serial port to QEMU's user.
    relabel: bool = True
    #: False: Domain R leaves as soon as it can.
    hold: bool = True
    #: False: Domain R is moved beside its instance, but not in step.
    synchronise: bool = True


class SourceRole:
    """One co-migration, seen from the source.

    :param read_console_log: returns base64 of the instance's console log
        when the hosts share no storage, else None.
    """

    def __init__(self, services: Services, context, instance,
                 destination_host: str, read_console_log):
        self._services = services
        self._context = context
        self._instance = instance
        self._uuid = instance.uuid
        self._name = domain_r.name_of(instance.uuid)
        self._instance_domain = instance.name
        self._host = destination_host
        self._read_console_log = read_console_log
        self.course = phases.Course(instance, destination_host)
        self._client = services.pairs.client(instance.uuid)
        self._record = services.pairs.get(instance.uuid)
        self._companion: companion.Companion | None = None
        self._follower: follower.Follower | None = None
        self._leader: leader.Leader | None = None
        self._connection = None
        self._job: job.Job | None = None    # the instance's
        #: Set when libvirt is asked to migrate the instance.
        self._asked = threading.Event()
        #: Set when the instance's migration call has returned.
        self._ended = threading.Event()
        self._nova_is_done = threading.Event()
        #: Lets the destination have the address of Domain R.
        self._address: threading.Thread | None = None
        self._flags = 0     # of Domain R's migration
        #: Whether Domain R runs there only when its instance does.
        self._arrives_paused = False
        #: Where its destination has not said, an instance arrives in the
        #: form that this release and the one before can do with.
        self._layout_there: int = places.Layout.FIFOS

    # -- the story ----------------------------------------------------------

    def run(self, guest, destination: str, **arguments) -> None:
        """Migrate the instance, and its Domain R in step.

        :raises: what the instance's migration raised; nothing of ours.
        """
        with self._keep_watch_off():
            with self._step('Preparing the co-migration') as prepared:
                if self._begin():
                    self._pre_copy(destination, arguments)
            if prepared.error is not None:
                self._stumbled(prepared.error)
            with self._step('The way of the console to the destination'):
                if arguments.get('destination_xml'):
                    arguments['destination_xml'] = xml.for_destination(
                        arguments['destination_xml'], self._layout_there,
                        self._services.relabel)
            self._asked.set()
            try:
                guest.migrate(destination, **arguments)
            except BaseException:
                # It stays here, whatever Nova's exception is.
                self._ended.set()
                with self._step('Going back'):
                    self._abort()
                raise
            self._ended.set()
            with self._step('The end of the co-migration'):
                self._finish()

    def _step(self, what: str):
        return boundary.instance_first(self._instance, what)

    def _stumbled(self, error: Exception) -> None:
        """Give Domain R up after an error that nobody expected."""
        with self._step('Giving Domain R up'):
            if self._companion is not None:
                self._companion.give_up()
        if self.course.phase != Phase.ALONE:
            self.course.alone(error)

    def take_downtime(self, milliseconds: int) -> bool:
        """Take Nova's downtime limit; whether somebody here heeds it."""
        if self._leader is None:
            return False
        self._leader.set_downtime(milliseconds)
        return True

    def set_over(self) -> None:
        """Nova's operation is over, wherever it ended."""
        self._ended.set()

    def set_nova_done(self) -> None:
        """Nova has told everybody where the instance is now; it waits for
        the operation, then lets the next live migration begin."""
        self._nova_is_done.set()

    def wait_for_the_instances_job(self, is_sent: bool = False) -> None:
        """Return when the instance's own migration is under way, or over;
        Domain R's begins before it.

        :param is_sent: under way is what QEMU sends; it begins some time
            after libvirt has a job
        """
        deadline = time.monotonic() + _JOB_WAIT_S
        while (time.monotonic() < deadline and not self._ended.is_set() and
                not self._is_under_way(is_sent)):
            time.sleep(_JOB_LOOK_S)

    def _is_under_way(self, is_sent: bool) -> bool:
        if self._job is None:
            # Domain R does not come along: nothing goes before the instance.
            return self._asked.is_set()
        progress = self._job.progress()
        return progress is not None and (progress.iteration > 0
                                         or not is_sent)

    @contextlib.contextmanager
    def _keep_watch_off(self):
        self._services.watch.leave_alone(self._uuid)
        try:
            yield
        finally:
            self._services.watch.look_after(self._uuid)
            with self._step('The end of the leader'):
                if self._leader is not None:
                    # QEMU may have switched over without it.
                    self._leader.end()
                if self._connection is not None:
                    self._connection.close()

    # -- begin --------------------------------------------------------------

    def _begin(self) -> bool:
        """Have the destination ready; whether it is."""
        self.course.enter(Phase.BEGIN)
        pairs = self._services.pairs
        try:
            if not all(pairs.is_alive(self._uuid)):
                raise exception.PairError('the pair is not alive here')
            self._layout_there = self._services.destination.prepare(
                self._context, self._host, self.course.migration_id,
                record_module.to_json(self._record))
            # One of 0.1 does not let it run. Beside its instance and not in
            # step it waits for nothing.
            self._arrives_paused = (self._layout_there > places.Layout.SOCKETS
                                    and self._services.synchronise)
            self._connection = libvirt.open(self._services.libvirt_uri)
            if self._services.synchronise:
                self._client.arm(self.course.migration_id,
                                 wire.Role.SOURCE)
        except (exception.DMoreError, libvirt.libvirtError) as error:
            self.course.alone(error)
            return False
        self.course.enter(Phase.PREPARED)
        return True

    # -- pre-copy -----------------------------------------------------------

    def _pre_copy(self, destination: str, arguments: dict) -> None:
        """Copy Domain R's memory, and hold it until the instance stops.

        The instance's own pre-copy begins as soon as this returns.
        """
        self.course.enter(Phase.PRE_COPY)
        services = self._services
        limit_mib = arguments.get('bandwidth') or 0
        holds = services.synchronise and services.hold
        parameters = {'bandwidth': companion.first_bandwidth_mib(limit_mib)
                      if holds else limit_mib}
        if arguments.get('migrate_uri'):
            parameters['migrate_uri'] = arguments['migrate_uri']
        self._flags = job.companion_flags(
            arguments.get('flags', 0), self._arrives_paused)
        try:
            parameters.update(self._destination_xml())
            outgoing = job.OutgoingDomain(
                services.libvirt_uri, self._name, destination, parameters,
                self._flags)
            self._companion = companion.Companion(
                self._connection, self._name, outgoing,
                services.precopy_timeout_s, services.hold_bandwidth_mib,
                limit_mib, holds, self._arrives_paused)
            self._job = job.Job(self._connection, self._instance_domain)
            if holds:
                self._client.hold(True)
        except (exception.DMoreError, libvirt.libvirtError) as error:
            self._companion = None      # it was never sent
            self.course.alone(error)
            return
        self._companion.start()
        if not services.synchronise:
            return
        self._follower = follower.Follower(
            self.course, self._client, self._companion, self._ended,
            self._hand_over, f'dmore-follow-{self._uuid}')
        self._leader = leader.Leader(
            self._job, self._follower.companion_ready, limit_mib,
            f'dmore-lead-{self._uuid}')
        self._leader.start()
        self._follower.start()

    def _destination_xml(self) -> dict:
        """What Domain R is at a destination of another release."""
        known = self._connection.lookupByName(self._name).XMLDesc(
            libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        wanted = xml.domain_r_for_destination(
            known, places.of_pair(self._services.pairs.records.directory(
                self._uuid)), self._layout_there)
        return {} if wanted is None else {'destination_xml': wanted}

    # -- stop: follower.py; then carry over ---------------------------------

    def _hand_over(self) -> None:
        """Let the destination have the address and the offsets.

        Neutron takes its time with the one, while the instance's QEMU comes
        to the end that the other has to wait for.
        """
        address = threading.Thread(
            target=self._give_address, name=f'dmore-address-{self._uuid}',
            daemon=True)
        address.start()
        self._address = address
        try:
            carry_over = self._wait_for_counts()
            if carry_over is not None:
                self._services.destination.carry_over(
                    self._context, self._host, self.course.migration_id,
                    self._uuid, carry_over)
        except (exception.PairError, exception.ShadowProcessError) as error:
            # Domain R carries its own offsets: this one is not lost yet.
            LOG.warning('%s', text.printable(error), instance=self._instance)
        address.join()

    def _wait_for_counts(self) -> dict | None:
        """What the source's process carries over; the rest of an instance that
        was forced to stop may take minutes."""
        while True:
            ended = self._ended.is_set()
            carry_over = self._client.hand_over(_HAND_OVER_MS)
            if carry_over is not None or ended:
                return carry_over
            self._ended.wait(_JOB_LOOK_S)

    def _give_address(self) -> None:
        """Thread of :meth:`_hand_over`."""
        with self._step('Letting the destination have the address'):
            self._services.pairs.addresses.activate_binding(
                self._record.address.port_id, self._host)

    # -- done ---------------------------------------------------------------

    def _finish(self) -> None:
        """The instance is at the destination: so must its pair be."""
        console_log = None
        with self._step('Reading the console log'):
            # At once: Nova removes it in another thread.
            console_log = self._read_console_log()
        moved = self._has_moved()
        with self._step('Reporting the gaps that the source knows'):
            self._services.watch.collect_gaps(self._uuid)
        with self._step('Telling the destination'):
            self._services.destination.finish(
                self._context, self._host, self.course.migration_id,
                record_module.to_json(self._record), moved, console_log)
        self.course.enter(Phase.DONE)
        # Whatever the destination says: the instance is no longer here, and
        # no Domain R may be built for it here.
        self._leave()

    def _leave(self) -> None:
        """Remove the pair's part here, unless it comes back already: Nova
        ends a migration, and begins another one, without waiting for us.

        Neutron's agents heed the binding over there when there is none here
        any more. The rest can wait until Nova is done, which would have to
        share its cores.

        :raises nova_dmore.exception.DMoreError: the watch removes what is
            left.
        """
        pairs = self._services.pairs
        with pairs.locked(self._uuid):
            if not self._is_here():
                return
            pairs.addresses.delete_binding(
                self._record.address.port_id, pairs.host)
        self._nova_is_done.wait(_NOVA_END_S)
        with pairs.locked(self._uuid):
            if self._is_here():
                pairs.remove(self._uuid, delete_address=False)

    def _is_here(self) -> bool:
        record = self._services.pairs.get(self._uuid)
        if record is not None and record.incoming:
            LOG.info('The pair is on its way back already',
                     instance=self._instance)
        return record is not None and not record.incoming

    def _wait_for_follower(self) -> None:
        """Let Domain R come to its end of the move, or not."""
        if self._follower is not None and self._follower.is_alive():
            self._follower.join(_END_S)

    def _has_moved(self) -> bool:
        """Wait for Domain R's end of the move; whether it went well."""
        self._wait_for_follower()
        if self.course.phase == Phase.ALONE:
            return False
        if self.course.phase == Phase.PRE_COPY:
            if not self._services.synchronise:
                self.course.enter(Phase.STOP)
            elif not self._follower.release():
                return False
            # Else the stop was not noticed. Nothing is frozen then, but both
            # ends still know their offsets.
        if self.course.phase == Phase.STOP:
            self.course.enter(Phase.CARRY_OVER)
        if self._companion.arrived(_END_S):
            self.course.enter(Phase.LIVE)
            return True
        self._companion.give_up()
        self.course.alone(
            self._companion.error or 'it did not arrive in time')
        return False

    # -- undone: rollback.py ------------------------------------------------

    def _abort(self) -> None:
        """The instance stays here: so does its Domain R."""
        self._wait_for_follower()
        if self._address is not None:
            # Late, it would be taken from here again.
            self._address.join(_END_S)
        has_left = False
        if self._companion is not None:
            self._companion.give_up()
            has_left = self._companion.arrived(0)
        self.course.enter(Phase.ABORTED)
        rollback.Rollback(
            self._services, self._context, self.course, self._host,
            self._record).run(self._flags, has_left, self._address is not None)
