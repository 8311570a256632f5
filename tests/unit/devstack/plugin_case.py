# SPDX-License-Identifier: Apache-2.0
"""What the tests of the DevStack plugin have in common."""

import pathlib
import tempfile
import unittest

from tests.unit.devstack import stack


class PluginCase(unittest.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.host = stack.Host(pathlib.Path(folder.name))

    def run_phases(self, *phases: str, **given) -> stack.Done:
        done = self.host.run(*phases, **given)
        self.assertEqual(0, done.status, done.output)
        return done

    def stacked(self, **given) -> stack.Done:
        return self.run_phases(*stack.STACK, **given)

    def unstacked(self, **given) -> stack.Done:
        return self.run_phases(stack.UNSTACK, **given)
