# SPDX-License-Identifier: Apache-2.0
"""Domain R leaves first: while Nova still checks and prepares.

At the source. A possible destination calls :meth:`EarlyDepartures.leave` as
soon as it is ready for Domain R, in Nova's check of the live migration
(:mod:`nova_dmore.virt.migration.early_preparation`). That is seconds before
Nova migrates the instance, so Domain R is copied by then, and the instance
does not wait for it. It is held meanwhile, and its sessions go on.

Nova's check may fail, Nova may try another host, or the live migration may
wait for others. Then Domain R is taken back, by the same steps as after a
live migration that failed: at once if Nova migrates the instance no more, or
asks another host, else after :data:`EXPIRES_S`. It leaves once more when Nova
migrates the instance.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

import libvirt
from nova.compute import task_states
import nova.conf
from nova import exception as nova_exception
from nova import objects
from oslo_log import log as logging
import oslo_messaging as messaging

from nova_dmore.channel import text
from nova_dmore.virt import boundary
from nova_dmore.virt.migration import departure as departure_module
from nova_dmore.virt.pair import renewable
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import watch as watch_module
    from nova_dmore.virt.migration import services as services_module
    from nova_dmore.virt.migration import uris

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

#: For how long Domain R is held for a live migration that does not begin, in
#: seconds. Nova's own preparations take 2 to 5 s.
EXPIRES_S = 30.0
#: How often Nova's database is asked whether the instance still migrates, in
#: seconds.
_POLL_S = 1.0


class EarlyDeparture(threading.Thread):
    """Carries out one, until Nova begins or Domain R is taken back.

    :param departure: not begun.
    :param watch: a :class:`nova_dmore.virt.care.watch.Watch`.
    :param context: of the request.
    :param destination: libvirt URI of the destination.
    :param arguments: of Nova's ``Guest.migrate``.
    """

    def __init__(self, departure: departure_module.Departure,
                 watch: 'watch_module.Watch',
                 context: 'nova_context.RequestContext', destination: str,
                 arguments: dict[str, Any]) -> None:
        self._instance = departure.co_migration.instance
        super().__init__(name=f'dmore-leave-{self._instance.uuid}',
                         daemon=True)
        self._departure = departure
        departure.co_migration.is_early = True
        self._watch = watch
        self._context = context
        self._destination = destination
        self._arguments = arguments
        self._lock = threading.Lock()
        #: Set when somebody has decided what becomes of the departure: Nova
        #: goes on with it, or Domain R is taken back.
        self._decided = threading.Event()
        self._begun = threading.Event()
        #: Set when Nova goes on with it, or Domain R is here again: whoever
        #: has decided so may be another thread than this.
        self._over = threading.Event()

    @property
    def host(self) -> str:
        """The destination, as Nova calls it."""
        return self._departure.co_migration.host

    def run(self) -> None:
        """Called by ``start()``."""
        with boundary.instance_first(self._instance, 'Leaving early'):
            try:
                self._watch.leave_alone(self._instance.uuid)
                self._departure.begin(self._destination, self._arguments)
            finally:
                self._begun.set()
            self._wait()
        self.take_back()

    def _wait(self) -> None:
        """Return when the departure is of use no more."""
        deadline = time.monotonic() + EXPIRES_S
        while (not self._decided.wait(_POLL_S)
               and time.monotonic() < deadline
               and self._departure.is_under_way()
               and find_migrating(self._context, self._instance.uuid)):
            pass

    def take(self) -> departure_module.Departure | None:
        """Nova begins: the caller goes on with the departure.

        :returns: None: it has to begin anew.
        """
        if not self._decide():
            self._over.wait()
            return None
        self._begun.wait()
        self._departure.co_migration.is_early = False
        if self._departure.is_under_way():
            self._over.set()
            return self._departure
        self._roll_back()
        return None

    def take_back(self) -> None:
        """Have Domain R stay here, if Nova has not begun; returns when it
        does."""
        if self._decide():
            self._begun.wait()
            self._roll_back()
        elif self is not threading.current_thread():
            self._over.wait()

    def is_over(self) -> bool:
        """Whether Nova goes on with it, or Domain R is here again."""
        return self._over.is_set()

    def _decide(self) -> bool:
        """Whether the caller is the one who decides."""
        with self._lock:
            if self._decided.is_set():
                return False
            self._decided.set()
            return True

    def _roll_back(self) -> None:
        with boundary.instance_first(self._instance, 'Taking it back'):
            LOG.info('Domain R stays here for now', instance=self._instance)
            self._departure.roll_back()
        with boundary.instance_first(self._instance, 'Taking it back'):
            self._departure.close()
            self._watch.watch_again(self._instance.uuid)
        self._over.set()


def find_migrating(context: 'nova_context.RequestContext', instance_uuid: str
                   ) -> 'objects.Instance | None':
    """The instance; None: Nova is not about to live-migrate it, or that is not
    known."""
    try:
        instance = objects.Instance.get_by_uuid(context, instance_uuid)
    except (messaging.MessagingException,
            nova_exception.NovaException) as error:
        LOG.info('Not known whether instance %(uuid)s migrates: %(error)s',
                 {'uuid': instance_uuid, 'error': text.printable(error)})
        return None
    return instance if instance.task_state == task_states.MIGRATING else None


class EarlyDepartures:
    """The early departures from one host.

    :param services: makes the :class:`services.Services` of this host.
    :param uris_to: makes the :class:`uris.MigrationURIs` of a host's name and
        ``[libvirt] live_migration_inbound_addr``.
    :param flags: returns those of Nova's live migrations.
    """

    def __init__(
            self, services: 'Callable[[], services_module.Services]',
            uris_to: 'Callable[[str | None, str | None], uris.MigrationURIs]',
            flags: Callable[[], int]) -> None:
        self._services = services
        self._uris_to = uris_to
        self._flags = flags
        self._lock = threading.Lock()
        #: By instance uuid.
        self._departures: dict[str, EarlyDeparture] = {}
        #: Uuids of instances that Nova migrates now: a call comes too late.
        self._migrating: set[str] = set()

    def leave(self, context: 'nova_context.RequestContext', instance_uuid: str,
              host: str, address: str | None) -> None:
        """Begin; called over :mod:`nova_dmore.virt.rpc`.

        :param host: the destination, as Nova calls it.
        :param address: its ``[libvirt] live_migration_inbound_addr``.
        """
        services = self._services()
        record = services.pairs.get(instance_uuid)
        instance = None
        if (record is not None and not record.incoming
                and record.renewal != renewable.When.MIGRATION
                and services.hold and services.synchronise):
            instance = find_migrating(context, instance_uuid)
        if instance is None:
            LOG.info('No Domain R of instance %s leaves early', instance_uuid)
            return
        early = EarlyDeparture(
            departure_module.Departure(services, context, instance, host),
            services.watch, context, *self._arguments(host, address))
        while (previous := self._start(instance_uuid, early)) is not None:
            previous.take_back()

    def _start(self, instance_uuid: str, early: EarlyDeparture
               ) -> EarlyDeparture | None:
        """Begin a departure, unless Nova migrates the instance by now.

        :returns: one to another host, which has to be taken back before. It
            stays known meanwhile: if Nova begins, it waits for that, too.
        """
        with self._lock:
            for uuid, other in list(self._departures.items()):
                if other.is_over():
                    del self._departures[uuid]
            if instance_uuid in self._migrating:
                return None
            previous = self._departures.get(instance_uuid)
            if previous is None:
                self._departures[instance_uuid] = early
                early.start()
            return previous

    def _arguments(self, host: str, address: str | None
                   ) -> tuple[str, dict[str, Any]]:
        """What Nova would give ``Guest.migrate``, but for the instance's disks
        and XML: the destination, and the other arguments."""
        uris, flags = self._uris_to(host, address), self._flags()
        return uris.uri, {
            'flags': flags,
            'migrate_uri': None if flags & libvirt.VIR_MIGRATE_TUNNELLED
            else uris.migrate_uri,
            'bandwidth': CONF.libvirt.live_migration_bandwidth,
            'parallel': CONF.libvirt.live_migration_parallel_connections}

    def take(self, context: 'nova_context.RequestContext',
             instance: 'objects.Instance', host: str
             ) -> departure_module.Departure:
        """Nova begins; the caller goes on with the departure, and calls
        :meth:`ended` in the end.

        :param host: the destination, as Nova calls it.
        :returns: one that has begun, or a new one.
        """
        with self._lock:
            self._migrating.add(instance.uuid)
            early = self._departures.pop(instance.uuid, None)
        if early is not None:
            if early.host != host:
                early.take_back()
            elif (taken := early.take()) is not None:
                return taken
        return departure_module.Departure(
            self._services(), context, instance, host)

    def ended(self, instance_uuid: str) -> None:
        """Nova's live migration is over."""
        with self._lock:
            self._migrating.discard(instance_uuid)
