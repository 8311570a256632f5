# SPDX-License-Identifier: Apache-2.0
"""Moving a pair: the source's role, the destination's role, and between."""
