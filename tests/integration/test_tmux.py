# SPDX-License-Identifier: Apache-2.0
"""The terminal that clients are tried in."""

import string
import time
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.clients import tmux


class TmuxTest(unittest.TestCase):

    def test_panes(self):
        window = tmux.Tmux('dmore-test', ['cat'])
        self.addCleanup(window.close)
        window.split(8, 'cat')
        for pane in ('0', '1'):
            window.type(f'pane {pane}', 0, pane)
            window.press('Return', pane)
            window.wait_for(f'pane {pane}', 10, pane)
        window.type(string.punctuation, 0)
        window.press('Return')
        window.wait_for(string.punctuation, 10)
        self.assertTrue(window.connected)
        window.press('ctrl+d')
        for _poll in range(50):
            if not window.connected:
                break
            time.sleep(0.1)
        self.assertFalse(window.connected)
