# SPDX-License-Identifier: Apache-2.0
"""All devices as one: no device's fault is another's."""

import types

from oslotest import base as test_base

from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices import group

State = wire.PairState
IN = wire.Stream.SERIAL0_IN


class Device(base.ShadowDevice):

    def __init__(self, name):
        self.name = name
        self.fails_at = None
        self.calls = []
        self.streams = (IN,) if name == 'b' else ()

    def pump(self):
        self._called('pump')

    def _called(self, name):
        self.calls.append(name)
        if name == self.fails_at:
            raise IndexError(name)

    def stop(self, at):
        self._called('stop')

    def counted(self, message):
        self._called('counted')

    def awaits_answer(self):
        self._called('awaits_answer')
        return False

    def is_saved(self):
        self._called('is_saved')
        return True

    def frozen(self):
        self._called('frozen')

    def update(self):
        self._called('update')

    def carry_over(self):
        self._called('carry_over')
        return {self.name: 1}

    def thaw(self):
        self._called('thaw')


class TestGroup(test_base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.begin()

    def begin(self):
        self.gaps = []
        self.machine = types.SimpleNamespace(state=State.FREEZING)
        context = types.SimpleNamespace(
            machine=self.machine,
            report_gap=lambda *gap: self.gaps.append(gap))
        kinds = {name: lambda _context, name=name: Device(name)
                 for name in 'abc'}
        self.group = group.DeviceGroup(kinds, context)

    def stop(self):
        self.group.each(base.ShadowDevice.stop, 1.0)
        self.group.each(base.ShadowDevice.counted, {})
        self.group.each(base.ShadowDevice.update)
        answered = self.group.awaits_answer(), self.group.is_saved()
        self.group.each(base.ShadowDevice.frozen)
        self.machine.state = State.FROZEN
        self.group.each(base.ShadowDevice.update)
        return answered, self.group.carry_over()

    def test_each_saves_itself(self):
        for name in ('stop', 'counted', 'update', 'awaits_answer', 'is_saved',
                     'frozen', 'carry_over'):
            self.begin()
            self.group['b'].fails_at = name
            self.assertEqual(
                ((False, True), {'a': 1, 'c': 1}), self.stop(), name)
            (gap,) = self.gaps
            self.assertEqual((IN, wire.GapKind.UNKNOWN), gap[:2])
            # It is half-changed: nobody calls it any more.
            self.assertEqual(name, self.group['b'].calls[-1])
            self.assertEqual(1, self.group['b'].calls.count(name))
            # Here all begin anew, in another process.
            self.assertRaises(group.DeviceFailed, self.group.thaw)

    def test_without_a_fault(self):
        self.assertEqual(
            ((False, True), dict.fromkeys('abc', 1)), self.stop())
        self.group.thaw()
        self.assertEqual([], self.gaps)

    def test_a_fault_at_another_time_ends_the_process(self):
        self.group['b'].fails_at = 'pump'
        self.machine.state = State.LIVE
        self.assertRaises(IndexError, self.group.each,
                          base.ShadowDevice.pump)
