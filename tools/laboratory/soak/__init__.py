# SPDX-License-Identifier: Apache-2.0
"""``tools/soak``: migrations with random faults, for a long time."""
