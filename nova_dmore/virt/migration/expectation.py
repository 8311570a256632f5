# SPDX-License-Identifier: Apache-2.0
"""What a destination does for a pair before its source asks for it.

Nova checks a destination, prepares the instance there, and lets the source
begin when that is done. Neutron, and the start of a process, take as long as
that: so the address is looked up while Nova checks, which makes nothing, and
the binding, the shadow-device process and the tap are made while Nova makes
the instance's. Should the source not begin, the pair is one whose instance
does not arrive (:mod:`nova_dmore.virt.care.reconcile`).
"""

import contextlib
import threading
import time

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.network import address as address_module
from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)

#: How long the begin of a migration waits for what is made already, and its
#: end for what is still under way, in seconds: the source waits for both, for
#: [dmore] rpc_timeout.
_WAIT_S = 30.0
_END_S = 10.0
#: For how long an address that was looked up is believed, in seconds: Nova
#: may have a live migration wait for others.
_FRESH_S = 60.0


class _LookUp(threading.Thread):
    """Asks Neutron for the address of one instance's Domain R."""

    def __init__(self, addresses, instance_uuid: str):
        super().__init__(name=f'dmore-look-up-{instance_uuid}', daemon=True)
        self._addresses = addresses
        self._instance_uuid = instance_uuid
        self._address: address_module.Address | None = None
        self._begun = time.monotonic()

    def run(self) -> None:
        try:
            self._address = self._addresses.find(self._instance_uuid)
        except exception.DMoreError as error:
            LOG.debug('No address of a Domain R yet: %s',
                      text.printable(error))

    def is_fresh(self) -> bool:
        """Whether it says how things are."""
        return time.monotonic() - self._begun < _FRESH_S

    def address(self) -> address_module.Address:
        """What it has found; looked up anew if that is old, or nothing."""
        if self.is_fresh():
            self.join(_WAIT_S)
        if self._address is None or not self.is_fresh():
            return self._addresses.find(self._instance_uuid)
        return self._address


class _Expectation(threading.Thread):
    """Makes what of one pair takes long, and has its tap wired."""

    def __init__(self, pairs, instance, look_up: _LookUp):
        super().__init__(name=f'dmore-expect-{instance.uuid}', daemon=True)
        self._pairs = pairs
        self._instance = instance
        self._look_up = look_up
        self._is_made = threading.Event()
        #: Of what was made; None: there is nothing to go on from.
        self._record: record_module.PairRecord | None = None

    def run(self) -> None:
        try:
            self._make(self._look_up.address())
        except exception.DMoreError as error:
            LOG.info('Not ready for Domain R yet: %s', text.printable(error),
                     instance=self._instance)
        finally:
            self._is_made.set()
        if self._record is not None:
            _announce(self._pairs, self._record.address.port_id)

    def record(self, timeout_s: float) -> record_module.PairRecord | None:
        """Of what was made; wiring goes on."""
        self._is_made.wait(timeout_s)
        return self._record

    def _make(self, known: address_module.Address) -> None:
        pairs, instance = self._pairs, self._instance
        with pairs.locked(instance.uuid):
            if pairs.get(instance.uuid) is not None:
                return      # left over; the source's call ends it
            with contextlib.ExitStack() as undo:
                undo.callback(pairs.addresses.drop_inactive_binding,
                              known.port_id, pairs.host)
                self._record = pairs.expect(record_module.PairRecord(
                    instance_uuid=instance.uuid,
                    instance_name=instance.display_name or instance.name,
                    project_id=instance.project_id,
                    # Only the source knows; Glance takes long to tell another.
                    digest='', key_data=instance.key_data, incoming=True,
                    address=known), self._bind)
                undo.pop_all()

    def _bind(self, address: address_module.Address) -> address_module.Address:
        return self._pairs.addresses.add_binding(address, self._pairs.host)


class Expectations:
    """Of one host; called by the destination's role.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    """

    def __init__(self, pairs):
        self._pairs = pairs
        #: All by instance uuid.
        self._looked_up: dict[str, _LookUp] = {}
        self._expected: dict[str, _Expectation] = {}
        #: Those that were taken.
        self._wiring: dict[str, threading.Thread] = {}

    def look_up(self, instance_uuid: str) -> None:
        """Begin to ask for the address."""
        for uuid, known in list(self._looked_up.items()):
            if not known.is_fresh():
                # Its migration did not come to more.
                self._looked_up.pop(uuid, None)
        look_up = _LookUp(self._pairs.addresses, instance_uuid)
        look_up.start()
        self._looked_up[instance_uuid] = look_up

    def begin(self, instance) -> None:
        """Begin to make what takes long."""
        look_up = self._looked_up.pop(instance.uuid, None)
        if look_up is None:
            look_up = _LookUp(self._pairs.addresses, instance.uuid)
            look_up.start()
        expectation = _Expectation(self._pairs, instance, look_up)
        self._expected[instance.uuid] = expectation
        expectation.start()

    def announce(self, instance_uuid: str, port_id: str) -> None:
        """Have a tap wired that nobody expected here."""
        wiring = threading.Thread(
            target=_announce, args=(self._pairs, port_id),
            name=f'dmore-wire-{instance_uuid}', daemon=True)
        wiring.start()
        self._wiring[instance_uuid] = wiring

    def take(self, instance_uuid: str, timeout_s: float = _WAIT_S
             ) -> record_module.PairRecord | None:
        """The record of what was made, None: nothing. Its tap may still be
        wired; nothing needs to wait for that."""
        expectation = self._expected.pop(instance_uuid, None)
        if expectation is None:
            return None
        self._wiring[instance_uuid] = expectation
        made = expectation.record(timeout_s)
        return made if self._pairs.get(instance_uuid) else None

    def end(self, instance_uuid: str) -> record_module.PairRecord | None:
        """Wait until nothing is under way any more, but not for ever.

        :returns: the record of what was made, if nobody took it.
        """
        deadline = time.monotonic() + _END_S
        made = self.take(instance_uuid, _END_S)
        wiring = self._wiring.pop(instance_uuid, None)
        if wiring is not None:
            wiring.join(max(0, deadline - time.monotonic()))
        return made


def _announce(pairs, port_id: str) -> None:
    """Have a tap wired; what fails is done when Domain R has arrived."""
    try:
        pairs.addresses.announce(port_id, pairs.host)
    except exception.AddressError as error:
        LOG.warning('The network of Domain R is wired when it has arrived: '
                    '%s', text.printable(error))
