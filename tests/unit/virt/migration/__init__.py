# SPDX-License-Identifier: Apache-2.0
"""What runs in nova-compute: the driver and the life of a pair."""
