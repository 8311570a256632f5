# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures

from nova_dmore.virt.care import reporter
from nova_dmore.virt.pair import factory
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class WatchTest(fake_host.HostTestCase):

    def test_what_is_done_besides(self):
        tasks = [self.useFixture(fixtures.MockPatch(
            f'nova_dmore.virt.care.{name}', autospec=True)).mock
            for name in ('changed_options.ChangedOptions.apply',
                         'off_ports.OffPorts.release',
                         'port_search.PortSearch.run',
                         'late_notes.LateNotes.retry')]
        record = self.pairs.ensure(fakes.make_instance())
        watched = factory.make_watch(
            self.conf, self.pairs,
            mock.create_autospec(reporter.Reporter, instance=True),
            lambda: self.libvirt, None)
        self.assertEqual(
            [None, None, 40, 5],
            [interval_s for _, interval_s in watched._also])
        for function, _ in watched._also:
            function()
        notes = tasks.pop()
        for task in tasks:
            task.assert_called_once_with(mock.ANY, [record])
        notes.assert_called_once_with(mock.ANY, watched.not_moving)
