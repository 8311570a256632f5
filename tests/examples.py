# SPDX-License-Identifier: Apache-2.0
"""How many examples the property tests try.

``DMORE_HYPOTHESIS`` chooses: ``quick`` (the default; the same examples each
time, so that a test that passed goes on to pass), ``middle`` or ``thorough``
(others each time).
"""

import os
from typing import Any

import hypothesis

VARIABLE = 'DMORE_HYPOTHESIS'
_FACTORS = {'quick': 0.5, 'middle': 3, 'thorough': 50}


def settings(count: int = 100, **others: Any) -> hypothesis.settings:
    """Hypothesis' settings without a deadline: machines may be slow.

    :param count: examples, which the chosen profile multiplies
    :raises KeyError: there is no such profile
    """
    profile = os.environ.get(VARIABLE) or 'quick'
    return hypothesis.settings(max_examples=int(count * _FACTORS[profile]),
                               derandomize=profile == 'quick',
                               deadline=None, **others)
