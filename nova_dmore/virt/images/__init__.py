# SPDX-License-Identifier: Apache-2.0
"""Domain R's image: from Glance to a file that QEMU may open."""
