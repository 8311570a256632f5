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
"""The shadow devices of a pair, as one."""

from nova_dmore.shadow.devices import base


class DeviceGroup(base.ShadowDevice):
    """Passes everything on to each device, in their order.

    :param modules: name -> module with a function ``create``.
    :param context: the :class:`base.DeviceContext` that they share.
    """

    def __init__(self, modules, context):
        self._devices = {name: module.create(context)
                         for name, module in modules.items()}

    def __getitem__(self, name):
        return self._devices[name]

    def pump(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.pump()

    def look(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.look()

    def armed(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.armed()

    def stop(self, at):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.stop(at)

    def is_settling(self):
        """See :class:`base.ShadowDevice`."""
        return any(each.is_settling() for each in self._devices.values())

    def is_saved(self):
        """See :class:`base.ShadowDevice`."""
        return all(each.is_saved() for each in self._devices.values())

    def settle(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.settle()

    def carry_over(self):
        """See :class:`base.ShadowDevice`."""
        fields = {}
        for each in self._devices.values():
            fields |= each.carry_over()
        return fields

    def arrived(self, carried):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.arrived(carried)

    def thaw(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.thaw()

    def opened(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.opened()

    def domain_r_lost(self):
        """See :class:`base.ShadowDevice`."""
        for each in self._devices.values():
            each.domain_r_lost()

    def status(self):
        """-> {device: its status}, of those that have one."""
        found = {name: each.status()
                 for name, each in self._devices.items()}
        return {name: each for name, each in found.items()
                if each is not None}
