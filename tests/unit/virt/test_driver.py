# SPDX-License-Identifier: Apache-2.0
"""What the driver alone does: the rest is in the tests of what it calls."""

from unittest import mock

from nova.virt import event

from nova_dmore.virt.care import watch
from nova_dmore.virt.pair import domain_r
from tests.unit.virt import driver_case
from tests.unit.virt import fakes


class EventTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.emit = self.stock('emit_event')
        self.driver._watch = mock.create_autospec(
            watch.Watch, instance=True)
        self.pairs.ensure(self.instance)

    def test_of_a_domain_r(self):
        self.driver.emit_event(event.LifecycleEvent(
            domain_r.uuid_of(fakes.UUID), event.EVENT_LIFECYCLE_STOPPED))
        self.driver._watch.changed.assert_called_once_with(fakes.UUID)
        self.emit.assert_not_called()

    def test_of_others(self):
        for each in (event.LifecycleEvent(fakes.UUID,
                                          event.EVENT_LIFECYCLE_STOPPED),
                     event.Event()):
            self.driver.emit_event(each)
            self.emit.assert_called_with(self.driver, each)
        self.driver._watch.changed.assert_not_called()
