# SPDX-License-Identifier: Apache-2.0
"""``test_image_store.py`` has what many threads get of one fetch."""

import threading
from unittest import mock

from nova_dmore.virt.images import fetches
from nova_dmore.virt.images import image_source
from nova_dmore.virt import limited
from tests.unit.virt import fakes

ONE = image_source.Candidate('1', 'ab' * 32, 100)
ANOTHER = image_source.Candidate('2', 'cd' * 32, 100)


class FetchesTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.asked = []
        self.is_fetching, self.go_on = threading.Event(), threading.Event()
        self.fetches = fetches.Fetches(self._fetch)

    def _fetch(self, candidate):
        self.asked.append(candidate)
        if candidate is ONE:
            self.is_fetching.set()
            self.assertTrue(self.go_on.wait(60))

    def _begin(self):
        thread = threading.Thread(target=self.fetches.have, args=(ONE,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.go_on.set)     # first
        self.assertTrue(self.is_fetching.wait(60))
        return thread

    def test_nobody_waits_for_ever(self):
        thread = self._begin()
        with mock.patch.object(limited, 'IMAGE_S', 0.01):
            error = self.assertRaises(
                image_source.RefusedError, self.fetches.have, ONE)
        self.assertFalse(error.lasting)
        self.assertEqual([ONE], self.asked)
        # The one that fetches it goes on.
        self.go_on.set()
        thread.join()
        self.fetches.have(ONE)
        self.assertEqual([ONE, ONE], self.asked)

    def test_another_image_is_not_waited_for(self):
        self._begin()
        self.fetches.have(ANOTHER)
        self.assertEqual([ONE, ANOTHER], self.asked)
