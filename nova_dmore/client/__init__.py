# SPDX-License-Identifier: Apache-2.0
"""nova-compute's side of a pair's processes on the host."""
