# SPDX-License-Identifier: Apache-2.0
"""Builds the image that Domain R boots from; runs on the host only."""
