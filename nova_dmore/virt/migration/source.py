# SPDX-License-Identifier: Apache-2.0
"""The source's role in a co-migration, from Nova's begin to its end.

Before it, :mod:`nova_dmore.virt.migration.source_roles` has made a
:class:`SourceRole` in Nova's ``live_migration``, and
:mod:`nova_dmore.virt.migration.guest` calls :meth:`SourceRole.migrate` in
Nova's thread where Nova calls ``Guest.migrate()``. After it comes
:mod:`nova_dmore.virt.migration.completion`, or
:mod:`nova_dmore.virt.migration.rollback` if the instance's migration failed.

QEMU decides when the instance stops, as in any live migration. Domain R's
departure (``departure.py``), which may have begun earlier, keeps it in step
with that. ``instance_pre_copy.py`` slows the end of the instance's pre-copy
for a while if Domain R is not copied yet, or not wired at the destination.

The instance comes first: what fails here interrupts the console, and never
the instance's migration.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any, TYPE_CHECKING

from nova_dmore.virt.migration import abort as abort_module
from nova_dmore.virt.migration import completion
from nova_dmore.virt.migration import departure as departure_module
from nova_dmore.virt.migration import instance_pre_copy
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import xml
if TYPE_CHECKING:
    from nova import context as nova_context
    from nova.virt.libvirt import guest as nova_guest

#: How often, and for how long, the instance's job is waited for by who wants
#: to abort it or to switch it to post-copy, in seconds.
_JOB_POLL_S = 0.1
_JOB_WAIT_S = 15.0
#: How long Nova's monitor is waited for, which asks twice a second.
_TELL_S = 10.0


class SourceRole:
    """One co-migration, seen from the source.

    :param departure: Domain R's, begun or not; of a pair that is here.
    :param read_console_log: returns base64 of the instance's console log
        when the hosts share no storage, else None.
    :param stock_consoles: where the destination has the consoles of an
        instance that arrives without a pair.
    :param abort: a user's.
    """

    def __init__(self, context: 'nova_context.RequestContext',
                 departure: departure_module.Departure,
                 read_console_log: Callable[[], str | None],
                 stock_consoles: host_side.StockConsoles,
                 abort: abort_module.Abort) -> None:
        self._services = departure.services
        self._context = context
        self._departure = departure
        self._read_console_log = read_console_log
        self._stock_consoles = stock_consoles
        self._abort = abort
        #: Set when it was aborted, and when Nova has been told so.
        self._cancelled = threading.Event()
        self._nova_was_told = threading.Event()
        self._instance_pre_copy: (
            instance_pre_copy.InstancePreCopy | None) = None
        #: Set when libvirt is asked to migrate the instance.
        self._instance_requested = threading.Event()
        self._nova_ended = threading.Event()
        self._was_asked = False

    @property
    def co_migration(self) -> phases.CoMigration:
        """Its id and its phase."""
        return self._departure.co_migration

    @property
    def _uuid(self) -> str:
        """The uuid of the instance."""
        return self._departure.record.instance_uuid

    # -- what Nova calls ----------------------------------------------------

    def migrate(self, guest: 'nova_guest.Guest', destination: str,
                **arguments: Any) -> None:
        """Migrate the instance, and its Domain R in step.

        Called in place of Nova's ``Guest.migrate``, with its arguments.

        :raises: what the instance's migration raised; nothing of ours.
        """
        self._was_asked = True
        with self._watch_off():
            with self.co_migration.step(
                    'Preparing the co-migration') as preparation:
                if not self._abort.is_aborted():
                    self._begin(destination, arguments)
            if preparation.error is not None:
                self._continue_alone(preparation.error)
            with self.co_migration.step(
                    'The consoles in the XML for the destination'):
                if arguments.get('destination_xml'):
                    arguments['destination_xml'] = xml.for_destination(
                        arguments['destination_xml'],
                        self._departure.layout_there, self._stock_consoles)
            if not self._abort.request():
                if self._departure.has_begun:
                    with self.co_migration.step('Rolling back'):
                        self._departure.roll_back()
                    self._report('rolled back')
                self._cancel()
                return
            self._instance_requested.set()
            try:
                guest.migrate(destination, **arguments)
            except BaseException:
                # The instance stays here, whatever Nova's exception is.
                with self.co_migration.step('Rolling back'):
                    self._departure.roll_back()
                self._report('rolled back')
                raise
            self._departure.instance_ended.set()
            with self.co_migration.step('The end of the co-migration'):
                self._complete()

    def _cancel(self) -> None:
        """A user has aborted it. Nova's monitor is told, and then finds that
        the operation has ended: without the first it would take the instance,
        which is here, for one whose migration has failed."""
        self._cancelled.set()
        self._nova_was_told.wait(_TELL_S)

    def is_cancelled(self) -> bool:
        """Whether it was aborted before libvirt was asked; called by Nova's
        monitor."""
        if self._cancelled.is_set():
            self._nova_was_told.set()
            return True
        return False

    def migrate_configure_max_downtime(self, milliseconds: int) -> bool:
        """Take Nova's downtime limit; False: Nova has to set it itself."""
        if self._instance_pre_copy is None:
            return False
        self._instance_pre_copy.set_max_downtime(milliseconds)
        return True

    def live_migration_operation_ended(self) -> None:
        """Nova's ``_live_migration_operation`` has returned, whether or not it
        ever called :meth:`migrate`."""
        self._departure.instance_ended.set()

    def live_migration_ended(self) -> None:
        """Nova's ``live_migration`` has returned, whether or not it ever
        called :meth:`migrate`: if not, a Domain R that has left before its
        instance comes back."""
        if not self._was_asked and self._departure.has_begun:
            with self._watch_off(), self.co_migration.step('Rolling back'):
                self._departure.roll_back()

    def live_migration_monitor_ended(self) -> None:
        """Nova's ``_live_migration_monitor`` has returned: Nova has told
        everybody where the instance is. It waits for its operation, then lets
        the next live migration begin."""
        self._nova_ended.set()

    def wait_for_instance_job(self, is_copying: bool = False) -> None:
        """Return when the instance's own migration is under way, or over.

        Domain R's migration begins before it, so Nova may ask for something
        that libvirt or QEMU can only do later.

        :param is_copying: wait until QEMU copies memory, which begins some
            time after libvirt has a job.
        """
        deadline = time.monotonic() + _JOB_WAIT_S
        while (time.monotonic() < deadline
               and not self._departure.instance_ended.is_set()
               and not self._is_under_way(is_copying)):
            time.sleep(_JOB_POLL_S)

    def _is_under_way(self, is_copying: bool) -> bool:
        if self._departure.instance_job is None:
            # The instance migrates without Domain R, so nothing precedes it.
            return self._instance_requested.is_set()
        progress = self._departure.instance_job.progress()
        return progress is not None and (progress.iteration > 0
                                         or not is_copying)

    # -- around all of it ---------------------------------------------------

    @contextlib.contextmanager
    def _watch_off(self) -> Iterator[None]:
        """Keep the watch from the pair during the co-migration."""
        self._services.watch.leave_alone(self._uuid)
        try:
            yield
        finally:
            self._services.watch.watch_again(self._uuid)
            with self.co_migration.step("The end of the instance's pre-copy"):
                if self._instance_pre_copy is not None:
                    # It does not notice by itself that QEMU switched over.
                    self._instance_pre_copy.end()
                self._departure.close()

    def _continue_alone(self, error: Exception) -> None:
        """Cancel Domain R's migration after an error that was not foreseen."""
        with self.co_migration.step("Cancelling Domain R's migration"):
            self._departure.cancel()
        if self.co_migration.phase != Phase.ALONE:
            self.co_migration.continue_alone(error)

    # -- its phases ---------------------------------------------------------

    def _begin(self, destination: str, arguments: dict[str, Any]) -> None:
        """Have Domain R under way, and the instance's pre-copy wait for it."""
        departure = self._departure
        if not departure.has_begun:
            departure.begin(destination, arguments)
        if departure.awaited:
            assert departure.instance_job is not None   # since PRE_COPY
            self._instance_pre_copy = instance_pre_copy.InstancePreCopy(
                departure.instance_job, departure.awaited,
                arguments.get('bandwidth') or 0,
                f'dmore-pre-copy-{self._uuid}')
            self._instance_pre_copy.start()

    def _complete(self) -> None:
        """The instance is at the destination: so must its pair be."""
        console_log = None
        with self.co_migration.step('Reading the console log'):
            # At once: Nova removes it in another thread.
            console_log = self._read_console_log()
        domain_r_moved = self._departure.has_domain_r_moved()
        completion.Completion(
            self._services, self._context, self.co_migration,
            self._departure.record, self._departure.stay,
            self._nova_ended).run(domain_r_moved, console_log)
        self._report('stock' if self.co_migration.is_plain_there else
                     'moved' if domain_r_moved else 'rebuilt')

    def _report(self, outcome: str) -> None:
        """See :meth:`nova_dmore.virt.care.reporter.Reporter.migration`."""
        with self.co_migration.step('Reporting the co-migration'):
            self._services.reporter.migration(
                self._context, self._uuid, self.co_migration.migration_id,
                self.co_migration.host, outcome, self.co_migration.skew_ms)
