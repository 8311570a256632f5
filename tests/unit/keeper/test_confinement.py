# SPDX-License-Identifier: Apache-2.0
"""What a keeper may do; that it cannot do more: integration tests."""

import os

from oslotest import base

from nova_dmore.keeper import confinement
from nova_dmore.posix import seccomp
from tests.unit.posix import calls


class TestCalls(calls.Checks, base.BaseTestCase):

    confinement = confinement
    not_on_aarch64 = {*calls.NOT_ON_AARCH64, 'poll'}

    def test_nothing_with_a_path(self):
        self.assert_no_calls(*calls.OF_PATHS)

    def test_what_is_opened_can_only_be_named(self):
        conditions = [call.conditions for call in confinement.ALLOWED
                      if call.name == 'openat']
        self.assertEqual([(seccomp.equals(
            2, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC),)], conditions)
