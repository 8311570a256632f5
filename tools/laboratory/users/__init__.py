# SPDX-License-Identifier: Apache-2.0
"""Users at the consoles of an instance, and what became of what they typed."""
