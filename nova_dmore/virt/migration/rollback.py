# SPDX-License-Identifier: Apache-2.0
"""The source's rollback: the instance stays, and so does its Domain R.

Called by :mod:`nova_dmore.virt.migration.source` when the instance's migration
has failed, in place of :mod:`nova_dmore.virt.migration.completion`. The
destination answers in ``DestinationRole.send_back`` and ``abort``.

A Domain R that has not switched over runs on here. One that has switched over
waits at the destination; it has not run there, since its instance never did.
It is sent back, paused as it is, to the region, the shadow devices and the tap
that are still here, and runs on with its sessions.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import libvirt
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration import services as services_module
from nova_dmore.virt.pair import record as record_module
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context

LOG = logging.getLogger(__name__)

#: After how many seconds, one after the other, a port that came back is
#: plugged again. Neutron's agent takes it away when it polls, every 2 s
#: ([agent] polling_interval).
_PLUG_S = (1.0, 2.0, 3.0, 6.0)
#: How long Domain R's migration back may take, in seconds; Nova waits for it.
_SEND_BACK_S = 20.0


class Rollback:
    """One rollback; made and run when the instance's migration has failed.

    :param co_migration: a :class:`phases.CoMigration`.
    :param record: of the pair.
    """

    def __init__(self, services: services_module.Services,
                 context: 'nova_context.RequestContext',
                 co_migration: phases.CoMigration,
                 record: record_module.PairRecord) -> None:
        self._services = services
        self._context = context
        self._co_migration = co_migration
        self._record = record
        self._uuid = record.instance_uuid
        self._port = record.address.port_id
        self._client = services.pairs.client(self._uuid)

    def run(self, flags: int, domain_r_moved: bool, binding_moved: bool
            ) -> None:
        """Have everything here again, and nothing at the destination.

        :param flags: of Domain R's migration.
        :param domain_r_moved: Domain R is at the destination.
        :param binding_moved: its port binding was activated there.
        """
        pairs = self._services.pairs
        # The steps are taken in this order, each even if another one fails.
        steps: tuple[Callable[[], object], ...] = (
            # Before it comes back: a paused Domain R is told nothing.
            lambda: self._client.hold(False),
            lambda: pairs.addresses.activate_binding(
                self._port, pairs.host),
            lambda: self._bring_back(flags) if domain_r_moved else None,
            # Not sooner: an armed process takes a Domain R that is not
            # here for one that left, else for one that is lost.
            lambda: self._client.arm(
                self._co_migration.migration_id, wire.Role.SOURCE,
                on=False),
            # Of a paused instance QEMU does not report that it runs here.
            lambda: pairs.adopt(self._uuid),
            self._abort_at_destination,
            lambda: pairs.addresses.delete_binding(
                self._port, self._co_migration.host))
        for step in steps:
            with self._co_migration.step('Rolling back'):
                step()
        if binding_moved:
            threading.Thread(
                target=self._plug_again, name=f'dmore-plug-{self._uuid}',
                daemon=True).start()

    def _bring_back(self, flags: int) -> None:
        """Have Domain R here again, or report that it will be built anew."""
        with self._co_migration.step('Bringing Domain R back') as outcome:
            self._send_back(flags)
        if outcome.error is not None:
            # There is none here now; the watch builds a new one, on the same
            # address.
            self._services.reporter.rebuilt(
                self._context, self._uuid,
                'Domain R had left when the migration was rolled back')

    def _send_back(self, flags: int) -> None:
        """Have the destination migrate Domain R back to this host.

        :raises nova_dmore.exception.DMoreError: it does not come back.
        """
        pairs, uris = self._services.pairs, self._services.uris_of_this_host
        if not flags & libvirt.VIR_MIGRATE_PAUSED:
            raise exception.PairError(
                'Domain R may have run at the destination')
        if self._client.is_gone():
            raise exception.PairError(
                'the shadow-device process that it left is gone')
        with self._co_migration.step('Plugging the tap of Domain R'):
            # Neutron's agent may have taken it from its bridge.
            pairs.plug_again(self._uuid)
        migrate_uri = uris.migrate_uri
        if flags & libvirt.VIR_MIGRATE_TUNNELLED:
            migrate_uri = None
        self._services.destination.send_back(
            self._context, self._co_migration.host,
            self._co_migration.migration_id,
            self._uuid, uris.uri, migrate_uri, flags, _SEND_BACK_S)
        LOG.info('Domain R is back', instance=self._co_migration.instance)

    def _abort_at_destination(self) -> None:
        """Have the destination remove what it prepared."""
        if self._co_migration.is_plain_there:
            return
        if self._services.destination.abort(
                self._context, self._co_migration.host,
                self._co_migration.migration_id,
                self._uuid):
            # libvirt resumes the instance here when the connection between
            # the hosts breaks before the other one can say that it runs there
            # (qemuMigrationSrcPerformPeer2Peer3 in
            # src/qemu/qemu_migration.c).
            LOG.error('The instance runs at %s, and libvirt here has not '
                      'given it up: check both hosts, and end one of the '
                      'two', self._co_migration.host,
                      instance=self._co_migration.instance)

    def _plug_again(self) -> None:
        """Plug Domain R's port a few times, in a thread of :meth:`run`."""
        with self._co_migration.step(
                'The network of Domain R after it came back'):
            for seconds in _PLUG_S:
                time.sleep(seconds)
                self._services.pairs.plug_again(self._uuid)
