# SPDX-License-Identifier: Apache-2.0
"""The SSH gateway: users reach the consoles of their own instances, which are
on a network that is the operator's alone."""
