# SPDX-License-Identifier: Apache-2.0
"""Tests of ``tools``, whose programs import from their own folder."""

import pathlib
import sys

TOOLS = pathlib.Path(__file__).resolve().parents[3] / 'tools'
if str(TOOLS) not in sys.path:
    sys.path.insert(0, str(TOOLS))
