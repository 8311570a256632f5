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
