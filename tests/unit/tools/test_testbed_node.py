# SPDX-License-Identifier: Apache-2.0
"""Waiting for a service of a host."""

import contextlib
import pathlib
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.progress import Failure
from laboratory.testbed import node


class WaitTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.network = self.enterContext(mock.patch.object(
            node.namespaces, 'network',
            return_value=contextlib.nullcontext()))
        self.enterContext(mock.patch.object(node, '_LOOK_S', 0.001))
        place = mock.Mock()
        place.host.return_value.namespace = 'dmore-c1'
        self.node = node.Node(place, 'c1')
        self.service = mock.Mock(log=pathlib.Path('/nonexistent'))
        self.service.name = 'libvirtd'
        self.service.pid.return_value = 7

    def test_until_it_answers(self):
        answers = mock.Mock(side_effect=[False, False, True])
        self.node.wait(self.service, answers)
        self.assertEqual(3, answers.call_count)
        self.network.assert_called_once_with('dmore-c1')

    def test_one_that_has_ended(self):
        self.service.pid.side_effect = [7, None]
        with self.assertRaisesRegex(Failure, 'libvirtd: ended'):
            self.node.wait(self.service, lambda: False)

    def test_not_for_ever(self):
        with self.assertRaisesRegex(Failure, 'no answer within 0 s'):
            self.node.wait(self.service, lambda: False, seconds=0.01)
