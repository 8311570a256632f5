# SPDX-License-Identifier: Apache-2.0
"""Faults during live migrations: injected, repaired, judged."""
