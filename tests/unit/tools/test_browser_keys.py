# SPDX-License-Identifier: Apache-2.0

import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.browser import keys
from guest import protocol


class KeysTest(unittest.TestCase):

    def test_all_of_both_typists(self):
        plain, shifted = ([keys.key(chr(value)) for value in alphabet]
                          for alphabet in protocol.ALPHABETS)
        self.assertEqual({False}, {key.shift for key in plain})
        self.assertEqual({True}, {key.shift for key in shifted})
        # The second types the same keys with shift.
        self.assertEqual([(key.code, key.virtual) for key in plain],
                         [(key.code, key.virtual) for key in shifted])
        self.assertEqual(len(plain), len({key.code for key in plain}))

    def test_no_such_key(self):
        self.assertRaises(KeyError, keys.key, '\u20ac')

    def test_plain(self):
        a = keys.key('a')
        self.assertEqual([('rawKeyDown', a, 0), ('keyUp', a, 0)],
                         list(keys.events(a)))

    def test_shift_is_held_for_what_needs_it(self):
        a = keys.key('A')
        self.assertEqual(
            [('rawKeyDown', keys.SHIFT, 8), ('rawKeyDown', a, 8),
             ('keyUp', a, 8), ('keyUp', keys.SHIFT, 0)],
            list(keys.events(a)))

    def test_several_are_held(self):
        self.assertEqual(
            [('rawKeyDown', keys.CONTROL, 2), ('rawKeyDown', keys.ALT, 3),
             ('rawKeyDown', keys.DELETE, 3), ('keyUp', keys.DELETE, 3),
             ('keyUp', keys.ALT, 2), ('keyUp', keys.CONTROL, 0)],
            list(keys.events(keys.DELETE, keys.CONTROL, keys.ALT)))
