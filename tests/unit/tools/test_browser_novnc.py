# SPDX-License-Identifier: Apache-2.0

import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.browser import novnc
from guest import protocol


class KeysTest(unittest.TestCase):

    def test_all_of_both_typists(self):
        """The second types the same keys with Shift."""
        plain, shifted = (bytes(alphabet).decode()
                          for alphabet in protocol.ALPHABETS)
        self.assertEqual(plain, plain.translate(novnc._PLAIN))
        self.assertEqual(plain, shifted.translate(novnc._PLAIN))
