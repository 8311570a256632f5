# SPDX-License-Identifier: Apache-2.0
"""The processes of the pairs, as nova-compute starts and ends them."""

import os
import tempfile
from unittest import mock

import fixtures

from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
from nova_dmore import exception
from nova_dmore.virt.pair import shadow_process
from tests.unit.virt import fakes


class ShadowProcessesTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.service = mock.create_autospec(
            host_service.HostService, instance=True)
        self.client = mock.create_autospec(
            shadow_client.ShadowClient, instance=True)
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.client.host_service.HostService',
            lambda run_dir: self.service))
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.client.shadow_client.ShadowClient',
            lambda service, uuid: self.client))
        self.log_dir = os.path.join(folder.name, 'log')
        self.large = False
        self.processes = shadow_process.ShadowProcesses(mock.Mock(
            spec=['run_dir', 'log_dir'], log_dir=self.log_dir),
            lambda: self.large)

    def test_start(self):
        self.processes.start(fakes.UUID)
        self.service.start.assert_called_once_with(fakes.UUID, False, False)
        self.assertTrue(os.path.isdir(self.log_dir))
        self.large = True
        self.processes.start(fakes.UUID, arrives=True)
        self.service.start.assert_called_with(fakes.UUID, True, True)

    def test_large_region_is_wanted_and_known(self):
        service = self.service.knows_large_regions
        for wanted, known, has in ((False, True, False), (True, False, False),
                                   (True, True, True)):
            self.large, service.return_value = wanted, known
            self.assertIs(has, self.processes.has_large_region(fakes.UUID))
            self.assertIs(known,
                          self.processes.knows_large_regions(fakes.UUID))
        service.side_effect = exception.HostServiceError('bad request')
        self.assertFalse(self.processes.has_large_region(fakes.UUID))
        self.assertFalse(self.processes.knows_large_regions(fakes.UUID))

    def test_alive(self):
        self.client.is_gone.return_value = True
        self.assertFalse(self.processes.is_alive(fakes.UUID))
        self.client.is_gone.return_value = False
        self.assertTrue(self.processes.is_alive(fakes.UUID))
        self.client.status.side_effect = exception.ShadowAnswerError('hung')
        self.assertFalse(self.processes.is_alive(fakes.UUID))

    def test_nobody_can_tell_whether_it_is_alive(self):
        # What lives must not be made anew.
        self.client.is_gone.side_effect = exception.HostServiceError('away')
        self.assertRaises(exception.HostServiceError,
                          self.processes.is_alive, fakes.UUID)
        self.client.is_gone = mock.Mock(return_value=False)
        self.client.status.side_effect = exception.HostServiceError('away')
        self.assertRaises(exception.HostServiceError,
                          self.processes.is_alive, fakes.UUID)

    def test_whether_the_service_is_there(self):
        self.assertTrue(self.processes.is_service_there())
        self.service.instances.side_effect = exception.HostServiceError('no')
        self.assertFalse(self.processes.is_service_there())

    def test_stop(self):
        self.processes.stop(fakes.UUID)
        self.client.shutdown.assert_called_once_with()
        self.service.end.assert_not_called()
        self.client.close.assert_called_once_with()

    def test_one_that_does_not_listen_is_ended(self):
        self.client.shutdown.side_effect = exception.ShadowAnswerError('')
        self.client.is_gone.side_effect = [False, True]
        self.processes.stop(fakes.UUID)
        self.service.end.assert_called_once_with(fakes.UUID)
        self.assertEqual(2, self.client.is_gone.call_count)

    def test_one_that_does_not_end(self):
        self.useFixture(fixtures.MockPatchObject(
            shadow_process, '_END_S', 0.1))
        self.client.shutdown.side_effect = exception.ShadowAnswerError('')
        self.client.is_gone.return_value = False
        self.assertRaises(exception.ShadowAnswerError, self.processes.stop,
                          fakes.UUID)

    def test_it_cannot_be_told(self):
        self.client.shutdown.side_effect = exception.HostServiceError('away')
        self.assertRaises(exception.HostServiceError, self.processes.stop,
                          fakes.UUID)
        self.service.end.assert_not_called()
