# SPDX-License-Identifier: Apache-2.0
"""The test cloud: one controller and two compute hosts in namespaces of one
machine.
"""
