# SPDX-License-Identifier: Apache-2.0
"""The SSH gateway."""
