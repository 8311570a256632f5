# SPDX-License-Identifier: Apache-2.0
"""A server for Domain R."""
