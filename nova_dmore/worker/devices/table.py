# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The shadow devices that a pair has.

No plug-ins: the streams and sockets of each, and what it carries over, are
part of the wire format.
"""

from nova_dmore.worker.devices.display import device as display
from nova_dmore.worker.devices.keyboard import device as keyboard
from nova_dmore.worker.devices.serial import device as serial

#: Called with a :class:`base.DeviceContext`; in the order in which they are
#: served at a stop.
DEVICES = {'serial': serial.SerialDevice, 'input': keyboard.InputDevice,
           'display': display.DisplayDevice}
