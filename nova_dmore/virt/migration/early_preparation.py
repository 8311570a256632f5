# SPDX-License-Identifier: Apache-2.0
"""What a destination prepares for a pair before its source asks for it.

The first step of a live migration with Domain R, at the destination: the
driver calls it, by way of :mod:`nova_dmore.virt.migration.destination`, in
Nova's ``check_can_live_migrate_destination``, and in ``pre_live_migration`` if
nothing of it is left by then. The source is told when this host is ready, and
begins (:mod:`nova_dmore.virt.migration.early_departure`), or at the latest
when Nova has it begin (:mod:`nova_dmore.virt.migration.guest`). Its first call
to this host, ``prepare``, uses what was made here.

Domain R's port is looked up while Nova checks this host, which makes nothing.
The port binding, the shadow-device process and the tap are made when that
check has passed, while Nova goes on. If the source does not begin, they are
removed like any pair whose instance does not arrive
(:mod:`nova_dmore.virt.care.reconcile`).
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt import boundary
from nova_dmore.virt.network import address as address_module
from nova_dmore.virt.network import address_book
from nova_dmore.virt.pair import policy
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import objects

    from nova_dmore.virt.pair import incoming

LOG = logging.getLogger(__name__)

#: Seconds that ``prepare`` waits for what is being made already, and that the
#: end of a migration waits for threads that still run. The source waits for an
#: answer meanwhile, [dmore] rpc_timeout at most.
_WAIT_S = 30.0
_END_S = 10.0
#: For how long an address that was looked up is used, in seconds: Nova may
#: have a live migration wait for others.
_FRESH_S = 60.0


class _PortLookup(threading.Thread):
    """Asks Neutron for the address of one instance's Domain R."""

    def __init__(self, addresses: address_book.AddressBook,
                 instance_uuid: str) -> None:
        super().__init__(name=f'dmore-port-lookup-{instance_uuid}',
                         daemon=True)
        self._addresses = addresses
        self._instance_uuid = instance_uuid
        self._address: address_module.Address | None = None
        self._begun = time.monotonic()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            self._address = self._addresses.find(self._instance_uuid)
        except exception.DMoreError as error:
            LOG.debug('No address of a Domain R yet: %s',
                      text.printable(error))

    def is_fresh(self) -> bool:
        """Whether it was asked so lately that the answer may be used."""
        return time.monotonic() - self._begun < _FRESH_S

    def address(self) -> address_module.Address:
        """The address that was found. Asks again if there is none, or if the
        answer is old.

        :raises nova_dmore.exception.AddressError: there is none.
        """
        if self.is_fresh():
            self.join(_WAIT_S)
        if self._address is None or not self.is_fresh():
            return self._addresses.find(self._instance_uuid)
        return self._address


class _EarlyPreparation(threading.Thread):
    """Makes what takes long for one pair, and has its tap wired.

    :param when_made: called when the source may begin.
    """

    def __init__(self, pairs: 'incoming.IncomingPairs',
                 instance: 'objects.Instance', lookup: _PortLookup,
                 when_made: Callable[[], None]) -> None:
        super().__init__(name=f'dmore-prepare-{instance.uuid}', daemon=True)
        self._pairs = pairs
        self._instance = instance
        self._lookup = lookup
        self._when_made = when_made
        self._is_made = threading.Event()
        #: Of what was made; None: nothing was.
        self._record: record_module.PairRecord | None = None
        #: Has the tap wired; None: there is no binding yet.
        self._wiring: threading.Thread | None = None

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            self._make(self._lookup.address())
        except exception.DMoreError as error:
            LOG.info('Not ready for Domain R yet: %s', text.printable(error),
                     instance=self._instance)
        finally:
            self._is_made.set()
        if self._record is not None:
            # The message queue may be away, for as long as it is.
            threading.Thread(
                target=self._tell, name=f'dmore-tell-{self._instance.uuid}',
                daemon=True).start()
        if self._wiring is not None:
            # Whoever waits for this thread waits for that, too.
            self._wiring.join()

    def _tell(self) -> None:
        with boundary.instance_first(self._instance, 'Telling its source'):
            self._when_made()

    def is_of_use(self) -> bool:
        """Whether there is something, or may be. What was made for a live
        migration that came to nothing may have been removed."""
        return not self._is_made.is_set() or (
            self._record is not None
            and self._pairs.get(self._instance.uuid) is not None)

    def record(self, timeout_s: float) -> record_module.PairRecord | None:
        """Wait for what is made; its tap may be wired later."""
        self._is_made.wait(timeout_s)
        return self._record

    def _make(self, found: address_module.Address) -> None:
        pairs, instance = self._pairs, self._instance
        with pairs.locked(instance.uuid):
            if pairs.get(instance.uuid) is not None:
                # It is left over from an earlier migration. ``prepare``
                # removes it, and then makes everything.
                return
            with contextlib.ExitStack() as undo:
                undo.callback(self._undo_binding, found.port_id)
                self._record = pairs.prepare_early(record_module.PairRecord(
                    instance_uuid=instance.uuid,
                    instance_name=instance.display_name or instance.name,
                    project_id=instance.project_id,
                    # Only the source knows which image Domain R runs, and
                    # Glance takes long to name another one.
                    digest='', key_data=instance.key_data, incoming=True,
                    address=found, keymap=policy.keymap(instance)),
                    self._bind)
                undo.pop_all()

    def _bind(self, address: address_module.Address) -> address_module.Address:
        bound = self._pairs.addresses.add_binding(address, self._pairs.host)
        # Before there is a tap. Neutron's agent polls for new ones every two
        # seconds, leaves alone what was not announced by then, and has to be
        # called once more.
        self._wiring = _start_announcing(
            self._pairs, self._instance.uuid, address.port_id)
        return bound

    def _undo_binding(self, port_id: str) -> None:
        pairs = self._pairs
        if self._wiring is None:
            pairs.addresses.drop_inactive_binding(port_id, pairs.host)
            return
        # While it is announced, the agent of the source does not touch it.
        self._wiring.join()
        pairs.addresses.delete_binding(port_id, pairs.host)


