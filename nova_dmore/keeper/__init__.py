# SPDX-License-Identifier: Apache-2.0
"""The keeper of a pair: a process on the host that outlives workers."""
