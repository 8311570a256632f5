# SPDX-License-Identifier: Apache-2.0
"""Commands of ``openstack`` for users' SSH consoles, on their own machines.

It needs what the extra ``osc`` of this package names, and nothing of Nova.
"""