class EarlyPreparations:
    """The early preparations of one host; used by the destination's role.

    :param pairs: a
        :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.
    """

    def __init__(self, pairs: 'incoming.IncomingPairs') -> None:
        self._pairs = pairs
        #: By instance uuid, as all of these.
        self._lookups: dict[str, _PortLookup] = {}
        self._preparations: dict[str, _EarlyPreparation] = {}
        #: Threads that may still have a tap wired for a pair that
        #: ``prepare`` has asked for.
        self._wiring: dict[str, threading.Thread] = {}

    def look_up_port(self, instance_uuid: str) -> None:
        """Begin to ask Neutron for Domain R's address."""
        for uuid, lookup in list(self._lookups.items()):
            if not lookup.is_fresh():
                # Nova did not go on with that migration.
                self._lookups.pop(uuid, None)
        lookup = _PortLookup(self._pairs.addresses, instance_uuid)
        lookup.start()
        self._lookups[instance_uuid] = lookup

    def begin(self, instance: 'objects.Instance', when_made: Callable[[], None]
              ) -> None:
        """Begin to make what takes long, unless that was begun.

        :param when_made: called when the source may begin.
        """
        known = self._preparations.get(instance.uuid)
        if known is not None and known.is_of_use():
            return
        lookup = self._lookups.pop(instance.uuid, None)
        if lookup is None:
            lookup = _PortLookup(self._pairs.addresses, instance.uuid)
            lookup.start()
        preparation = _EarlyPreparation(
            self._pairs, instance, lookup, when_made)
        self._preparations[instance.uuid] = preparation
        preparation.start()

    def announce(self, instance_uuid: str, port_id: str) -> None:
        """Begin to have a tap wired, to be made next, that was not prepared
        early."""
        self._wiring[instance_uuid] = _start_announcing(
            self._pairs, instance_uuid, port_id)

    def take(self, instance_uuid: str, timeout_s: float = _WAIT_S
             ) -> record_module.PairRecord | None:
        """The record of what was made, None: nothing was. The caller goes on
        with it. Its tap may still be wired; nothing needs to wait for that."""
        preparation = self._preparations.pop(instance_uuid, None)
        if preparation is None:
            return None
        self._wiring[instance_uuid] = preparation
        made = preparation.record(timeout_s)
        return made if self._pairs.get(instance_uuid) else None

    def end(self, instance_uuid: str) -> record_module.PairRecord | None:
        """Wait until nothing runs any more, but not for ever.

        :returns: the record of what was made, if :meth:`take` was not called
            for it.
        """
        deadline = time.monotonic() + _END_S
        made = self.take(instance_uuid, _END_S)
        wiring = self._wiring.pop(instance_uuid, None)
        if wiring is not None:
            wiring.join(max(0, deadline - time.monotonic()))
        return made


def _start_announcing(pairs: 'incoming.IncomingPairs', instance_uuid: str,
                      port_id: str) -> threading.Thread:
    wiring = threading.Thread(
        target=_announce, args=(pairs, port_id),
        name=f'dmore-wire-{instance_uuid}', daemon=True)
    wiring.start()
    return wiring


def _announce(pairs: 'incoming.IncomingPairs', port_id: str) -> None:
    """Have Neutron wire a tap. If that fails it is done when Domain R has
    arrived."""
    try:
        pairs.addresses.announce(port_id, pairs.host)
    except exception.AddressError as error:
        LOG.warning('The network of Domain R is wired when it has arrived: '
                    '%s', text.printable(error))
