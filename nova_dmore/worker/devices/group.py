# SPDX-License-Identifier: Apache-2.0
"""The shadow devices of a pair, as one."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices import base

LOG = logging.getLogger(__name__)


class DeviceFailed(Exception):
    """A device did not survive a stop: all of them are made anew."""


class DeviceGroup(base.ShadowDevice):
    """Passes everything on to each device, in their order.

    If a device fails the process ends, as it does on any fault. A stop for a
    migration is different: only then can the offsets of the other devices be
    saved. So the device that failed is left out, which is reported, and the
    process ends if the migration is rolled back. (A destination has devices of
    its own.)

    :param kinds: name -> what makes the device of a context.
    :param context: the :class:`base.DeviceContext` that they share.
    """

    def __init__(
            self,
            kinds: Mapping[str, Callable[[base.DeviceContext],
                                         base.ShadowDevice]],
            context: base.DeviceContext) -> None:
        self._context = context
        self._failed: set[str] = set()
        self._devices = {name: make(context)
                         for name, make in kinds.items()}

    def __getitem__(self, name: str) -> base.ShadowDevice:
        return self._devices[name]

    def _each(self, method: str, *arguments: Any) -> dict[str, Any]:
        """Call a method of each -> {name: what it returned}."""
        results = {}
        for name, device in self._devices.items():
            if name in self._failed:
                continue
            try:
                results[name] = getattr(device, method)(*arguments)
            except Exception:
                if self._context.machine.state not in (
                        wire.PairState.FREEZING, wire.PairState.FROZEN):
                    raise
                self._leave_out(name, method)
        return results

    def _leave_out(self, name: str, method: str) -> None:
        LOG.exception('The device %s failed at the stop (%s): the others go '
                      'on without', name, method)
        self._failed.add(name)
        for stream in self._devices[name].streams:
            self._context.report_gap(
                stream, wire.GapKind.UNKNOWN,
                f'its device failed at the stop ({method})', None, None)

    def pump(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('pump')

    def look(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('look')

    def armed(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('armed')

    def stop(self, at: float) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('stop', at)

    def counted(self, message: messages.Message) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('counted', message)

    def is_settling(self) -> bool:
        """See :class:`base.ShadowDevice`."""
        return any(self._each('is_settling').values())

    def is_saved(self) -> bool:
        """See :class:`base.ShadowDevice`."""
        return all(self._each('is_saved').values())

    def settle(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('settle')

    def carry_over(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        fields: dict[str, Any] = {}
        for each in self._each('carry_over').values():
            fields |= each
        return fields

    def arrived(self, carried: carry_over_module.CarryOver | None) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('arrived', carried)

    def thaw(self) -> None:
        """See :class:`base.ShadowDevice`.

        :raises DeviceFailed: one did, since the stop.
        """
        if self._failed:
            raise DeviceFailed(', '.join(sorted(self._failed)))
        self._each('thaw')

    def opened(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('opened')

    def domain_r_lost(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self._each('domain_r_lost')

    def status(self) -> dict[str, Any]:
        """-> {device: its status}, of those that have one."""
        return {name: each for name, each in self._each('status').items()
                if each is not None}
