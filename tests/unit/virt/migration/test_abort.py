# SPDX-License-Identifier: Apache-2.0
"""Who comes first: the user who aborts, or the call of libvirt."""

from oslotest import base

from nova_dmore.virt.migration import abort


class AbortTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.abort = abort.Abort()

    def test_the_user(self):
        self.assertFalse(self.abort.is_aborted())
        # And again: Nova's own end of a failed migration does so.
        for _time in range(2):
            self.assertTrue(self.abort.abort())
            self.assertTrue(self.abort.is_aborted())
            self.assertFalse(self.abort.request())

    def test_the_call(self):
        self.assertTrue(self.abort.request())
        self.assertFalse(self.abort.abort())
        self.assertFalse(self.abort.is_aborted())
