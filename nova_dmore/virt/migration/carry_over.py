# SPDX-License-Identifier: Apache-2.0
"""What goes to the destination after the stop: Domain R's port and offsets.

Called by :mod:`nova_dmore.virt.migration.switch_over` when Domain R has been
let switch over. The destination answers in ``DestinationRole.carry_over``.
After it come :mod:`nova_dmore.virt.migration.completion` or
:mod:`nova_dmore.virt.migration.rollback`, when the instance's migration has
ended.
"""

import threading
from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration import services as services_module
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import context as nova_context

LOG = logging.getLogger(__name__)

#: Longest wait for the carry-over after the stop, in milliseconds: its offsets
#: are exact when QEMU has saved the instance's state and sent the rest of its
#: memory.
_CARRY_OVER_MS = 5000
#: How long the instance's end is waited for between two of these, in seconds.
_POLL_S = 0.1


class CarryOverPhase:
    """The carry-over of one co-migration.

    :param record: of the pair.
    :param instance_ended: set when the instance's migration is over.
    """

    def __init__(self, services: services_module.Services,
                 context: 'nova_context.RequestContext',
                 co_migration: phases.CoMigration,
                 record: record_module.PairRecord,
                 instance_ended: threading.Event) -> None:
        self._services = services
        self._context = context
        self._co_migration = co_migration
        self._record = record
        self._client = services.pairs.client(record.instance_uuid)
        self._instance_ended = instance_ended
        #: Activates the port binding of the destination; None: not yet.
        self._activation: threading.Thread | None = None

    def send(self) -> None:
        """Let the destination have Domain R's port, and the carry-over.

        Neutron takes its time to activate the binding. Meanwhile the
        instance's QEMU finishes, which the carry-over has to wait for.
        """
        uuid = self._record.instance_uuid
        activation = threading.Thread(
            target=self._activate_binding, name=f'dmore-binding-{uuid}',
            daemon=True)
        activation.start()
        self._activation = activation
        try:
            carry_over = self._wait_for_offsets()
            if carry_over is not None:
                self._services.destination.carry_over(
                    self._context, self._co_migration.host,
                    self._co_migration.migration_id, uuid, carry_over)
        except (exception.PairError, exception.ShadowProcessError) as error:
            # Domain R has its own offsets with it: nothing is lost yet.
            LOG.warning('%s', text.printable(error),
                        instance=self._co_migration.instance)
        activation.join()

    def wait_for_port(self, timeout_s: float) -> bool:
        """Wait until the port is at the destination, if it is on its way.

        :returns: whether it was sent there.
        """
        if self._activation is None:
            return False
        self._activation.join(timeout_s)
        return True

    def _wait_for_offsets(self) -> dict[str, Any] | None:
        """What the source's shadow-device process has for that of the
        destination (the request ``hand_over``). If the instance was forced to
        stop, sending the rest of its memory may take minutes."""
        while True:
            ended = self._instance_ended.is_set()
            carry_over = self._client.hand_over(_CARRY_OVER_MS)
            if carry_over is not None or ended:
                return carry_over
            self._instance_ended.wait(_POLL_S)

    def _activate_binding(self) -> None:
        """Have Domain R's port at the destination, in a thread of
        :meth:`send`."""
        with self._co_migration.step(
                'Activating the binding at the destination'):
            self._services.pairs.addresses.activate_binding(
                self._record.address.port_id, self._co_migration.host)
