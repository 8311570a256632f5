# SPDX-License-Identifier: Apache-2.0
"""Domain R's end of the channel; the agent uses it."""
