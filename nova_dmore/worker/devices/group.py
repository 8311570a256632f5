# SPDX-License-Identifier: Apache-2.0
"""The shadow devices of a pair, as one."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from nova_dmore import wire
from nova_dmore.worker.devices import base

LOG = logging.getLogger(__name__)

_Arguments = ParamSpec('_Arguments')
_Result = TypeVar('_Result')


class DeviceFailed(Exception):
    """A device did not survive a stop: all of them are made anew."""


class DeviceGroup:
    """Tells each device what happens, in their order, and asks all of them.

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

    def each(self, method: Callable[Concatenate[base.ShadowDevice, _Arguments],
                                    _Result],
             *arguments: _Arguments.args, **named: _Arguments.kwargs
             ) -> dict[str, _Result]:
        """Call a method of each -> {name: what it returned}.

        :param method: of :class:`base.ShadowDevice`; of each device that of
            the same name is called.
        """
        called, results = method.__name__, {}
        for name, device in self._devices.items():
            if name in self._failed:
                continue
            try:
                results[name] = getattr(device, called)(*arguments, **named)
            except Exception:
                if self._context.machine.state not in (
                        wire.PairState.FREEZING, wire.PairState.FROZEN):
                    raise
                self._leave_out(name, called)
        return results

    def _leave_out(self, name: str, method: str) -> None:
        LOG.exception('The device %s failed at the stop (%s): the others go '
                      'on without', name, method)
        self._failed.add(name)
        for stream in self._devices[name].streams:
            self._context.report_gap(
                stream, wire.GapKind.UNKNOWN,
                f'its device failed at the stop ({method})', None, None)

    def awaits_answer(self) -> bool:
        """See :class:`base.ShadowDevice`."""
        return any(self.each(base.ShadowDevice.awaits_answer).values())

    def is_saved(self) -> bool:
        """See :class:`base.ShadowDevice`."""
        return all(self.each(base.ShadowDevice.is_saved).values())

    def carry_over(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        fields: dict[str, Any] = {}
        for each in self.each(base.ShadowDevice.carry_over).values():
            fields |= each
        return fields

    def thaw(self) -> None:
        """See :class:`base.ShadowDevice`.

        :raises DeviceFailed: one did, since the stop.
        """
        if self._failed:
            raise DeviceFailed(', '.join(sorted(self._failed)))
        self.each(base.ShadowDevice.thaw)

    def status(self) -> dict[str, Any]:
        """-> {device: its status}, of those that have one."""
        found = self.each(base.ShadowDevice.status)
        return {name: each for name, each in found.items()
                if each is not None}

    def to_notes(self) -> dict[str, Any]:
        """-> {device: what it leaves to a successor}, of those that leave
        something; also of one that failed."""
        found = {name: each.to_notes()
                 for name, each in self._devices.items()}
        return {name: each for name, each in found.items()
                if each is not None}
