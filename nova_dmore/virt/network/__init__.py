# SPDX-License-Identifier: Apache-2.0
"""Domain R's port: address, plugging, security."""
