# SPDX-License-Identifier: Apache-2.0
"""What a worker may do; that it cannot do more: integration tests."""

from oslotest import base

from nova_dmore.worker import confinement
from tests.unit.posix import calls


class TestCalls(calls.Checks, base.BaseTestCase):

    confinement = confinement
    not_on_aarch64 = calls.NOT_ON_AARCH64

    def test_nothing_with_a_path_or_an_address(self):
        self.assert_no_calls(*calls.OF_PATHS, 'openat', 'connect', 'socket')

    def test_the_lock_cannot_be_copied(self):
        # To a QEMU and back, it would have another number.
        self.assert_no_calls('sendmsg', 'sendmmsg', 'dup', 'dup2', 'dup3')
