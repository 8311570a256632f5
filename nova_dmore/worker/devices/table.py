# SPDX-License-Identifier: Apache-2.0
"""The shadow devices that a pair has.

No plug-ins: the streams and sockets of each, and what it carries over, are
part of the wire format.
"""

from collections.abc import Callable

from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.display import device as display
from nova_dmore.worker.devices.keyboard import device as keyboard
from nova_dmore.worker.devices.serial import device as serial

#: Called with a :class:`base.DeviceContext`; in the order in which they are
#: served at a stop.
DEVICES: dict[str, Callable[[base.DeviceContext], base.ShadowDevice]] = {
    'serial': serial.SerialDevice, 'input': keyboard.InputDevice,
    'display': display.DisplayDevice}
