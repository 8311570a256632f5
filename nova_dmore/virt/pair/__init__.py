# SPDX-License-Identifier: Apache-2.0
"""A pair on one host: its record, its domains, its processes."""
