# SPDX-License-Identifier: Apache-2.0
"""What the keeper tells its worker (see :class:`messages.ToWorker`).

Each message becomes something that happened to the pair.
"""

import logging
import socket
import time
from typing import TYPE_CHECKING

from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker import requests

if TYPE_CHECKING:       # it imports this one
    from nova_dmore.worker import pair as pair_module

LOG = logging.getLogger(__name__)


class KeeperMessages:
    """Takes them, one after the other.

    :param pair: :class:`nova_dmore.worker.pair.Pair`.
    :param handle: grants a request of nova-compute, whose connections the
        keeper passes on.
    """

    def __init__(self, pair: 'pair_module.Pair', handle: requests.Handle
                 ) -> None:
        self._pair = pair
        self._machine = pair.machine
        self._handle = handle

    def take(self, message: messages.Message, descriptors: list[int]) -> None:
        """Take one.

        :param descriptors: what came with it; they become the pair's.
        """
        now = time.monotonic()
        pair, machine = self._pair, self._machine
        kind = message['type']
        if kind == messages.ToWorker.SERIAL:
            pair.serial.moved(descriptors[0])
        elif kind == messages.ToWorker.COUNT:
            pair.act(machine.leaves(now))
            if machine.state is wire.PairState.FREEZING:
                pair.stop.counted()
                pair.devices.each(base.ShadowDevice.counted, message)
                pair.check_freeze()
        elif kind == messages.ToWorker.CONTROL:
            requests.Connection(
                pair.loop, pair.waiters,
                socket.socket(fileno=descriptors[0]), self._handle)
        elif kind == messages.ToWorker.DOMAIN_R:
            pair.domain_r_attached = message['connected']
            pair.act(
                machine.domain_r_attached(message['generation'], now)
                if message['connected'] else machine.domain_r_detached(now))
        elif kind == messages.ToWorker.VM:
            self._vm_changed(message, now)
        elif (kind == messages.ToWorker.EVENT and message['event']
                in (messages.BOOT, messages.TELLS_BOOTS)):
            self._boots(message['event'] == messages.BOOT)
        elif kind == messages.ToWorker.EVENT:
            LOG.info('%s: %s', message['vm'], message['event'])
            pair.stop.event(message)
            if message['event'] == messages.RESET:
                pair.instance_state.was_reset()
                pair.devices.each(base.ShadowDevice.was_reset)
        elif kind == messages.ToWorker.REPLY:
            pair.commands.replied(message)
            pair.check_freeze()
        elif kind == messages.ToWorker.DISPLAY:
            pair.commands.display_opened(message, descriptors)

    def _boots(self, begins: bool) -> None:
        pair = self._pair
        if begins:
            # This also notes the boot for a worker that may follow this one:
            # the keeper does not tell it a second time.
            pair.control.begin_boot()
            # It may be that no worker has heard of the reset itself, nor seen
            # that there was no QEMU for a while.
            pair.devices.each(base.ShadowDevice.was_reset)
        pair.commands.heard(pair.serial.input.written)
        if begins:
            pair.move()

    def _vm_changed(self, message: messages.Message, now: float) -> None:
        vm = message['vm']
        self._pair.vms[vm] = (message['connected'], message['status'])
        if vm == messages.INSTANCE:
            self._pair.act(self._machine.instance_changed(
                message['status'] in messages.AWAKE, now))
        else:
            self._pair.act(self._machine.domain_r_changed(
                message['status'], message['arriving'], now))
