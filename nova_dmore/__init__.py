# SPDX-License-Identifier: Apache-2.0
"""Consoles of Nova instances that live on through a live migration."""
