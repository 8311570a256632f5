# SPDX-License-Identifier: Apache-2.0
"""The fuzzer's tests: its programs import from the folder of the tools."""

from tests.unit import tools  # noqa: F401  (for the path that it sets)
