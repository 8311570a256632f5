# SPDX-License-Identifier: Apache-2.0
"""For tests that do not check RSA host keys, which take a second each."""

import math


class NoRsaKeys:
    """In the place of those that a thread makes: none is ready, ever."""

    last_made_at = -math.inf

    def get(self, seed):
        """Return the key of a seed."""
        return None

    def made_after(self, seed, when):
        """Return whether it was made later."""
        return False
