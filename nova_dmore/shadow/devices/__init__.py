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
"""Shadow devices: what talks to the console devices of an instance's QEMU.

A device is a plug-in of the entry point group ``nova_dmore.devices``: a
module with a function ``create(context)``, see
:mod:`nova_dmore.shadow.devices.base`.
"""

import importlib
import importlib.metadata

GROUP = 'nova_dmore.devices'

#: What a pair has, in the order in which it is served at a stop.
NAMES = ('serial', 'input', 'display')


def load(name):
    """-> the module of the device; called by the worker.

    The worker has no use for stevedore, which would cost it megabytes per
    instance.

    :raises LookupError: there is no such device.
    """
    for entry in importlib.metadata.entry_points(group=GROUP, name=name):
        return entry.load()
    if name in NAMES:   # run from a source tree that is not installed
        return importlib.import_module(f'nova_dmore.shadow.devices.{name}')
    raise LookupError(f'no device {name!a} in {GROUP}')
