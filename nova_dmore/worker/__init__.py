# SPDX-License-Identifier: Apache-2.0
"""The worker of a pair: a process on the host that the keeper restarts."""
